//! The part of Kubernetes' API that Agent Sandbox's clients use, served on one machine without Kubernetes: every call is
//! translated to the supervisor.
//!
//! ```text
//!   client ─▶ exeat_router::serve ─▶ Token ─▶ route ─┬─ GET, LIST, WATCH ◀── Objects ◀── World::refresh ◀── supervisor.changes()
//!                                                    ├─ claims: POST, PATCH, DELETE ─▶ Disk ─▶ bind ─▶ supervisor.claim
//!                                                    ├─ sandboxes: PATCH, DELETE ────────────────────▶ pause, resume, …
//!                                                    └─ podsnapshots, triggers ──────────────────────▶ snapshot, …
//! ```
//!
//! Start with [`ApiServer`], then `world.rs`: what is shown and how it is kept the same as what is.
//!
//! Invariants:
//! - The supervisor has the truth about sandboxes. What only Kubernetes has (claims, triggers, notes) is one file each, on
//!   the disk before the client is told.
//! - A claim's sandbox is found by the claim's UID: a crash between the two leaves neither a second sandbox nor a lost one.
//! - A claim's sandbox and its `Ready=True` come in one update; what makes clients give up is never said in passing.
//! - Everything shown has a resource version, which grows with each change and across restarts.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod claims;
mod discovery;
mod disk;
mod failure;
mod kubeconfig;
mod limits;
mod locks;
mod merge;
mod metadata;
mod objects;
mod render;
mod resource;
mod route;
mod sandboxes;
mod selector;
mod server;
mod snapshots;
mod watch;
mod world;

pub use kubeconfig::write_kubeconfigs;
pub use server::ApiServer;
