//! helm, and the chart.

use std::path::{Path, PathBuf};

use exeat_tests::{Ran, find, run, skip};
use tokio::process::Command;

/// Any version that the chart takes: without a cluster helm would take itself for one of long ago.
const KUBERNETES: &str = "1.34.0";

/// The namespace of an installation.
pub(crate) const SYSTEM: &str = "exeat-system";
/// The namespace where SDKs look for the router.
pub(crate) const ROUTER: &str = "agent-sandbox-system";

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
        helm.args(["template", "exeat"]).arg(chart()).args(["--namespace", SYSTEM, "--kube-version", KUBERNETES]);
        run(helm.args(arguments)).await
    }

    /// Installs, or makes what is installed that of these values. Definitions that are there already are taken over.
    pub(crate) async fn upgrade(&self, arguments: impl Iterator<Item = &str>) -> Ran {
        let mut helm = Command::new(&self.0);
        helm.args(["upgrade", "--install", "--create-namespace", "--take-ownership", "--reset-values", "exeat"])
            .arg(chart());
        helm.args(["--namespace", SYSTEM]).args(image()).args(arguments);
        run(&mut helm).await
    }

    /// Removes what is installed.
    pub(crate) async fn uninstall(&self) -> Ran {
        run(Command::new(&self.0).args(["uninstall", "exeat", "--namespace", SYSTEM])).await
    }

    /// What helm finds wrong with the chart.
    pub(crate) async fn lint(&self) -> Ran {
        run(Command::new(&self.0).args(["lint", "--strict", "--kube-version", KUBERNETES]).arg(chart())).await
    }
}

/// The image of all roles, where it is not the chart's own.
fn image() -> Vec<String> {
    let Ok(image) = std::env::var("EXEAT_CLUSTER_IMAGE") else { return Vec::new() };
    let (repository, tag) = image.rsplit_once(':').unwrap();
    vec!["--set".to_owned(), format!("image.repository={repository},image.tag={tag}")]
}

/// The chart's folder.
pub(crate) fn chart() -> PathBuf {
    repository().join("deploy/helm/exeat")
}

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
