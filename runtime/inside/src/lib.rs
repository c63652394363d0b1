//! What the supervisor and sandboxd say to each other: messages, their frames, and (feature `client`) the
//! supervisor's side of the connection.
//!
//! ```text
//!   supervisor                                         inside the sandbox
//!   runtime.sock  ◀──────── dials ──────────────────── exeat-sandboxd --serve
//!   HTTP/2 client ───────── requests ────────────────▶ HTTP/2 server
//!        :authority = legacy | rest | grpc | exeat      (which API: [`Api`])
//! ```
//!
//! In a pod sandboxd listens instead, at a port for each API, and whoever would enter dials.
//!
//! Beside the messages there are two tables that everybody shares who makes a sandbox, on a machine or in a cluster:
//! [`environment`] and [`trust`].
//!
//! Start with [`Api`], then [`process`] (the messages of Agent Sandbox's `ProcessService`) and [`control`] (our own),
//! and, on the supervisor's side, with `client::Inside`.
//!
//! Invariants:
//! - Whoever is root inside can replace sandboxd. So the client takes every byte for hostile: it bounds what it
//!   reads ([`limits`]), never panics, and says `Error::Broken` where the other end broke the rules.
//! - A command is run in one way, by `ProcessService`. The control service has only what that one lacks.
//!
//! gRPC is spoken over hyper directly: tonic would bring tower, axum and their builds for what are [`framing`]'s
//! five bytes before each message and [`status`]'s two trailers, and the server's back pressure is then in sight.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod api;
#[cfg(feature = "client")]
pub mod client;
pub mod control;
pub mod environment;
pub mod framing;
pub mod limits;
pub mod process;
pub mod status;
pub mod trust;

pub use api::Api;
