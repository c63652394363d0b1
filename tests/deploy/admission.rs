//! What admission takes and refuses, case by case: `tests/cluster/admission`, whose README says how to read them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command as Blocking;

use exeat_tests::Ran;

use crate::helm::repository;
use crate::installed::Installed;

const CONTROLLER: &str = "system:serviceaccount:exeat-system:exeat-controller";

#[tokio::test]
async fn each_case_is_taken_or_refused_as_it_says() {
    let Some(installed) = Installed::open(&[]).await else { return };
    let scene = Scene::set(installed).await;
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository().join("tests/cluster/admission"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let mut wrong = Vec::new();
    for file in files {
        scene.play(&file, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One document: what is tried, and what is to come of it.
struct Case<'f> {
    says: BTreeMap<&'f str, &'f str>,
    text: &'f str,
}

impl<'f> Case<'f> {
    fn parse(text: &'f str) -> Self {
        let comments = text.lines().map_while(|line| line.strip_prefix("# "));
        let says = comments.map(|line| line.split_once(": ").unwrap_or((line, ""))).collect();
        Case { says, text }
    }

    fn is_object(&self) -> bool {
        self.text.lines().any(|line| line.starts_with("kind: "))
    }

    fn has(&self, word: &str) -> bool {
        self.says.contains_key(word)
    }

    fn who(&self) -> String {
        match self.says.get("as") {
            None | Some(&"admin") => "--v=0".to_owned(),
            Some(&"controller") => format!("--as={CONTROLLER}"),
            Some(user) => format!("--as={user}"),
        }
    }

    /// What is wrong with what came of it.
    fn fault(&self, ran: &Ran) -> Option<String> {
        let as_told = match self.says.get("expect") {
            Some(text) => ran.code != 0 && ran.stderr.contains(text),
            None => ran.code == 0,
        };
        (!as_told).then(|| format!("{:?} {}: {} {}", self.says, self.text, ran.code, ran.said()))
    }
}

/// An installation with its policies in force, two namespaces, and people.
struct Scene {
    installed: Installed,
    folder: tempfile::TempDir,
    prefix: String,
}

impl Scene {
    async fn set(installed: Installed) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let prefix = format!("exeat-test-{}", std::process::id());
        let people = folder.path().join("people.yaml");
        std::fs::write(&people, people_of(&prefix)).unwrap();
        installed.cluster.apply(&people).await;
        let scene = Scene { installed, folder, prefix };
        scene.wait().await;
        scene
    }

    /// A policy is in force a little after it is there.
    async fn wait(&self) {
        let probe = self.write(
            "probe.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: { name: probe }\nspec: { containers: [{ name: a, image: a }] }\n",
        );
        let namespace = self.namespace("enforced");
        for _ in 0..100 {
            let ran =
                self.installed.cluster.kubectl(&["create", "-n", &namespace, "--dry-run=server", "-f", &probe]).await;
            if ran.stderr.contains("exeat-sandbox-pods") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        panic!("the policies are not in force");
    }

    fn namespace(&self, which: &str) -> String {
        format!("{}-{which}", self.prefix)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    async fn play(&self, file: &Path, wrong: &mut Vec<String>) {
        let text = std::fs::read_to_string(file).unwrap();
        let mut cases = text.split("\n---\n").map(Case::parse).peekable();
        let first = cases.peek().unwrap();
        let namespace = self.namespace(first.says["in"]);
        let mut base = String::new();
        for case in cases {
            if case.is_object() {
                base = self.write("base.yaml", case.text);
            }
            let ran = self.attempt(&namespace, &base, &case).await;
            wrong.extend(case.fault(&ran).map(|fault| format!("{}: {fault}", file.file_name().unwrap().display())));
        }
    }

    async fn attempt(&self, namespace: &str, base: &str, case: &Case<'_>) -> Ran {
        let who = case.who();
        let patch = self.write("patch.yaml", case.text);
        let patch = format!("--patch-file={patch}");
        let (tried, common) = ("--dry-run=server", ["-n", namespace, &who]);
        let words: Vec<&str> = if case.has("delete") {
            vec!["delete", "-f", base, tried]
        } else if case.has("update") {
            vec!["patch", "-f", base, "--type=merge", &patch, tried]
        } else if case.has("ephemeral") {
            vec!["patch", "-f", base, "--type=strategic", "--subresource=ephemeralcontainers", &patch, tried]
        } else if case.has("there") {
            // The controller may have been faster.
            vec!["apply", "--server-side", "--force-conflicts", "-f", base]
        } else if case.is_object() {
            vec!["create", "-f", base, tried]
        } else {
            let local = ["patch", "-f", base, "--local", "--type=merge", &patch, "-o", "json"];
            let merged = self.installed.cluster.must(&local).await;
            let merged = self.write("merged.json", &merged.stdout);
            return self.installed.cluster.kubectl(&["create", "-f", &merged, tried, "-n", namespace, &who]).await;
        };
        self.installed.cluster.kubectl(&[words.as_slice(), &common].concat()).await
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let (enforced, plain) = (self.namespace("enforced"), self.namespace("plain"));
        let kubectl = |arguments: &[&str]| drop(Blocking::new("kubectl").args(arguments).output());
        kubectl(&["delete", "--wait=false", "namespace", &enforced, &plain]);
        kubectl(&["delete", "clusterrole", &self.prefix]);
    }
}

/// The namespaces, and who may do what in them: everybody everything, but for the profile.
fn people_of(prefix: &str) -> String {
    let mut text = format!(
        r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{ name: {prefix} }}
rules:
  - apiGroups: ["", agents.x-k8s.io, extensions.agents.x-k8s.io, networking.k8s.io]
    resources: ["*"]
    verbs: ["*"]
"#
    );
    for (which, labels) in [
        ("enforced", "{ exeat.dev/enforce: \"true\", exeat.dev/wire: \"false\" }"),
        ("plain", "{ exeat.dev/wire: \"false\" }"),
    ] {
        text.push_str(&format!(
            r#"
---
apiVersion: v1
kind: Namespace
metadata: {{ name: {prefix}-{which}, labels: {labels} }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: people, namespace: {prefix}-{which} }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {prefix} }}
subjects:
  - {{ apiGroup: rbac.authorization.k8s.io, kind: User, name: developer }}
  - {{ apiGroup: rbac.authorization.k8s.io, kind: User, name: colleague }}
  - {{ apiGroup: rbac.authorization.k8s.io, kind: User, name: stranger }}
  - {{ apiGroup: rbac.authorization.k8s.io, kind: User, name: "{CONTROLLER}" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{ name: coder, namespace: {prefix}-{which} }}
rules:
  - {{ apiGroups: [exeat.dev], resources: [profiles], resourceNames: [coder], verbs: [use] }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: coder, namespace: {prefix}-{which} }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: coder }}
subjects:
  - {{ apiGroup: rbac.authorization.k8s.io, kind: User, name: developer }}
  - {{ apiGroup: rbac.authorization.k8s.io, kind: User, name: colleague }}
"#
        ));
    }
    text
}
