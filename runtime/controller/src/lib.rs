//! Sandboxes as Kubernetes state: the controllers of Agent Sandbox's four kinds, of snapshots, and of what is ours around them.
//!
//! ```text
//!   API server ──watch──▶ Cache ──change──▶ Queue ──key──▶ reconcile ──▶ what is there ─ plan (pure) ─▶ effects
//!                           ▲                                                                             │
//!                           └──────── learns the answers ──────── Calls, the one place that writes ◀──────┘
//! ```
//!
//! Start with [`run`], then `sandbox/mod.rs`: what a sandbox needs is decided by pure functions, done effect by effect, and
//! looked at anew, so that a controller which is killed in between leaves what the next look starts from.
//!
//! Invariants:
//! - A claim's sandbox is the one that names the claim as its owner. That is one field of one object, and nothing else says it.
//! - Only `calls.rs` changes anything, and the caches know what it did before anything else is decided.
//! - Nothing is ready whose workspace is not: what a pod is to start from is read back first, and what would go with one is kept.
//! - Only the leader acts.
//! - What makes clients give up for good is never said in passing: before something is said to be missing, the API server
//!   itself is asked.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod cache;
mod calls;
mod claim;
mod client;
mod config;
mod effect;
mod events;
mod key;
mod leader;
mod limits;
mod metrics;
mod owners;
mod pod_snapshot;
mod pool;
mod precedence;
mod queue;
mod reconcile;
mod restore;
mod run;
mod sandbox;
mod snapshot;
mod storage;
mod template;
mod tenant;
mod views;
pub mod wiring;
mod world;

pub use client::client;
pub use config::{Config, Mode};
pub(crate) use key::Key;
pub use leader::Leadership;
pub use run::{Controller, run};
pub use tenant::{CERTIFICATE, CERTIFICATE_KEY, GATEWAY_PORT};
