//! The gateway as the benchmarks start it: the seam between them and the `exeat` program.
//!
//! It is `exeat up` with a configuration of its own, and one session, opened by the control API as `exeat run` does.
//! What the configuration's keys are called and what the policy says is here and nowhere else in the benchmarks.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use exeat_control::{Client, HeldSession, OpenSession};
use tokio::process::Command;

use crate::Result;
use crate::client::Way;
use crate::process::{READY_TIME, Running};

/// How often it is asked whether it is up.
const POLL: Duration = Duration::from_millis(20);

/// What the gateway is to be started with.
pub(crate) struct Setup<'a> {
    /// The `exeat` program.
    pub(crate) program: &'a Path,
    /// A folder of its own, short, since a socket's path may have 107 bytes.
    pub(crate) folder: &'a Path,
    /// The origin's name, without a port: clients ask for port 443.
    pub(crate) name: &'a str,
    /// Where the origin is.
    pub(crate) origin: SocketAddr,
    /// The certificate that the origin is verified by.
    pub(crate) origin_ca: &'a Path,
}

/// A running gateway with one open session.
pub(crate) struct Gateway {
    /// The process, for its memory.
    pub(crate) process: Running,
    /// How a client reaches it.
    pub(crate) way: Way,
    /// The certificate that clients trust.
    pub(crate) ca: PathBuf,
    _session: HeldSession,
}

/// Starts the gateway and opens a session in it.
pub(crate) async fn gateway(setup: Setup<'_>) -> Result<Gateway> {
    let state = setup.folder.join("state");
    let policies = setup.folder.join("policies");
    let config = setup.folder.join("exeat.toml");
    fs::create_dir_all(&policies)?;
    fs::write(policies.join("bench.cedar"), POLICY)?;
    fs::write(&config, configuration(&setup, &state, &policies))?;

    let mut command = Command::new(setup.program);
    command.arg("up").arg("--config").arg(&config).current_dir(setup.folder);
    let program = setup.program.display();
    let mut process = Running::program(&mut command).map_err(|error| {
        format!("cannot start `{program}` ({error}): build it with `cargo build --release`, or give `--exeat`")
    })?;
    let session = open(&mut process, &Client::new(&state)).await?;
    let ca = setup.folder.join("gateway-ca.pem");
    fs::write(&ca, &session.opened.certificate_pem)?;
    let way = Way::Socket(session.opened.gateway.join("gateway.sock"));
    Ok(Gateway { process, way, ca, _session: session })
}

/// Opens a session as soon as there is someone to open it.
async fn open(process: &mut Running, client: &Client) -> Result<HeldSession> {
    let asked = OpenSession { profile: "coder".to_owned(), user: "bench".to_owned(), teams: Vec::new() };
    let start = Instant::now();
    loop {
        let error = match client.open(&asked).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        if let Some(status) = process.ended()? {
            return Err(format!("the gateway ended at its start ({status}); what it said is above").into());
        }
        if start.elapsed() > READY_TIME {
            return Err(format!("the gateway opened no session within {} s: {error}", READY_TIME.as_secs()).into());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Besides the permit that fits, one that does not and a forbid, so that there is something to weigh.
const POLICY: &str = r#"
permit (principal in Exeat::Profile::"coder", action in Exeat::Action::"read", resource in Exeat::Domain::"bench.example");
permit (principal in Exeat::Profile::"reviewer", action in Exeat::Action::"read", resource);
forbid (principal, action in Exeat::Action::"destroy", resource);
"#;

fn configuration(setup: &Setup<'_>, state: &Path, policies: &Path) -> String {
    let Setup { name, origin, origin_ca, .. } = setup;
    let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy()).to_string();
    format!(
        "state = {state}\npolicies = {policies}\n\n[[origin]]\nhost = \"{name}\"\naddress = \"{origin}\"\nca = {ca}\n",
        state = quoted(state),
        policies = quoted(policies),
        ca = quoted(origin_ca),
    )
}
