//! One gVisor sandbox on this machine: no root, no network, one socket.
//!
//! ```text
//!   exeat run ──▶ run      bundle: rootfs (rootfs, etc, trust) + config.json (oci, environment)
//!      │                   signals and the terminal, while it waits
//!      │ socket pair: the order down, an error up, end of file when either dies
//!      ▼
//!   helper ─────▶ namespaces: user, pid, net, ipc, uts       (this executable, run again)
//!      │
//!      ▼ fork
//!   init ───────▶ process 1 of the pid namespace: mount namespace, binds, /proc
//!      │          when it dies, the kernel kills everything of the sandbox
//!      ▼
//!   runsc run ──▶ gVisor: sandboxd ──▶ the command
//! ```
//!
//! Start with [`run`] and [`Spec`]. A program that uses this crate calls [`enter_if_asked`] first in its `main`.
//!
//! Invariants: the same path for root and for everybody else. Mounts exist in init's mount namespace only, so that
//! removing a sandbox's folder, which happens outside, can never reach through a bind into the host. Nothing of the
//! user's home, environment or secrets is named in any table here.
//!
//! Unix signals, `fork` and `pre_exec` need a few `unsafe` lines: each stands alone in its function with its reason.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod environment;
mod error;
mod etc;
mod helper;
mod host;
mod init;
mod limits;
mod namespaces;
mod oci;
mod order;
mod rootfs;
mod run;
mod runsc;
mod signals;
mod spec;
mod state;
mod streams;
mod terminal;
mod tools;
mod trust;

pub use error::{Error, Failure, Input};
pub use helper::enter_if_asked;
pub use host::check_host;
pub use run::run;
pub use spec::Spec;
pub use tools::{find_runsc, find_sandboxd};
