//! The gateway between real sandboxes and origins on this machine: who is known, what their namespace lets them do.
//!
//! It runs beside the cluster, at the address that pods know this machine by. Sandboxes show the token that their pod is given.

mod budgets;
mod identity;
mod outage;
mod tenants;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use exeat_demo::Authority;
use exeat_tests::{Origin, PATIENCE, Ran, exeat, find, of_type, refusal_code, run, skip, text};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::scene::{IDLE, Kind, Scene, pod_spec};

/// The host that the gateways here can reach.
pub(crate) const HOST: &str = "api.example.com";
/// Lets coders read there.
pub(crate) const READ: &str = r#"@id("test/read")
permit (principal in Exeat::Profile::"coder", action in Exeat::Action::"read", resource in Exeat::Domain::"api.example.com");"#;

/// An origin, and what every gateway of a test is configured with.
pub(crate) struct Outside {
    pub(crate) origin: Origin,
    folder: TempDir,
    address: String,
}

impl Outside {
    /// None where pods could not reach this machine, or nobody could look into them.
    pub(crate) async fn start() -> Option<Outside> {
        let Ok(address) = std::env::var("EXEAT_CLUSTER_HOST") else {
            skip("EXEAT_CLUSTER_HOST, this machine's address as pods see it");
            return None;
        };
        if find("kubectl").is_none() {
            skip("kubectl");
            return None;
        }
        let authority = Authority::new().unwrap();
        let origin = Origin::start(&authority, HOST, text("hello")).await;
        let folder = tempfile::Builder::new().prefix("xg-").tempdir_in("/tmp").unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        let base = include_str!("../../../policies/base/base.cedar");
        fs::write(folder.path().join("policies/base.cedar"), base).unwrap();
        fs::write(folder.path().join("ca.pem"), authority.ca_pem()).unwrap();
        let mut config = String::new();
        for (name, address) in [(HOST.to_owned(), origin.tls()), (format!("{HOST}:80"), origin.plain())] {
            config += &format!("[[origin]]\nhost = \"{name}\"\naddress = \"{address}\"\nca = \"ca.pem\"\n\n");
        }
        fs::write(folder.path().join("exeat.toml"), config).unwrap();
        Some(Outside { origin, folder, address })
    }
}

/// `exeat gateway --kubernetes` on this machine.
pub(crate) struct Gateway {
    pub(crate) listen: SocketAddr,
    pub(crate) metrics: SocketAddr,
    state: std::path::PathBuf,
    program: Child,
    _said: Lines<BufReader<ChildStdout>>,
}

impl Gateway {
    /// Starts one whose own namespace is the scene's, or starts it again on the same state.
    pub(crate) async fn start(scene: &Scene, outside: &Outside, name: &str) -> Gateway {
        Gateway::start_with(scene, outside, name, Path::new(&std::env::var_os("EXEAT_CLUSTER").unwrap())).await
    }

    pub(crate) async fn start_with(scene: &Scene, outside: &Outside, name: &str, kubeconfig: &Path) -> Gateway {
        let (state, log) = (outside.folder.path().join(name), outside.folder.path().join(format!("{name}.log")));
        // A port of the system's choice is known only where it is printed; this one is not.
        let metrics = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(exeat());
        command.arg("--config").arg(outside.folder.path().join("exeat.toml"));
        command.args(["gateway", "--kubernetes", "--output", "json", "--namespace", &scene.namespace]);
        command.arg(format!("--listen={}:0", outside.address)).arg(format!("--metrics-listen={metrics}"));
        command
            .arg("--state")
            .arg(&state)
            .env("KUBECONFIG", kubeconfig)
            .env("EXEAT_LOG", "info,exeat_kubernetes=debug");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let mut program = command.spawn().unwrap();
        let mut said = BufReader::new(program.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, said.next_line()).await;
        let ready = line.ok().and_then(Result::ok).flatten().and_then(|line| serde_json::from_str::<Value>(&line).ok());
        let ready = ready.unwrap_or_else(|| panic!("no gateway: {}", fs::read_to_string(&log).unwrap_or_default()));
        let listen = ready["listen"].as_str().unwrap().parse().unwrap();
        Gateway { listen, metrics, state, program, _said: said }
    }

    /// The journal, oldest first.
    pub(crate) fn records(&self) -> Vec<Value> {
        let reader = exeat_journal::Reader::open(&self.state.join("journal"), 1).unwrap();
        reader.map(|record| serde_json::to_value(record.unwrap()).unwrap()).collect()
    }

    pub(crate) fn of_type(&self, kind: &str) -> Vec<Value> {
        of_type(&self.records(), kind)
    }

    /// What it answers those who watch it: the status and the text.
    pub(crate) async fn probe(&self, path: &str) -> (String, String) {
        let url = format!("http://{}{path}", self.metrics);
        let ran = run(Command::new("curl").args(["-s", "-w", "\n%{http_code}", &url])).await;
        let (body, status) = ran.stdout.rsplit_once('\n').unwrap_or_default();
        (status.to_owned(), body.to_owned())
    }

    /// Stops it in order.
    pub(crate) async fn stop(mut self) {
        kill(Pid::from_raw(i32::try_from(self.program.id().unwrap()).unwrap()), Signal::SIGTERM).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.program.wait()).await.expect("the gateway does not stop");
        assert!(ended.unwrap().success());
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(mut self) {
        self.program.kill().await.unwrap();
    }
}

/// What a sandbox was told.
#[derive(Debug)]
pub(crate) struct Told {
    /// The proxy's answer to CONNECT where there was one, else the status.
    pub(crate) status: String,
    pub(crate) body: String,
}

impl Told {
    /// The refusal's code.
    pub(crate) fn code(&self) -> String {
        refusal_code(self.body.as_bytes())
    }
}

/// A pod of a sandbox, looked into by `kubectl exec`.
pub(crate) struct Pod {
    namespace: String,
    name: String,
}

impl Pod {
    pub(crate) fn new(scene: &Scene, name: &str) -> Self {
        Pod { namespace: scene.namespace.clone(), name: name.to_owned() }
    }

    pub(crate) async fn shell(&self, line: &str) -> Ran {
        let mut command = Command::new("kubectl");
        command.env("KUBECONFIG", std::env::var_os("EXEAT_CLUSTER").unwrap());
        run(command.args(["exec", "-n", &self.namespace, &self.name, "--", "sh", "-c", line])).await
    }

    pub(crate) async fn token(&self) -> String {
        self.shell("cat /run/exeat/identity/token").await.stdout
    }

    /// Asks for something with its own token.
    pub(crate) async fn ask(&self, gateway: &Gateway, url: &str) -> Told {
        self.ask_with(gateway, url, "$(cat /run/exeat/identity/token)").await
    }

    pub(crate) async fn ask_with(&self, gateway: &Gateway, url: &str, token: &str) -> Told {
        told(&self.shell(&curl(gateway, url, token, "--cacert /run/exeat/identity/ca.crt")).await)
    }
}

/// The same from this machine, which is no pod.
pub(crate) async fn ask_from_here(gateway: &Gateway, url: &str, token: &str) -> Told {
    told(&run(Command::new("sh").args(["-c", &curl(gateway, url, token, "-k")])).await)
}

fn curl(gateway: &Gateway, url: &str, token: &str, trust: &str) -> String {
    format!(
        "curl -sS -m 25 {trust} -w '\\n%{{http_code}} %{{http_connect}}' -x http://{} \
         --proxy-header \"Proxy-Authorization: Bearer {token}\" {url}",
        gateway.listen
    )
}

fn told(ran: &Ran) -> Told {
    let (body, statuses) = ran.stdout.rsplit_once('\n').unwrap_or_else(|| panic!("curl says nothing: {ran:?}"));
    let (status, connect) = statuses.split_once(' ').unwrap();
    let status = if connect == "000" || connect == "200" { status } else { connect };
    Told { status: status.to_owned(), body: body.to_owned() }
}

/// A sandbox's pod that stays, and has a token for the gateway and its certificate. It names no profile, so nothing wires it.
pub(crate) fn template() -> Value {
    let mut spec = pod_spec(IDLE);
    spec["automountServiceAccountToken"] = json!(false);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "identity", "mountPath": "/run/exeat/identity" }]);
    spec["volumes"] = json!([{ "name": "identity", "projected": { "sources": [
        { "serviceAccountToken": { "audience": "exeat-gateway", "path": "token", "expirationSeconds": 3600 } },
        { "configMap": { "name": "exeat-ca", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
    ] } }]);
    json!({ "podTemplate": { "spec": spec }, "networkPolicyManagement": "Unmanaged" })
}

/// Claims a sandbox out of a pool, and waits for it.
pub(crate) async fn claim(scene: &Scene, pool: &str, name: &str, labels: Value) -> Pod {
    let metadata = json!({ "name": name, "labels": labels, "annotations": { "exeat.dev/user": "alice" } });
    scene.create_with(Kind::SandboxClaim, metadata, json!({ "warmPoolRef": { "name": pool } })).await;
    let claim = scene.says(Kind::SandboxClaim, name, "Ready True DependenciesReady").await;
    let sandbox = claim["status"]["sandbox"]["name"].as_str().unwrap();
    scene.says(Kind::Pod, sandbox, "Ready True ").await;
    Pod::new(scene, sandbox)
}
