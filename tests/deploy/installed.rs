//! Exeat as Helm installs it: every role in pods of the image, with the rights, webhooks and policies of the chart.
//!
//! There is one installation on a cluster, and it takes a while to come up. So tests have it one after the other, and it
//! stays between them. `uninstalled.rs` takes it away.

use std::io::Write;
use std::process::{Command as Blocking, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use exeat_tests::{PATIENCE, Ran};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;
use crate::helm::{Helm, ROUTER, SYSTEM};

/// What is waited for comes within this time on a machine that does other things too.
const LONGEST: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(300);
/// A policy that Cedar does not take. It is refused by nobody but the webhook.
const WRONG: &str = r#"
apiVersion: exeat.dev/v1alpha1
kind: EgressPolicy
metadata: { name: probe }
spec: { cedar: permit }
"#;

/// The values that the installation has, where this process has made it.
type Values = Arc<Mutex<Option<Vec<String>>>>;

fn shared() -> Values {
    static SHARED: OnceLock<Values> = OnceLock::new();
    Arc::clone(SHARED.get_or_init(Arc::default))
}

/// An installation that is up, and a namespace for a test. Nobody else has it meanwhile.
pub(crate) struct Installed {
    helm: Helm,
    pub(crate) cluster: Cluster,
    /// The test's own namespace. It goes with this value.
    pub(crate) namespace: String,
    /// For files of the test's.
    pub(crate) folder: tempfile::TempDir,
    values: OwnedMutexGuard<Option<Vec<String>>>,
}

impl Installed {
    /// The name of the namespace that a test is going to have, for values that speak of it.
    pub(crate) fn namespace() -> String {
        format!("exeat-test-{}-installed", std::process::id())
    }

    /// Installs the chart, or changes what is installed where its values were others: the chart's own, and what these arguments
    /// of helm say (`--set`, `--values`). Nothing, and a skip, where there is no helm or no cluster.
    pub(crate) async fn open(values: &[&str]) -> Option<Installed> {
        let (helm, cluster) = (Helm::find()?, Cluster::find()?);
        let namespace = Installed::namespace();
        let mut installed = Installed {
            helm,
            cluster,
            namespace,
            folder: tempfile::tempdir().unwrap(),
            values: shared().lock_owned().await,
        };
        installed.make_namespace().await;
        installed.upgrade(values).await;
        Some(installed)
    }

    /// Gives the installation these values and no others, and waits until every role has them.
    pub(crate) async fn upgrade(&mut self, values: &[&str]) {
        let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        // What was in a namespace of this name has gone with it.
        let is_about_namespace = values.iter().any(|value| value.contains(&self.namespace));
        if is_about_namespace || self.values.as_ref() != Some(&values) {
            *self.values = None;
            say("helm upgrade --install");
            let ran = self.helm.upgrade(values.iter().map(String::as_str)).await;
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            *self.values = Some(values);
        }
        self.until_available().await;
        self.until_asked().await;
    }

    /// Removes the installation, as its users do: what runs in it goes first.
    pub(crate) async fn uninstall(&mut self) {
        self.delete_namespace().await;
        *self.values = None;
        say("helm uninstall");
        let ran = self.helm.uninstall().await;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }

    /// Removes the installation, and installs it anew with these values: what an upgrade would find there already is not.
    pub(crate) async fn reinstall(&mut self, values: &[&str]) {
        self.uninstall().await;
        self.make_namespace().await;
        self.upgrade(values).await;
    }

    /// Deletes the namespace with what runs in it, and leaves the installation to the next test.
    pub(crate) async fn close(self) {
        self.delete_namespace().await;
    }

    /// The image that every role runs.
    pub(crate) fn image(&self) -> String {
        std::env::var("EXEAT_CLUSTER_IMAGE")
            .unwrap_or_else(|_| format!("exeat.dev/exeat:{}", env!("CARGO_PKG_VERSION")))
    }

    /// Where the router is. This machine reaches Services by the node.
    pub(crate) async fn router(&self) -> String {
        let service = ["get", "-n", ROUTER, "service/sandbox-router-svc", "-o", "jsonpath={.spec.clusterIP}"];
        format!("http://{}:8080", self.cluster.must(&service).await.stdout)
    }

    /// Forwards a port of this machine to the router, as its users do by hand.
    pub(crate) async fn forward_router(&self) -> Forwarded {
        let mut command = self.cluster.command(&["port-forward", "-n", ROUTER, "service/sandbox-router-svc", ":8080"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        // It writes a line for each connection, to somebody who reads it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (_, port) = line.strip_suffix(" -> 8080").unwrap().rsplit_once(':').unwrap();
        Forwarded { address: format!("http://127.0.0.1:{port}"), _program: child }
    }

    /// A token of somebody of this name, who has this cluster role in the test's namespace.
    pub(crate) async fn token(&self, name: &str, role: &str) -> String {
        let (role, account) = (format!("--clusterrole={role}"), format!("--serviceaccount={}:{name}", self.namespace));
        self.here(&["create", "serviceaccount", name]).await;
        self.here(&["create", "rolebinding", name, &role, &account]).await;
        self.here(&["create", "token", name]).await.stdout.trim().to_owned()
    }

    /// Runs kubectl in the test's namespace, and fails the test where that fails.
    pub(crate) async fn here(&self, arguments: &[&str]) -> Ran {
        let namespace = format!("--namespace={}", self.namespace);
        self.cluster.must(&[&[namespace.as_str()], arguments].concat()).await
    }

    /// Waits until an object of the test's namespace has this at a path (kubectl's JSONPath), and gives it.
    pub(crate) async fn until(&self, object: &str, path: &str, is: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + 2 * PATIENCE;
        let output = format!("jsonpath={path}");
        loop {
            let ran = self.cluster.kubectl(&["get", "-n", &self.namespace, object, "-o", &output]).await;
            if ran.code == 0 && is(&ran.stdout) {
                return ran.stdout;
            }
            assert!(Instant::now() < end, "{object} {path}: {}", ran.said());
            sleep(LOOK).await;
        }
    }

    /// Says how far a test is.
    pub(crate) fn say(&self, text: &str) {
        say(text);
    }

    async fn make_namespace(&self) {
        // A test that failed may have left it.
        self.delete_namespace().await;
        self.cluster.must(&["create", "namespace", &self.namespace]).await;
    }

    async fn delete_namespace(&self) {
        self.cluster.must(&["delete", "namespace", "--ignore-not-found", "--timeout=90s", &self.namespace]).await;
    }

    /// Waits until every replica of every role is the one that was asked for, and ready.
    async fn until_available(&self) {
        let end = Instant::now() + LONGEST;
        let mut said = String::new();
        loop {
            let roles = self.roles().await;
            let now = roles.iter().map(|role| role.shown()).collect::<Vec<_>>().join(", ");
            if now != said {
                say(&now);
                said = now;
            }
            if !roles.is_empty() && roles.iter().all(Role::is_available) {
                return;
            }
            if Instant::now() > end {
                panic!("not everything comes up: {said}\n{}", self.trouble().await);
            }
            sleep(LOOK).await;
        }
    }

    async fn roles(&self) -> Vec<Role> {
        let ours = ["get", "deployments,statefulsets", "-A", "-l", "app.kubernetes.io/part-of=exeat", "-o", "json"];
        let list: Value = serde_json::from_str(&self.cluster.must(&ours).await.stdout).unwrap();
        list["items"].as_array().unwrap().iter().cloned().map(Role).collect()
    }

    /// What pods say of themselves, and why they are not ready.
    async fn trouble(&self) -> String {
        let ours = ["-l", "app.kubernetes.io/part-of=exeat"];
        let mut said = String::new();
        for words in [&["get", "pods", "-A", "-o", "wide"] as &[_], &["get", "events", "-n", SYSTEM]] {
            said.push_str(&self.cluster.kubectl(words).await.stdout);
        }
        for namespace in [SYSTEM, ROUTER] {
            let words = [&["logs", "-n", namespace, "--prefix", "--tail=20"] as &[_], &ours].concat();
            said.push_str(&self.cluster.kubectl(&words).await.stdout);
        }
        said
    }

    /// Waits until API servers ask the webhooks, and trust them.
    async fn until_asked(&self) {
        let file = self.folder.path().join("wrong.yaml");
        std::fs::write(&file, WRONG).unwrap();
        let probe = ["create", "--dry-run=server", "-n", &self.namespace, "-f", file.to_str().unwrap()];
        let end = Instant::now() + LONGEST;
        loop {
            let ran = self.cluster.kubectl(&probe).await;
            if ran.stderr.contains("spec.cedar") {
                say("the webhooks answer");
                return;
            }
            assert!(Instant::now() < end, "the webhooks do not answer: {}{}", ran.stderr, self.trouble().await);
            sleep(LOOK).await;
        }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let delete = ["delete", "namespace", "--ignore-not-found", "--wait=false", &self.namespace];
        let _ = Blocking::new("kubectl").args(delete).output();
    }
}

/// A port that leads to the router for as long as this is kept.
pub(crate) struct Forwarded {
    pub(crate) address: String,
    _program: Child,
}

/// A Deployment or StatefulSet.
struct Role(Value);

impl Role {
    fn count(&self, field: &str) -> i64 {
        self.0["status"][field].as_i64().unwrap_or(0)
    }

    fn wanted(&self) -> i64 {
        self.0["spec"]["replicas"].as_i64().unwrap_or(0)
    }

    fn shown(&self) -> String {
        format!("{} {}/{}", self.0["metadata"]["name"].as_str().unwrap(), self.count("readyReplicas"), self.wanted())
    }

    fn is_available(&self) -> bool {
        let current = self.0["status"]["observedGeneration"] == self.0["metadata"]["generation"];
        let counts = ["replicas", "updatedReplicas", "readyReplicas"].map(|field| self.count(field));
        current && counts.iter().all(|count| *count == self.wanted())
    }
}

/// Says how far it is. Not by `eprintln!`, which the harness hides until a test is over.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "installed: {text}");
}

#[tokio::test]
async fn every_role_comes_up() {
    let Some(installed) = Installed::open(&[]).await else { return };
    let roles: Vec<String> = installed.roles().await.iter().map(Role::shown).collect();
    assert_eq!(roles, ["exeat-router 2/2", "exeat-controller 2/2", "exeat-gateway 1/1"]);
    // Who may execute in the gateway reads its journal there.
    let gateway = ["exec", "-n", SYSTEM, "exeat-gateway-0", "--", "/exeat", "audit", "verify"];
    let verified = installed.cluster.must(&gateway).await;
    assert!(verified.stdout.contains("records"), "{}{}", verified.stdout, verified.stderr);
    installed.close().await;
}
