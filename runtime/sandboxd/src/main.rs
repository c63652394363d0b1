//! Process 1 inside a sandbox: runs the command, or serves somebody outside, and carries traffic to the gateway's socket.
//!
//! ```text
//!   tool ── "github.com?" ──▶ dns       127.0.0.1:53     ──▶ names: 127.64.0.7
//!   tool ── 127.64.0.7:443 ─▶ listeners                  ──▶ tunnel: CONNECT github.com:443 ──┐
//!   tool ── HTTPS_PROXY ────▶ proxy     127.0.0.1:3128   ──▶ tunnel: bytes as they are ───────┤
//!                                                                      /run/exeat/gateway.sock
//!   command: CMD, its signals, its orphans, its exit code
//!   serve:   or requests over /run/exeat/runtime.sock ──▶ processes, files, ports
//! ```
//!
//! Start with [`begin`], then [`names`] (which address stands for which name) and [`tunnel`] (the way out), or with
//! [`serve`] and [`processes`] for the second mode.
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
mod processes;
mod resolver;
mod serve;
mod tunnel;

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::arguments::{Arguments, LEADER, Task};
use crate::command::Command;
use crate::listeners::Listeners;
use crate::names::Names;
use crate::processes::Processes;
use crate::serve::Sandbox;

/// Where the sandbox's one way out is bound.
const GATEWAY: &str = "/run/exeat/gateway.sock";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == LEADER).is_some() {
        return ExitCode::from(processes::become_leader(words));
    }
    let arguments = match Arguments::parse(words) {
        Ok(arguments) => arguments,
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
    let ended = LocalSet::new().block_on(&runtime, begin(arguments));
    // Nothing that a thread still reads or writes is waited for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Command(error)) => fail(error.code(), &error),
        Err(Failure::Io(doing, error)) => fail(1, &format!("{doing}: {error}")),
    }
}

/// Traffic first, then the task, so that its first look-up is answered.
async fn begin(arguments: Arguments) -> Result<u8, Failure> {
    if let Some(ports) = arguments.ports {
        carry_traffic(ports)?;
    }
    match arguments.task {
        Task::Run(words) => Ok(Command::start(&words)?.finish().await),
        Task::Serve { socket, root } => serve_until_told(&socket, root).await,
    }
}

fn carry_traffic(ports: Vec<u16>) -> Result<(), Failure> {
    let gateway: &'static Path = Path::new(GATEWAY);
    let listeners = Listeners::new(ports, gateway);
    let names = Rc::new(RefCell::new(Names::new(listeners.names_at_most())));
    let resolver = resolver::Resolver::new(names, listeners);

    let proxy = listeners::bind_proxy().map_err(|error| Failure::Io("cannot listen on 127.0.0.1:3128", error))?;
    let (udp, tcp) = resolver::bind().map_err(|error| Failure::Io("cannot listen on 127.0.0.1:53", error))?;
    tokio::task::spawn_local(listeners::serve_proxy(proxy, gateway));
    tokio::task::spawn_local(resolver.clone().serve_udp(udp));
    tokio::task::spawn_local(resolver.serve_tcp(tcp));
    Ok(())
}

/// Serves until SIGTERM or SIGINT, which is passed on to all processes as SIGTERM.
async fn serve_until_told(socket: &Path, root: PathBuf) -> Result<u8, Failure> {
    let signals = |error| Failure::Io("cannot listen for signals", error);
    // Taken so that they do nothing: gVisor protects no process 1 from what ends or stops a program.
    let _ignored = command::ignore_others().map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| Failure::Io("cannot tell where we are", error));
    let (socket, root) = (absolute(socket)?, absolute(&root)?);
    // Processes that start at the root need no change of folder, which would cost each of them time.
    let _ = std::env::set_current_dir(&root);
    let processes = Processes::new().map_err(signals)?;
    let sandbox = Sandbox::new(root, Rc::clone(&processes));
    let told = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        processes.end().await;
        tokio::time::sleep(limits::FAREWELL_TIME).await;
    };
    // It is served until the last process has ended, so that who waits for one is told how.
    tokio::select! {
        never = serve::serve(sandbox, &socket) => match never {},
        () = told => Ok(0),
    }
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
