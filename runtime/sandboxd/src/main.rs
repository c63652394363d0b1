//! Process 1 inside a sandbox: runs the command, and carries its traffic to the gateway's socket.
//!
//! ```text
//!   tool ── "github.com?" ──▶ dns       127.0.0.1:53     ──▶ names: 127.64.0.7
//!   tool ── 127.64.0.7:443 ─▶ listeners                  ──▶ tunnel: CONNECT github.com:443 ──┐
//!   tool ── HTTPS_PROXY ────▶ proxy     127.0.0.1:3128   ──▶ tunnel: bytes as they are ───────┤
//!                                                                      /run/exeat/gateway.sock
//!   command: CMD, its signals, its orphans, its exit code
//! ```
//!
//! Start with [`serve`], then [`names`] (which address stands for which name) and [`tunnel`] (the way out).
//!
//! Invariant: sandboxd decides nothing and knows no secret. It is a convenience; the missing network is the wall.
//! Everything here could be done by the agent itself, and would lead to the same gateway with the same identity.
//!
//! Why listeners for a list of ports and no `iptables -t nat … REDIRECT`, which would carry every port: gVisor has
//! REDIRECT and `SO_ORIGINAL_DST` and both work (4,000 connections to 200 addresses and any port, none lost), but
//! setting the rule needs CAP_NET_ADMIN, CAP_NET_RAW and `runsc --net-raw`, and `runsc restore` replaces the network
//! stack's tables: after it, every redirected connection is refused, while listeners carry on.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod arguments;
mod command;
mod dns;
mod limits;
mod listeners;
mod names;
mod resolver;
mod tunnel;

use std::cell::RefCell;
use std::convert::Infallible;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use tokio::task::LocalSet;

use crate::arguments::Arguments;
use crate::command::Command;
use crate::listeners::Listeners;
use crate::names::Names;

/// Where the sandbox's one way out is bound.
const GATEWAY: &str = "/run/exeat/gateway.sock";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => return fail(2, &error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    match LocalSet::new().block_on(&runtime, serve(arguments)) {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Command(error)) => fail(error.code(), &error),
        Err(Failure::Io(doing, error)) => fail(1, &format!("{doing}: {error}")),
    }
}

/// Listeners first, then the command, so that its first look-up is answered.
async fn serve(arguments: Arguments) -> Result<u8, Failure> {
    let gateway: &'static Path = Path::new(GATEWAY);
    let listeners = Listeners::new(arguments.ports, gateway);
    let names = Rc::new(RefCell::new(Names::new(listeners.names_at_most())));
    let resolver = resolver::Resolver::new(names, listeners);

    let proxy = listeners::bind_proxy().map_err(|error| Failure::Io("cannot listen on 127.0.0.1:3128", error))?;
    let (udp, tcp) = resolver::bind().map_err(|error| Failure::Io("cannot listen on 127.0.0.1:53", error))?;
    tokio::task::spawn_local(listeners::serve_proxy(proxy, gateway));
    tokio::task::spawn_local(resolver.clone().serve_udp(udp));
    tokio::task::spawn_local(resolver.serve_tcp(tcp));

    let command = Command::start(&arguments.command)?;
    Ok(command.finish().await)
}

/// Why sandboxd gives up.
enum Failure {
    /// The command cannot be started.
    Command(command::Unstartable),
    /// What it was doing, and what the kernel said.
    Io(&'static str, std::io::Error),
}

impl From<command::Unstartable> for Failure {
    fn from(error: command::Unstartable) -> Self {
        Failure::Command(error)
    }
}

/// What a task is that ends with the process.
type Forever = Infallible;

fn fail(code: u8, message: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("exeat-sandboxd: {message}");
    ExitCode::from(code)
}
