//! A cluster, as kubectl knows it.

use std::path::{Path, PathBuf};

use exeat_tests::{Ran, find, run, skip};
use tokio::process::Command;

/// kubectl, and a cluster that answers it.
pub(crate) struct Cluster(PathBuf);

impl Cluster {
    /// Nothing, and a skip, where none is named.
    pub(crate) fn find() -> Option<Self> {
        let kubectl = find("kubectl").filter(|_| std::env::var_os("KUBECONFIG").is_some());
        if kubectl.is_none() {
            skip("a cluster");
        }
        kubectl.map(Cluster)
    }

    /// Runs kubectl.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments)).await
    }

    /// kubectl, to be run otherwise than to its end.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.args(arguments);
        command
    }

    /// Runs kubectl, and fails the test where that fails.
    pub(crate) async fn must(&self, arguments: &[&str]) -> Ran {
        let ran = self.kubectl(arguments).await;
        assert_eq!(ran.code, 0, "`kubectl {}`: {}", arguments.join(" "), ran.stderr);
        ran
    }

    /// Applies a file.
    pub(crate) async fn apply(&self, file: &Path) {
        self.must(&["apply", "--server-side", "--force-conflicts", "-f", file.to_str().unwrap()]).await;
    }
}
