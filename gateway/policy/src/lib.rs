//! The only room that names Cedar, and the only maker of an [`Exeat`].
//!
//! ```text
//!   *.cedar, texts ──▶ load: parse, validate strictly ──▶ one policy-set version in force
//!                                                        │
//!   Session + Request + Operations ──▶ decide ───────────┴──▶ Exeat (all allowed) or Denied (one is not)
//! ```
//!
//! Start with [`Policies`]. A request is allowed only where a `permit` covers each of its operations, no `forbid` does,
//! and every policy could be evaluated: Cedar itself skips a policy that errs, which would let an erring `forbid` pass.

mod engine;
mod error;
mod exeat;
mod load;
mod recent;
mod vocabulary;
mod watch;

pub use engine::Policies;
pub use error::LoadError;
pub use exeat::{Denied, Exeat, Version};
pub use load::{PolicyText, Source};
pub use watch::{WatchError, Watcher};
