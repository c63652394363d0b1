//! How the rest of the machine talks to a running gateway: an HTTP API with JSON on a Unix socket that only its owner can open.
//! No sandbox can reach it.
//!
//! ```text
//!   exeat run ──POST /v1/sessions──▶ control.sock ──▶ Sessions: own socket, identity, journal
//!        │     └── the session lives as long as this response stays open
//!        └──anything else───▶ Others: brought by a room that this one does not know
//! ```
//!
//! Start with [`Control`] for the gateway's side and [`Client`] for the other.

mod api;
mod client;
mod server;
mod sessions;

pub use api::{HomeFile, OpenSession, OpenedSession, Status};
pub use client::{Client, ClientError, HeldSession};
pub use server::{Answer, Connections, Control, Others};
pub use sessions::{SessionError, SessionGuard, Sessions};

/// The API's socket in the state folder.
pub const SOCKET: &str = "control.sock";
