//! helm, and the chart.

use std::path::{Path, PathBuf};

use exeat_tests::{Ran, find, run, skip};
use tokio::process::Command;

/// Any version that the chart takes: without a cluster helm would take itself for one of long ago.
const KUBERNETES: &str = "1.34.0";

/// helm, of this machine.
pub(crate) struct Helm(PathBuf);

impl Helm {
    /// Nothing, and a skip, where there is none.
    pub(crate) fn find() -> Option<Self> {
        let helm = find("helm").map(Helm);
        if helm.is_none() {
            skip("helm");
        }
        helm
    }

    /// What an installation would be, with these arguments more.
    pub(crate) async fn template(&self, arguments: &[&str]) -> Ran {
        let mut helm = Command::new(&self.0);
        helm.args(["template", "exeat"]).arg(chart()).args(["--namespace=exeat-system", "--kube-version", KUBERNETES]);
        run(helm.args(arguments)).await
    }

    /// What helm finds wrong with the chart.
    pub(crate) async fn lint(&self) -> Ran {
        run(Command::new(&self.0).args(["lint", "--strict", "--kube-version", KUBERNETES]).arg(chart())).await
    }
}

/// The chart's folder.
pub(crate) fn chart() -> PathBuf {
    repository().join("deploy/helm/exeat")
}

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
