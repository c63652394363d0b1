//! A machine with a pool of sandboxes, and what clients are told of it.

use std::net::SocketAddr;

use exeat_tests::{Builder, Disk, Ran, Scenario, go_sdk, python_sdk, run, runsc, skip};
use tokio::process::Command;

/// A pool of host sandboxes with one that waits, and the doors of the API.
const CONFIG: &str = r#"
[api]
listen = "127.0.0.1:0"
router_listen = "127.0.0.1:0"
pod_addresses = true

[[pool]]
name = "py-pool"
replicas = 1
"#;

/// A running `exeat up` with a pool. Dropped, it ends, and its sandboxes with it.
pub(crate) struct Lab {
    pub(crate) scenario: Scenario,
}

impl Lab {
    /// Starts one, where sandboxes can be started.
    pub(crate) async fn start() -> Option<Lab> {
        Lab::of(Scenario::usual()).await
    }

    /// Starts one whose state is on this disk.
    pub(crate) async fn start_on(disk: &Disk) -> Option<Lab> {
        Lab::of(Scenario::usual().state(&disk.path().join("state"))).await
    }

    async fn of(scenario: Builder) -> Option<Lab> {
        if runsc().is_none() {
            skip("runsc");
            return None;
        }
        Some(Lab { scenario: scenario.config(CONFIG).start().await })
    }

    /// What a client of Python is given.
    pub(crate) fn python(&self, script: &str) -> Option<Command> {
        python_sdk(script).map(|command| self.known(command, "kubeconfig"))
    }

    /// What a client of Go is given.
    pub(crate) fn go(&self) -> Option<Command> {
        go_sdk().map(|command| self.known(command, "kubeconfig-go"))
    }

    fn known(&self, mut command: Command, kubeconfig: &str) -> Command {
        let file = self.scenario.state().join("api").join(kubeconfig);
        command.env("KUBECONFIG", file).env("ROUTER", format!("http://exeat:{}@{}", self.token(), self.router()));
        command
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.scenario.state().join("api/token")).unwrap()
    }

    pub(crate) fn server(&self) -> SocketAddr {
        self.scenario.ready()["api"]["listen"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn router(&self) -> SocketAddr {
        self.scenario.ready()["api"]["router"].as_str().unwrap().parse().unwrap()
    }

    /// Runs a client to its end, which must be a good one.
    pub(crate) async fn passes(&self, mut command: Command) -> Ran {
        let ran = run(&mut command).await;
        assert!(ran.code == 0, "{}\n{}\n--- exeat ---\n{}", ran.stdout, ran.stderr, self.said());
        ran
    }

    /// What exeat said about itself; the most talkative log is cut to its end.
    fn said(&self) -> String {
        let log = self.scenario.log();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("DEBUG")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}
