//! Agent Sandbox's own controller, on the cluster of `deploy/dev/cluster`.

use std::path::PathBuf;
use std::process::Command as Blocking;

use exeat_tests::run;
use tokio::process::Command;

use crate::cluster::Cluster;
use crate::helm::{ROUTER, repository};

/// The name of its service account in its own manifests. The namespace is the router's.
const ACCOUNT: &str = "agent-sandbox-controller";

/// It runs, and has its rights, until this is dropped: two controllers of the same kinds are one too many.
pub(crate) struct Peer(());

impl Peer {
    /// Starts it as its service account, which may do everything here.
    pub(crate) async fn start(cluster: &Cluster) -> Peer {
        let peer = Peer(());
        let account = format!("--serviceaccount={ROUTER}:{ACCOUNT}");
        cluster.must(&["create", "clusterrolebinding", ACCOUNT, "--clusterrole=cluster-admin", &account]).await;
        let user = format!("system:serviceaccount:{ROUTER}:{ACCOUNT}");
        let ran = run(Command::new(script()).args(["peer", "up", &user])).await;
        assert_eq!(ran.code, 0, "{}", ran.said());
        peer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = Blocking::new(script()).args(["peer", "down"]).output();
        let _ = Blocking::new("kubectl").args(["delete", "clusterrolebinding", "--ignore-not-found", ACCOUNT]).output();
    }
}

fn script() -> PathBuf {
    repository().join("deploy/dev/cluster/run")
}
