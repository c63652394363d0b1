//! The gateway in a cluster: who a pod is, and what its namespace lets it do.
//!
//! ```text
//!   pod ─address, token─▶ Pods (identify) ─▶ Reviews: TokenReview        ┌─ watches: pods, Sandboxes, claims
//!                              │             stand: pod ─ Sandbox ─ claim ◀── View ◀─┤
//!                              ▼                                         └─ EgressPolicies, Credentials, Workflows
//!                         Guests: one session each, ended when what it stood on is gone
//!                              └─▶ Terms: policies and credentials of its namespace, the budget of its piece of work
//! ```
//!
//! Start with [`Cluster`], then `standing.rs`, which is the whole question of identity as a pure function.
//!
//! Invariants:
//! - A namespace is a tenant. What is judged and what is given comes from the session's own, and from the gateway's folder.
//! - What is not known, or does not agree, has no rights. Nothing is decided by what was never seen: a gateway that has not read
//!   all policies yet, or has not heard of the cluster for a while, lets nobody out.
//! - A token is kept by its digest alone, and a Secret's value no longer than any other credential.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod authority;
mod cluster;
mod contact;
mod credentials;
mod facts;
mod guests;
mod identity;
mod kept;
mod policies;
mod review;
mod standing;
mod status;
mod terms;
mod view;
mod watching;
mod workflow;

pub use authority::{CA_CONFIG_MAP, CA_KEY, CA_SECRET, shared_authority};

pub use cluster::Cluster;
pub use credentials::check_credential;
pub use kept::{KeptError, kept_secret, pair_in, secret_of};
pub use policies::check_policy;

/// The audience of the tokens that pods show: one for another service is no token here.
pub const AUDIENCE: &str = "exeat-gateway";
