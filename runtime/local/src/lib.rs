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
//! A sandbox that stays ([`Generation`]) is begun the same way, but its init and gVisor outlive helper and caller, and its
//! root is an overlayfs of frozen layers and a writable folder. Whoever has its folder finds its init again, and enters
//! init's namespaces to hold, save and end it ([`keep`]).
//!
//! Start with [`run`] and [`Spec`]. A program that uses this crate calls [`enter_if_asked`] first in its `main`.
//!
//! Invariants: the same path for root and for everybody else. Mounts exist in init's mount namespace only, so that
//! removing a sandbox's folder, which happens outside, can never reach through a bind into the host. Nothing of the
//! user's home, environment or secrets is named in any table here.
//!
//! Unix signals, `fork` and `pre_exec` need a few `unsafe` lines: each stands alone in its function with its reason.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod cgroup;
mod disk;
mod environment;
mod error;
mod etc;
mod generation;
mod helper;
mod host;
mod init;
mod keep;
mod limits;
mod namespaces;
mod oci;
mod order;
mod process;
mod rootfs;
mod run;
mod runsc;
mod signals;
mod skeleton;
mod spec;
mod state;
mod streams;
mod terminal;
mod tools;
mod trust;

pub use disk::{Unpacker, capture, flatten};
pub use error::{Error, Failure, Input};
pub use generation::{Generation, Start};
pub use helper::enter_if_asked;
pub use host::check_host;
pub use process::Process;
pub use run::run;
pub use skeleton::{host_folders, skeleton_of_host, skeleton_of_image};
pub use spec::{Spec, check_variable, check_workspace};
pub use tools::{find_runsc, find_sandboxd, runsc_version};
