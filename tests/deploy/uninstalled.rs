//! What changes with an upgrade, and what is left when the installation goes. By its name the last of these tests: one that came
//! after it would install anew.

use std::time::{Duration, Instant};

use exeat_tests::PATIENCE;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::helm::{ROUTER, SYSTEM};
use crate::installed::Installed;

/// What docs/kubernetes-install.md says that stays, and why. Kubernetes puts the rest into every namespace.
const LEFT: [&str; 22] = [
    "agent-sandbox-system ConfigMap kube-root-ca.crt",
    "agent-sandbox-system ServiceAccount default",
    "cluster CustomResourceDefinition credentials.exeat.dev",
    "cluster CustomResourceDefinition egresspolicies.exeat.dev",
    "cluster CustomResourceDefinition podsnapshotmanualtriggers.podsnapshot.gke.io",
    "cluster CustomResourceDefinition podsnapshots.podsnapshot.gke.io",
    "cluster CustomResourceDefinition sandboxclaims.extensions.agents.x-k8s.io",
    "cluster CustomResourceDefinition sandboxes.agents.x-k8s.io",
    "cluster CustomResourceDefinition sandboxsnapshots.exeat.dev",
    "cluster CustomResourceDefinition sandboxtemplates.extensions.agents.x-k8s.io",
    "cluster CustomResourceDefinition sandboxwarmpools.extensions.agents.x-k8s.io",
    "cluster CustomResourceDefinition workflows.exeat.dev",
    "cluster Namespace agent-sandbox-system",
    "cluster Namespace exeat-system",
    "exeat-system ConfigMap exeat-ca",
    "exeat-system ConfigMap kube-root-ca.crt",
    "exeat-system Lease exeat-controller",
    "exeat-system PersistentVolumeClaim exeat-snapshots",
    "exeat-system PersistentVolumeClaim state-exeat-gateway-0",
    "exeat-system Secret exeat-gateway-ca",
    "exeat-system Secret exeat-webhook-tls",
    "exeat-system ServiceAccount default",
];

#[tokio::test]
async fn nothing_is_left_but_what_is_said_to_stay() {
    // Tests start in the order of their names. Those that have only just started come first too.
    sleep(Duration::from_secs(1)).await;
    let Some(mut installed) = Installed::open(&[]).await else { return };
    let flag = ["get", "-n", SYSTEM, "deployment/exeat-controller", "-o", "jsonpath={..command}"];
    assert!(!installed.cluster.must(&flag).await.stdout.contains("allowed-label-domains"));
    installed.upgrade(&["--set", "controller.replicas=1,controller.flags.allowed-label-domains=example.com"]).await;
    let said = installed.cluster.must(&flag).await.stdout;
    assert!(said.contains("--allowed-label-domains=example.com"), "{said}");

    installed.uninstall().await;
    // Of namespaces with sandboxes, this is the only one that is not a test's own. The policy that keeps it goes a moment later.
    let ours = ["delete", "-n", ROUTER, "--ignore-not-found", "configmap/exeat-ca", "networkpolicy/exeat-egress"];
    let end = Instant::now() + 2 * PATIENCE;
    loop {
        installed.cluster.kubectl(&ours).await;
        let left = left(&installed.cluster).await;
        if left == LEFT {
            return;
        }
        assert!(Instant::now() < end, "{left:#?}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// All objects, of whatever kind, that are in our namespaces or have our name, but for what is told about others.
async fn left(cluster: &Cluster) -> Vec<String> {
    let kinds = cluster.must(&["api-resources", "--verbs=list", "-o", "name"]).await.stdout;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let columns = "custom-columns=NAMESPACE:.metadata.namespace,KIND:.kind,NAME:.metadata.name,LABELS:.metadata.labels";
    let all = cluster.must(&["get", &kinds.join(","), "-A", "--no-headers", "-o", columns]).await.stdout;
    let mut left: Vec<String> = all.lines().filter_map(ours).collect();
    left.sort();
    left.dedup();
    left
}

fn ours(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (namespace, kind, name) = (words.next()?, words.next()?, words.next()?);
    let namespace = if namespace == "<none>" { "cluster" } else { namespace };
    let is_named =
        |text: &str| ["exeat", "agents.x-k8s.io", "agent-sandbox", "podsnapshot"].iter().any(|our| text.contains(our));
    let is_test = namespace.starts_with("exeat-test-") || name.starts_with("exeat-test-");
    // Volumes and API groups are named after claims and definitions, which are listed.
    let is_derived = ["PersistentVolume", "APIService"].contains(&kind);
    let is_ours = is_named(line) && !is_test && !is_derived;
    is_ours.then(|| format!("{namespace} {kind} {name}"))
}
