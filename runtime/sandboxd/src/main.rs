//! Process 1 inside a sandbox: runs the command, serves somebody outside, and carries traffic to the gateway.
//!
//! ```text
//!   tool ── "github.com?" ──▶ dns       127.0.0.1:53     ──▶ names: 127.64.0.7
//!   tool ── 127.64.0.7:443 ─▶ listeners                  ──▶ tunnel: CONNECT github.com:443 ──┐
//!   tool ── HTTPS_PROXY ────▶ proxy     127.0.0.1:3128   ──▶ tunnel: bytes as they are ───────┤
//!                                     /run/exeat/gateway.sock, or in a pod TCP and a token ◀──┘
//!   command: CMD, its signals, its orphans, its exit code
//!   serve:   requests over /run/exeat/runtime.sock, or in a pod over TCP ──▶ processes, files, ports
//! ```
//!
//! Start with [`begin`], then [`names`] (which address stands for which name) and [`tunnel`] (the way out), or with
//! [`life`], [`serve`] and [`processes`] for what is served.
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
mod gateway;
mod install;
mod life;
mod limits;
mod listeners;
mod names;
mod processes;
mod resolver;
mod serve;
mod tunnel;
mod wall;

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use exeat_inside::control::UNRESTORED;
use tokio::task::LocalSet;

use crate::arguments::{Arguments, Install, LEADER, Role, Traffic};
use crate::command::Command;
use crate::listeners::Listeners;
use crate::names::Names;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == LEADER).is_some() {
        return ExitCode::from(processes::become_leader(words));
    }
    let role = match Arguments::parse(words) {
        Ok(Arguments::Be(role)) => role,
        Ok(Arguments::Install(install)) => return installed(&install),
        Err(error) => return fail(2, &error),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(limits::THREADS)
        .thread_keep_alive(limits::THREAD_IDLE_TIME)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    let ended = LocalSet::new().block_on(&runtime, begin(role));
    // Nothing that a thread still reads or writes is waited for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Command(error)) => fail(error.code(), &error),
        Err(Failure::Io(doing, error)) => fail(1, &format!("{doing}: {error}")),
    }
}

fn installed(install: &Install) -> ExitCode {
    if let Err(error) = install::install(&install.folder) {
        return fail(1, &format!("cannot be copied to `{}`: {error}", install.folder.display()));
    }
    if let Some(folder) = &install.unrestored
        && let Err(error) = std::fs::write(folder.join(UNRESTORED), [])
    {
        return fail(1, &format!("cannot write to `{}`: {error}", folder.display()));
    }
    match install.until_closed.map(wall::wait) {
        None | Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(open)) => fail(1, &open),
    }
}

/// Traffic first, then the task, so that its first look-up is answered.
async fn begin(role: Role) -> Result<u8, Failure> {
    let Role { traffic, service, command } = role;
    traffic.map(carry_traffic).transpose()?;
    match service {
        None => Ok(Command::start(&command)?.finish(|_, _| {}).await),
        Some(service) => life::serve(service, &command).await,
    }
}

fn carry_traffic(traffic: Traffic) -> Result<(), Failure> {
    let gateway = Rc::new(traffic.gateway);
    let listeners = Listeners::new(traffic.ports, Rc::clone(&gateway));
    let names = Rc::new(RefCell::new(Names::new(listeners.names_at_most())));
    let resolver = resolver::Resolver::new(names, listeners);

    let proxy = listeners::bind_proxy().map_err(|error| Failure::Io("cannot listen on 127.0.0.1:3128", error))?;
    let (udp, tcp) = resolver::bind().map_err(|error| Failure::Io("cannot listen on 127.0.0.1:53", error))?;
    tokio::task::spawn_local(listeners::serve_proxy(proxy, gateway));
    tokio::task::spawn_local(resolver.clone().serve_udp(udp));
    tokio::task::spawn_local(resolver.serve_tcp(tcp));
    Ok(())
}

/// Why sandboxd gives up.
enum Failure {
    /// The command cannot be started.
    Command(command::Unstartable),
    /// What it was doing, and what the kernel said.
    Io(&'static str, io::Error),
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
