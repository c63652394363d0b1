//! A wire to the API server that can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::PathBuf;

use exeat_tests::{Relay, run};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// A relay, and a kubeconfig that leads through it.
pub(crate) struct Wire {
    folder: TempDir,
    relay: Relay,
}

impl Wire {
    /// One that carries.
    pub(crate) async fn lay() -> Wire {
        let mut command = Command::new("kubectl");
        command.env("KUBECONFIG", std::env::var_os("EXEAT_CLUSTER").unwrap());
        let shown = run(command.args(["config", "view", "--raw", "--minify", "-o", "json"])).await;
        let mut config: Value = serde_json::from_str(&shown.stdout).unwrap();
        let cluster = &mut config["clusters"][0]["cluster"];
        let server =
            cluster["server"].as_str().unwrap().trim_start_matches("https://").trim_end_matches('/').to_owned();
        let there: SocketAddr = server.parse().unwrap();
        let relay = Relay::start(Ipv4Addr::LOCALHOST.into(), there).await;
        cluster["server"] = json!(format!("https://{}", relay.address()));
        cluster["tls-server-name"] = json!(there.ip().to_string());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), config.to_string()).unwrap();
        Wire { folder, relay }
    }

    /// The kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }
}

impl Deref for Wire {
    type Target = Relay;

    fn deref(&self) -> &Relay {
        &self.relay
    }
}
