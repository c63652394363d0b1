//! The gateway as the benchmarks start it: the seam between them and the `exeat` program.
//!
//! It is `exeat up` with a configuration of its own, and a client that comes over TCP with a token, as the relay's
//! clients come over TCP. What the configuration's keys are called and what the policies say is here and nowhere else
//! in the benchmarks.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::process::Command;

use crate::Result;
use crate::client::Way;
use crate::process::Running;

/// What the client shows. Nobody else is to reach this gateway, so it need not be secret.
const TOKEN: &str = "bench-token-0123456789abcdef0123456789abcdef";

/// What the origin wants in `Authorization`. The gateway's clients do not have it: it is injected.
pub(crate) const AUTHORIZATION: &str = "Bearer bench-credential";

/// What the gateway is to be started with.
pub(crate) struct Setup<'a> {
    /// The `exeat` program.
    pub(crate) program: &'a Path,
    /// A folder for its files, which is made.
    pub(crate) folder: &'a Path,
    /// The origin's name, without a port: clients ask for port 443.
    pub(crate) name: &'a str,
    /// Where the origin is.
    pub(crate) origin: SocketAddr,
    /// The certificate that the origin is verified by.
    pub(crate) origin_ca: &'a Path,
}

/// A running gateway that lets one client in.
pub(crate) struct Gateway {
    /// The process, for its memory.
    pub(crate) process: Running,
    /// How the client reaches it.
    pub(crate) way: Way,
    /// `Proxy-Authorization` of the client.
    pub(crate) proxy_authorization: String,
    /// The certificate that the client trusts.
    pub(crate) ca: PathBuf,
}

/// What `exeat up --output json` says when it is ready, as far as it is needed here.
#[derive(Deserialize)]
struct Announcement {
    listen: Option<SocketAddr>,
    ca: PathBuf,
}

/// Starts the gateway and waits until it is ready.
pub(crate) async fn gateway(setup: Setup<'_>) -> Result<Gateway> {
    let file = |name: &str| setup.folder.join(name);
    fs::create_dir_all(file("policies"))?;
    fs::write(file("policies/bench.cedar"), policies(setup.name))?;
    fs::write(file("token"), TOKEN)?;
    fs::write(file("credential"), AUTHORIZATION.trim_start_matches("Bearer "))?;
    fs::write(file("exeat.toml"), configuration(&setup))?;

    let mut command = Command::new(setup.program);
    command.args(["--output", "json", "--config"]).arg(file("exeat.toml")).arg("up").current_dir(setup.folder);
    let (process, said): (_, Announcement) = Running::start(&mut command).await.map_err(|error| {
        let program = setup.program.display();
        format!("`{program}`: {error}; `cargo build --release -p exeat` builds it, `--exeat` names another")
    })?;
    let address = said.listen.ok_or("the gateway listens on no TCP address")?;
    let proxy_authorization = format!("Bearer {TOKEN}");
    Ok(Gateway { process, way: Way::Proxy(address), proxy_authorization, ca: said.ca })
}

/// Besides the permit that fits, one that does not and a forbid, so that there is something to weigh.
fn policies(name: &str) -> String {
    format!(
        r#"@id("coders-read")
permit (
  principal in Exeat::Profile::"coder",
  action in Exeat::Action::"read",
  resource in Exeat::Domain::"{name}"
);
@id("reviewers-read-everything")
permit (principal in Exeat::Profile::"reviewer", action in Exeat::Action::"read", resource);
@id("nobody-destroys")
forbid (principal, action in Exeat::Action::"destroy", resource);
"#
    )
}

/// Paths in it are relative to the file.
fn configuration(setup: &Setup<'_>) -> String {
    let Setup { name, origin, origin_ca, .. } = setup;
    // A JSON string is a TOML string.
    let ca = serde_json::Value::from(origin_ca.to_string_lossy());
    format!(
        r#"[gateway]
state = "state"
listen = "127.0.0.1:0"

[policy]
directory = "policies"

[[origin]]
host = "{name}"
address = "{origin}"
ca = {ca}

[[credential]]
name = "bench"
source = {{ file = "credential" }}
inject = "bearer"
hosts = ["{name}"]
actions = ["read"]

[[session]]
name = "bench"
profile = "coder"
user = "bench"
token = {{ file = "token" }}
"#
    )
}
