//! The main job on a cluster: a claim gets a gVisor pod that knows no secret, whose git push goes through the gateway with a
//! credential and is in the journal, and who gets nowhere else.

use std::net::SocketAddr;

use exeat_demo::{Authority, GitOrigin, Login};
use exeat_tests::{Ran, Relay, skip};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::helm::SYSTEM;
use crate::installed::Installed;
use crate::peer::Peer;

const GITHUB: &str = "github.com";
const SECRET: &str = "ghp_only-the-gateway-knows-this";
const IMAGE: &str = "exeat.dev/test/debian:latest";
/// What the demo's coders may do on one machine.
const POLICY: &str = include_str!("../../policies/stories/coder.cedar");

/// GitHub as sandboxes know it: real git on this machine, where the gateway's pod can reach it.
struct Outside {
    git: GitOrigin,
    relay: Relay,
    folder: TempDir,
    authority: Authority,
}

impl Outside {
    async fn start() -> Option<Outside> {
        let Ok(host) = std::env::var("EXEAT_CLUSTER_HOST") else {
            skip("EXEAT_CLUSTER_HOST, this machine's address as pods see it");
            return None;
        };
        let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
        let login = Login { username: "x-access-token".to_owned(), password: SECRET.to_owned() };
        let git = GitOrigin::start(&authority, GITHUB, &folder.path().join("git"), login).await.unwrap();
        git.create_repository("acme/site").await.unwrap();
        git.clear();
        let relay = Relay::start(host.parse().unwrap(), git.address()).await;
        Some(Outside { git, relay, folder, authority })
    }

    /// The name of the configuration map with its authority. Another test's may be there already.
    fn roots(&self) -> String {
        format!("test-roots-{}", self.relay.address().port())
    }

    /// Values of an installation whose gateway finds it, trusts it, and may read its token.
    async fn values(&self, cluster: &Cluster, namespace: &str) -> String {
        let roots = json!({
            "apiVersion": "v1", "kind": "List", "items": [
                { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SYSTEM } },
                {
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": self.roots(), "namespace": SYSTEM },
                    "data": { "ca-certificates.crt": self.authority.ca_pem() },
                },
            ],
        });
        cluster.apply(&self.write("roots.json", &roots)).await;
        let values = json!({ "gateway": {
            "config": { "origin": [{ "host": GITHUB, "address": self.relay.address().to_string() }] },
            "roots": { "configMap": self.roots() },
            "secrets": [{ "namespace": namespace, "name": "github-token" }],
        } });
        self.write("values.json", &values).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, value: &Value) -> std::path::PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, value.to_string()).unwrap();
        file
    }

    /// A pod next door that is nobody's to reach.
    fn neighbour(&self, namespace: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "neighbour", "namespace": namespace },
            "spec": { "terminationGracePeriodSeconds": 1, "containers": [{
                "name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
                "command": ["python3", "-m", "http.server", "8000"],
            }] },
        })
    }

    /// What a security team and a platform team put into a namespace. A template may say its networks itself.
    fn tenant(&self, namespace: &str, networks: Option<Value>) -> Value {
        let labels = json!({ "exeat.dev/profile": "coder" });
        let mut items = vec![
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "github-token" },
                "stringData": { "token": SECRET },
            }),
            json!({
                "apiVersion": "exeat.dev/v1alpha1", "kind": "EgressPolicy", "metadata": { "name": "agents" },
                "spec": { "profiles": ["coder"], "cedar": POLICY },
            }),
            json!({
                "apiVersion": "exeat.dev/v1alpha1", "kind": "Credential", "metadata": { "name": "github" },
                "spec": {
                    "hosts": [GITHUB], "actions": ["github:*"], "inject": { "basic": { "username": "x-access-token" } },
                    "secretRef": { "name": "github-token", "key": "token" },
                },
            }),
            json!({
                "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxTemplate",
                "metadata": { "name": "coder" },
                "spec": { "podTemplate": { "metadata": { "labels": labels }, "spec": { "containers": [{
                    "name": "agent", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
                }] } } },
            }),
            json!({
                "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxWarmPool",
                "metadata": { "name": "coders" }, "spec": { "replicas": 1, "sandboxTemplateRef": { "name": "coder" } },
            }),
        ];
        if let Some(networks) = networks {
            items[3]["spec"]["networkPolicy"] = networks;
        }
        for item in &mut items {
            item["metadata"]["namespace"] = json!(namespace);
        }
        json!({ "apiVersion": "v1", "kind": "List", "items": items })
    }
}

/// A pod that is looked into.
struct Pod<'i> {
    installed: &'i Installed,
    name: String,
}

impl Pod<'_> {
    async fn shell(&self, line: &str) -> Ran {
        let namespace = &self.installed.namespace;
        self.installed.cluster.kubectl(&["exec", "-n", namespace, &self.name, "--", "sh", "-c", line]).await
    }

    async fn must(&self, line: &str) -> String {
        let ran = self.shell(line).await;
        assert_eq!(ran.code, 0, "{line}: {}", ran.said());
        ran.stdout
    }

    /// Whether something answers there within a few seconds.
    async fn reaches(&self, address: SocketAddr) -> bool {
        self.shell(&format!("nc -z -w 3 {} {}", address.ip(), address.port())).await.code == 0
    }
}

/// The journal of the gateway, newest last.
async fn journal(installed: &Installed) -> Vec<Value> {
    let list = ["exec", "-n", SYSTEM, "exeat-gateway-0", "--", "/exeat", "audit", "list", "--output", "json"];
    let said = installed.cluster.must(&list).await.stdout;
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_push_goes_out_with_a_credential_and_nothing_else_goes_anywhere() {
    let (Some(outside), Some(cluster)) = (Outside::start().await, Cluster::find()) else { return };
    let values = outside.values(&cluster, &Installed::namespace()).await;
    let Some(installed) = Installed::open(&["--values", &values]).await else { return };
    tell(&outside, &installed, None).await;
    installed.close().await;
}

/// As docs/kubernetes-install.md says that it is installed then, and a template written.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_same_beside_agent_sandboxs_own_controller() {
    let (Some(outside), Some(cluster)) = (Outside::start().await, Cluster::find()) else { return };
    let values = outside.values(&cluster, &Installed::namespace()).await;
    let beside = "controller.mode=beside,router.createNamespace=false,router.enabled=false";
    let Some(mut installed) = Installed::open(&[]).await else { return };
    installed.reinstall(&["--values", &values, "--set", beside]).await;
    let gateway = json!({ "egress": [{
        "to": [{
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": SYSTEM } },
            "podSelector": { "matchLabels": {
                "app.kubernetes.io/name": "exeat", "app.kubernetes.io/component": "gateway",
            } },
        }],
        "ports": [{ "protocol": "TCP", "port": 3129 }],
    }] });
    let peer = Peer::start(&cluster).await;
    tell(&outside, &installed, Some(gateway)).await;
    drop(peer);
    installed.close().await;
}

async fn tell(outside: &Outside, installed: &Installed, networks: Option<Value>) {
    let cluster = &installed.cluster;
    let neighbour = outside.write("neighbour.json", &outside.neighbour(&installed.namespace));
    cluster.apply(&neighbour).await;
    // From here on the namespace takes wired pods alone.
    cluster.must(&["label", "namespace", &installed.namespace, "exeat.dev/enforce=true"]).await;
    cluster.apply(&outside.write("tenant.json", &outside.tenant(&installed.namespace, networks))).await;

    // A sandbox that waits in a pool has the gateway as its only way out, and no rights there.
    installed.until("sandboxwarmpool/coders", "{.status.readyReplicas}", |ready| ready == "1").await;
    let warm = installed.until("sandboxes", "{.items[0].metadata.name}", |name| !name.is_empty()).await;
    let warm = Pod { installed, name: warm };
    assert!(warm.must("dmesg").await.contains("Starting gVisor"));
    assert_ne!(warm.shell("git ls-remote https://github.com/acme/site").await.code, 0);
    assert_eq!(outside.git.connections(), 0);

    let claim = json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxClaim",
        "metadata": { "name": "work", "namespace": installed.namespace }, "spec": { "warmPoolRef": { "name": "coders" } },
    });
    cluster.apply(&outside.write("claim.json", &claim)).await;
    let ready = "{.status.conditions[?(@.type=='Ready')].status}";
    installed.until("sandboxclaim/work", ready, |status| status == "True").await;
    let name = installed.until("sandboxclaim/work", "{.status.sandbox.name}", |name| !name.is_empty()).await;
    assert_eq!(name, warm.name, "the warm one is adopted");
    let pod = Pod { installed, name };

    works(outside, &pod).await;
    is_recorded(installed, &pod).await;
    gets_nowhere_else(outside, &pod).await;
    cluster.must(&["delete", "configmap", "-n", SYSTEM, &outside.roots()]).await;
}

async fn works(outside: &Outside, pod: &Pod<'_>) {
    let line = "cd /workspace && git clone -q https://github.com/acme/site && cd site && git config user.name agent && \
        git config user.email agent@example.com && git checkout -q -b agent/fix && echo fixed > file && git add file && \
        git commit -qm fix && git push -q origin agent/fix && git rev-parse HEAD";
    let commit = pod.must(line).await.trim().to_owned();
    let refs = outside.git.refs("acme/site").await.unwrap();
    assert_eq!(refs.get("refs/heads/agent/fix"), Some(&commit));
    let seen = outside.git.seen();
    let pushed = seen.iter().find(|seen| seen.method == "POST" && seen.path().ends_with("/git-receive-pack")).unwrap();
    let shown: Vec<_> = pushed.headers.iter().filter(|(name, _)| name == "authorization").collect();
    assert!(matches!(&shown[..], [(_, value)] if value.starts_with("Basic ")), "{shown:?}");
    // What is not permitted never arrives, and git says why.
    let arrived = outside.git.seen().len();
    let refused = pod.shell("cd /workspace/site && git push origin agent/fix:main").await;
    assert!(refused.code != 0 && refused.stderr.contains("coder/main-is-for-people"), "{}", refused.said());
    let posts = |seen: &[exeat_demo::Seen]| seen.iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts(&outside.git.seen()), posts(&seen[..arrived]));
    assert_eq!(outside.git.refs("acme/site").await.unwrap(), refs);
    // Nobody in there has ever had the token.
    let search =
        format!("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; grep -rIs {SECRET} /run /tmp /workspace /home");
    assert!(!pod.shell(&search).await.said().contains(SECRET));
}

async fn is_recorded(installed: &Installed, pod: &Pod<'_>) {
    let records = journal(installed).await;
    let session = format!("{}/{}@", installed.namespace, pod.name);
    let records: Vec<&Value> = records.iter().map(|entry| &entry["record"]).collect();
    let own = records.iter().filter(|record| record["session"].as_str().is_some_and(|of| of.starts_with(&session)));
    let pushes = own.filter(|record| record["operations"][0]["action"] == "github:git/push");
    let facts: Vec<_> = pushes.map(|push| (&push["type"], &push["operations"][0]["policies"])).collect();
    let expected = [
        (&json!("intent"), &json!(["coder/push-own-branches"])),
        (&json!("refusal"), &json!(["coder/main-is-for-people"])),
    ];
    assert_eq!(facts, expected, "{records:#?}");
    assert!(!json!(records).to_string().contains(SECRET));
    let verify = ["exec", "-n", SYSTEM, "exeat-gateway-0", "--", "/exeat", "audit", "verify"];
    installed.cluster.must(&verify).await;
}

async fn gets_nowhere_else(outside: &Outside, pod: &Pod<'_>) {
    let installed = pod.installed;
    installed.until("pod/neighbour", "{.status.phase}", |phase| phase == "Running").await;
    let neighbour = Pod { installed, name: "neighbour".to_owned() };
    let address = installed.until("pod/neighbour", "{.status.podIP}", |address| !address.is_empty()).await;
    let ask = ["get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}"];
    let service = installed.cluster.must(&ask).await.stdout;
    let node = installed.until("pod/neighbour", "{.status.hostIP}", |address| !address.is_empty()).await;
    let places = [
        ("a pod", format!("{address}:8000")),
        ("a Service", format!("{service}:443")),
        ("the node's kubelet", format!("{node}:10250")),
        ("an origin, without the gateway", outside.relay.address().to_string()),
    ];
    for (what, place) in &places {
        let place = place.parse().unwrap();
        assert!(neighbour.reaches(place).await, "{what} is not there at all");
        assert!(!pod.reaches(place).await, "{what} can be reached");
    }
    assert!(!pod.reaches("169.254.169.254:80".parse().unwrap()).await, "the metadata service can be reached");
    // Names lead to the gateway, which refuses them.
    let line = "curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/; curl -s -o /dev/null -w ' %{http_code}' https://example.com/";
    let said = pod.shell(line).await.stdout;
    assert!(["403", "000"].contains(&said.split(' ').next().unwrap()) && said.ends_with("403"), "{said}");
}
