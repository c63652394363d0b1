//! The sandboxes of one machine as an HTTP API with JSON, on the socket that only their owner can open.
//!
//! ```text
//!   control.sock ──▶ Service ─┬─ /v1/…  ──▶ routes: one table ──┬─▶ handlers ──▶ Supervisor
//!                             │                                 └─▶ openapi.json
//!                             └─ HTTP/2 to `grpc` or `exeat`, with x-exeat-sandbox ──▶ that sandbox's own sandboxd
//! ```
//!
//! Start with [`Service`]; `routes.rs` is the whole API in one table, [`shapes`] what goes in and out.
//!
//! Invariants: the table that dispatches is the table that makes the document. Whatever goes wrong becomes a status in
//! one place, `problem.rs`. No command runs in a sandbox whose words are not in the journal.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod diff;
mod fork;
mod limits;
mod openapi;
mod problem;
mod routes;
mod sandboxes;
mod service;
pub mod shapes;
mod snapshots;
mod visit;

pub use openapi::document;
pub use service::{SANDBOX, Service};
