//! The life of a sandbox as a pure state machine: what may be done when, in which steps, and what to make of what a
//! crash left behind. No I/O: whoever runs sandboxes (one machine's supervisor, a Kubernetes controller) carries the
//! steps out and says what it sees.
//!
//! ```text
//!                     create ─▶ Creating ─┐                 ┌──── rollback ──▶ Replacing ─┐
//!                                         ▼                 │                             │
//!   Resting ── resume ─▶ Starting ───▶ Running ◀────────────┴─────────────────────────────┘
//!      ▲                                  │
//!      └───────────── Pausing ◀── pause ──┘           any ── delete ─▶ Deleting ─▶ gone
//! ```
//!
//! Everything that can be started is a [`Saved`] state: a stack of frozen layers and, where it was taken live, an image
//! of the memory. Creating, resuming, rolling back and forking are one thing: a start from a saved state, on a fresh
//! *generation* (a writable upper folder with its processes). Pausing and snapshots are one thing: the making of one.
//!
//! Each operation is written down before its first step ([`Life::begin`]) and after its last ([`Life::finish`]). A step
//! that fails and a supervisor that is killed are treated alike: [`Life::recover`] looks at what is there and leads to
//! the state before or to the state after, never between.
//!
//! Start with [`Life`]; [`Spec`] is what a sandbox shall be, [`Snapshot`] what is kept of it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod life;
mod name;
mod retention;
mod saved;
mod snapshot;
mod spec;

pub use life::{Life, Observed, Operation, Phase, Refused, Step, Why};
pub use name::{BadName, Name, SandboxId, SnapshotId};
pub use retention::{Keep, expired};
pub use saved::{Layer, Memory, Saved};
pub use snapshot::{Cause, Kind, Snapshot};
pub use spec::{ExpiryPolicy, Resources, Root, Schedule, Shutdown, Spec};
