//! A cluster's sandboxes for the router: where they are, who may enter them, and how they wake.
//!
//! ```text
//!   request ─▶ Reviews: whose token? (TokenReview)   may he enter? (SubjectAccessReview)   both remembered for a moment
//!      │
//!      └─▶ Cluster ─▶ directory: namespace, name ─▶ UID, state, address   ◀── watch of all Sandboxes
//!             │           asleep? ─▶ patched to Running, and waited for
//!             ├─▶ activity: `exeat.dev/last-active`, for those that are suspended when nobody uses them
//!             └─▶ the pod's address, the port that the request names
//! ```
//!
//! Start with [`Cluster`] and [`Reviews`], which a router of `runtime/router` is made of.
//!
//! Invariants:
//! - An address comes out of a Sandbox's status. One that a client names is not read.
//! - A sandbox that waits in a pool is nobody's, and unknown here.
//! - Nobody is let in whom the API server has not let in within the last seconds. Where it does not answer, nobody is.
//! - A sandbox that a person suspended is not woken.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod activity;
mod cache;
mod cluster;
mod dial;
mod directory;
mod known;
mod limits;
mod reviews;
mod user;

pub use cluster::Cluster;
pub use reviews::Reviews;
