//! A gateway of a test's own, with origins that it can reach and a session at each door.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use exeat_control::{Client, HeldSession, OpenSession};
use exeat_demo::{Authority, Seen};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::leftovers::control_groups;
use crate::{Handler, Origin, PATIENCE, Ran, exeat, of_type, run, text};

/// What the session over TCP shows.
pub const TOKEN: &str = "tok-7f3c52d1e8";
/// The secret that the gateway adds to requests that [`Builder::credential`] covers.
pub const CREDENTIAL: &str = "canary-9d81f0b6c4a2";
/// Reads and writes at api.example.com, in every profile.
pub const PERMIT: &str = r#"
@id("test/read")
permit (principal, action in Exeat::Action::"read", resource in Exeat::Domain::"api.example.com");
@id("test/write")
permit (principal, action == Http::Action::"write", resource in Exeat::Domain::"api.example.com");
"#;

/// A scenario in the making.
pub struct Builder {
    policies: String,
    origins: Vec<(String, Handler)>,
    extra: String,
    state: Option<PathBuf>,
}

/// A running gateway between its clients and its origins. Dropped, everything ends.
pub struct Scenario {
    origins: BTreeMap<String, Origin>,
    gateway: Option<Child>,
    session: Option<HeldSession>,
    listen: Option<SocketAddr>,
    ready: Value,
    folder: TempDir,
    state: PathBuf,
}

impl Scenario {
    /// Two hosts, one of which the policies permit: `api.example.com` and `forbidden.example.net`.
    pub fn usual() -> Builder {
        Scenario::with_policies(PERMIT)
            .origin("api.example.com", text("hello"))
            .origin("forbidden.example.net", text("no"))
    }

    /// A scenario with these policies and nothing else yet.
    pub fn with_policies(policies: &str) -> Builder {
        Builder { policies: policies.to_owned(), origins: Vec::new(), extra: String::new(), state: None }
    }
}

impl Builder {
    /// A host that the gateway can reach, by TLS and in plain.
    #[must_use]
    pub fn origin(mut self, host: &str, handler: Handler) -> Self {
        self.origins.retain(|(known, _)| known != host);
        self.origins.push((host.to_owned(), handler));
        self
    }

    /// Other policies.
    #[must_use]
    pub fn policies(mut self, text: &str) -> Self {
        text.clone_into(&mut self.policies);
        self
    }

    /// [`CREDENTIAL`] as a bearer token for requests to `host` that mean one of `actions`.
    #[must_use]
    pub fn credential(self, host: &str, actions: &str) -> Self {
        self.config(&format!(
            "[[credential]]\nname = \"canary\"\nsource = {{ file = \"secret\" }}\ninject = \"bearer\"\n\
             hosts = [\"{host}\"]\nactions = [\"{actions}\"]\nplaceholder = [\"CANARY\"]\n"
        ))
    }

    /// More of exeat.toml.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.extra += text;
        self
    }

    /// Another state folder than the scenario's own.
    #[must_use]
    pub fn state(mut self, folder: &Path) -> Self {
        self.state = Some(folder.to_owned());
        self
    }

    /// Starts the origins and the gateway, and opens a session.
    pub async fn start(self) -> Scenario {
        let mut scenario = self.prepare().await;
        scenario.restart().await;
        scenario
    }

    /// The same without a gateway.
    pub async fn prepare(self) -> Scenario {
        let folder = tempfile::Builder::new().prefix("xt-").tempdir_in("/tmp").unwrap();
        let authority = Authority::new().unwrap();
        let state = self.state.unwrap_or_else(|| folder.path().join("state"));
        let mut config = format!(
            "[gateway]\nstate = {state:?}\nlisten = \"127.0.0.1:0\"\n\n[[session]]\nname = \"ci\"\nprofile = \"coder\"\n\
             user = \"tester\"\ntoken = {{ file = \"token\" }}\n\n"
        );
        let mut origins = BTreeMap::new();
        for (host, handler) in self.origins {
            let origin = Origin::start(&authority, &host, handler).await;
            for (name, address) in [(host.clone(), origin.tls()), (format!("{host}:80"), origin.plain())] {
                config += &format!("[[origin]]\nhost = \"{name}\"\naddress = \"{address}\"\nca = \"ca.pem\"\n\n");
            }
            origins.insert(host, origin);
        }
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        write("policies/test.cedar", &self.policies);
        write("ca.pem", &authority.ca_pem());
        write("token", TOKEN);
        write("secret", CREDENTIAL);
        write("exeat.toml", &(config + &self.extra));
        Scenario { origins, gateway: None, session: None, listen: None, ready: Value::Null, folder, state }
    }
}

impl Scenario {
    /// Starts the gateway, or starts it again on the same state.
    pub async fn restart(&mut self) {
        self.kill().await;
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = self.command(&["up", "--output", "json"]);
        // The most talkative log: what it does not say, no log says.
        command.env("EXEAT_LOG", "debug").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let read = tokio::time::timeout(PATIENCE, stdout.read_line(&mut line)).await;
        let ready: Option<Value> = serde_json::from_str(&line).ok();
        let Some(ready) = ready.filter(|ready| ready["ready"] == true) else {
            panic!("the gateway is not ready ({read:?}, `{line}`): {}", self.log());
        };
        self.listen = ready["listen"].as_str().map(|address| address.parse().unwrap());
        self.ready = ready;
        self.gateway = Some(child);
        let asked = OpenSession { profile: "coder".into(), user: "tester".into(), teams: Vec::new() };
        self.session = Some(Client::new(&self.state).open(&asked).await.unwrap());
    }

    /// Ends the gateway as a crash would.
    pub async fn kill(&mut self) {
        self.session = None;
        if let Some(mut gateway) = self.gateway.take() {
            let _ = gateway.kill().await;
        }
    }

    /// Ends every process of every sandbox, as the end of the machine would.
    pub fn end_sandboxes(&self) {
        for generation in folders(&self.state.join("sb")).iter().flat_map(|sandbox| folders(sandbox)) {
            let init = fs::read(generation.join("init.json")).ok();
            let init = init.and_then(|json| serde_json::from_slice::<exeat_local::Process>(&json).ok());
            let _ = init.map(|init| init.end(PATIENCE));
        }
    }

    /// Ends the gateway in order.
    pub async fn stop(&mut self) {
        self.session = None;
        self.signal(Signal::SIGTERM);
        if let Some(mut gateway) = self.gateway.take() {
            let ended = tokio::time::timeout(PATIENCE, gateway.wait()).await;
            let status = ended.expect("the gateway does not stop").unwrap();
            assert!(status.success(), "the gateway stopped with {status}: {}", self.log());
        }
    }

    /// Sends the gateway a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(id) = self.process() {
            kill(Pid::from_raw(id), signal).unwrap();
        }
    }

    /// The gateway's process id.
    pub fn process(&self) -> Option<i32> {
        self.gateway.as_ref()?.id().map(|id| i32::try_from(id).unwrap())
    }

    /// What the gateway said when it was ready.
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// `exeat` with this scenario's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(exeat());
        command.arg("--config").arg(self.path("exeat.toml")).args(arguments).current_dir(self.folder.path());
        command.env_remove("EXEAT_LOG").env("NO_COLOR", "1");
        command
    }

    /// Runs `exeat` with this scenario's configuration.
    pub async fn exeat(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments)).await
    }

    /// A file in the scenario's folder: `exeat.toml`, `policies/test.cedar`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Replaces the policies at once, as a careful editor does.
    pub fn write_policies(&self, text: &str) {
        let new = self.path("policies.new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path("policies/test.cedar")).unwrap();
    }

    /// The version of the policies that are in force, as the gateway says.
    pub async fn policy_version(&self) -> String {
        Client::new(&self.state).status().await.unwrap().policy_version
    }

    /// Where clients with a token connect.
    pub fn listen(&self) -> SocketAddr {
        self.listen.expect("there is no gateway")
    }

    /// The session's own socket.
    pub fn socket(&self) -> PathBuf {
        self.session.as_ref().expect("there is no session").opened.gateway.join("gateway.sock")
    }

    /// The id of the session with a socket of its own.
    pub fn session(&self) -> &HeldSession {
        self.session.as_ref().expect("there is no session")
    }

    /// The file with the gateway's own certificate.
    pub fn ca(&self) -> PathBuf {
        self.state.join("ca/ca.pem")
    }

    /// What a client needs that trusts the gateway.
    pub fn client_tls(&self) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ca()).unwrap()).unwrap();
        rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// What a host saw.
    pub fn seen(&self, host: &str) -> Vec<Seen> {
        self.origins[host].seen()
    }

    /// What all hosts saw.
    pub fn all_seen(&self) -> Vec<Seen> {
        self.origins.values().flat_map(Origin::seen).collect()
    }

    /// How many connections a host took.
    pub fn connections(&self, host: &str) -> usize {
        self.origins[host].connections()
    }

    /// How many connections all hosts took.
    pub fn all_connections(&self) -> usize {
        self.origins.values().map(Origin::connections).sum()
    }

    /// The journal, oldest first.
    pub fn records(&self) -> Vec<Value> {
        let reader = exeat_journal::Reader::open(&self.state.join("journal"), 1).unwrap();
        reader.map(|record| serde_json::to_value(record.unwrap()).unwrap()).collect()
    }

    /// The requests that left.
    pub fn intents(&self) -> Vec<Value> {
        of_type(&self.records(), "intent")
    }

    /// The requests that did not.
    pub fn refusals(&self) -> Vec<Value> {
        of_type(&self.records(), "refusal")
    }

    /// The gateway's standard error so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.path("gateway.log")
    }

    /// Asserts that the origins saw exactly the requests that the journal says left.
    pub fn saw_what_was_journaled(&self, context: &str) {
        let (seen, intents) = (self.all_seen(), self.intents());
        assert_eq!(seen.len(), intents.len(), "{context}: the origins saw {seen:#?}, the journal has {intents:#?}");
    }
}

/// Sandboxes outlive their supervisor; what a test leaves, or a failed one, ends here.
impl Drop for Scenario {
    fn drop(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            let _ = gateway.start_kill();
        }
        self.end_sandboxes();
        for sandbox in folders(&self.state.join("sb")) {
            let id = sandbox.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_its =
                |group: &PathBuf| group.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&id));
            for group in control_groups().into_iter().filter(is_its) {
                let _ = fs::remove_dir(group);
            }
        }
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
