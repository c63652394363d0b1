//! The HTTP way into sandboxes, as the clients of Agent Sandbox know it: a request says in headers which sandbox it is for
//! and which port, and goes there with everything else as it came.
//!
//! ```text
//!   client ─ HTTP/1.1, HTTP/2 ─▶ serve ─▶ Doorkeeper ─▶ Ask (X-Sandbox-* headers) ─▶ Backend::enter ─▶ Visit::send
//!                                                                                   wakes it            │
//!            8888, 8080, 9090: the APIs of the process inside ◀─────────────────────────────────────────┤
//!            any other port: the sandbox's own server, WebSocket too ◀──────────────────────────────────┘
//! ```
//!
//! Start with [`Router`]. [`Backend`] is where sandboxes come from, and [`Doorkeeper`] knows who may enter them. On one
//! machine these are its supervisor (`Local`, feature `local`) and one [`Token`]; for a cluster they are in `runtime/cluster`.
//! [`serve`] and [`Token`] are the API server's too.
//!
//! Invariants:
//! - A sandbox is found by namespace and name alone. An address that a client names is never dialled.
//! - Nobody enters whom the doorkeeper does not let in, but by [`Addresses`], which are for those who ask for them.
//! - Neither a token nor a header of the router reaches a sandbox.
//! - Nobody is redirected, and a path goes on as it was written: `%2F` stays.
//! - What a second try cannot mend is refused with 4xx: clients repeat GET, PUT and DELETE after 5xx.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod addresses;
mod ask;
mod backend;
mod body;
mod doorkeeper;
mod exchange;
mod figures;
mod headers;
pub mod limits;
#[cfg(feature = "local")]
mod local;
mod refusal;
mod router;
mod serve;
mod token;

pub use addresses::Addresses;
pub use ask::{Ask, Target};
pub use backend::{Backend, Visit};
pub use body::{Body, BodyError, full};
pub use doorkeeper::Doorkeeper;
pub use exchange::{address, exchange};
#[cfg(feature = "local")]
pub use local::Local;
pub use refusal::Refusal;
pub use router::Router;
pub use serve::serve;
pub use token::Token;
