//! What every other room talks about, and nothing that touches a disk or a network.
//!
//! ```text
//!   bytes ──▶ Request ──▶ Operation ──▶ Verdict ──▶ (exeat-policy: Exeat) ──▶ out
//!             canonical   one action     what Cedar
//!             form        on one         said, by
//!                         resource       which policy
//! ```
//!
//! Start with [`Request`] (the canonical form: what is judged is what is sent), then [`Operation`]
//! (what a request means), [`Integration`] (who says what it means) and [`Refusal`] (why it may not leave).

mod authority;
mod integration;
pub mod limits;
mod operation;
mod path;
mod query;
mod refusal;
mod request;
mod session;

pub use authority::{Authority, Host, MalformedAuthority, Scheme};
pub use integration::{HeadProgress, Inspect, Integration, PLACEHOLDER_PREFIX, SandboxFile, Unreadable};
pub use operation::{Action, Entity, EntityName, Group, Operation, Value, Verdict};
pub use path::{CanonicalPath, MalformedPath};
pub use query::{MalformedQuery, Query};
pub use refusal::{Answer, Cause, Fault, Halt, Refusal};
pub use request::{Malformed, Request};
pub use session::Session;
