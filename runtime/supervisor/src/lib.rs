//! The sandboxes of one machine: made, paused, resumed, saved, rolled back, forked, and found again.
//!
//! ```text
//!   command line, SDKs ──▶ Supervisor ── begin ──▶ lifecycle: what may be done, in which steps
//!                              │  ◀─ record written, steps, record written ─▶ workshop: each step, by exeat-local
//!                              ├── guest: the running generation's sockets, its sandboxd, its session at the gateway
//!                              ├── snapshots: saved states with a name, and what nobody needs any more
//!                              └── clock: pools filled, idle ones paused, expired ones ended, snapshots on time
//! ```
//!
//! Start with [`Supervisor`]; `operations.rs` is the picture above as code.
//!
//! Invariants: a sandbox's record on disk is the truth about it, written before the first step of an operation and
//! after its last. What nothing refers to is removed by one sweep, and by nothing else. A sandbox that waits in a
//! pool has no session, so the gateway does not even listen for it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod clock;
mod error;
mod files;
mod guest;
mod history;
mod images;
mod limits;
mod memory;
mod opening;
mod operations;
mod paths;
mod pools;
mod precaution;
mod reading;
mod sandbox;
mod snapshots;
mod supervisor;
mod visits;
mod workshop;

pub use error::Error;
pub use guest::Visit;
pub use history::{Happening, Outside, history, outside};
pub use images::ImageSources;
pub use pools::{Pool, PoolConfig, new_uid};
pub use sandbox::{Claim, Create, Sandbox, Take};
pub use supervisor::{Config, Parts, Supervisor};
