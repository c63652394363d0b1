//! Snapshots of workspaces, kept where no node matters: in a folder on a volume, or in a bucket.
//!
//! ```text
//!   take    tar ─▶ archive ─▶ chunks ────────────▶ put what is not there ─┐
//!                        └──▶ manifest ──────────▶ put ──▶ record ◀───────┘ last
//!   restore record ─▶ manifest ─▶ every chunk checked ─▶ tar
//!   collect claim ─▶ records ─▶ manifests ─▶ mark ─▶ remove the rest
//! ```
//!
//! Start with [`Store`], which gives [`Namespace`]s, then `take.rs` and `restore.rs`, which are this picture as code.
//! `FORMAT.md` describes what is stored.
//!
//! Invariants:
//!
//! - **A snapshot is there when its record is**, and the record is written last, when everything else is on the disk. A
//!   `kill -9` at any time leaves no snapshot or a whole one, and what [`Namespace::collect`] removes.
//! - **Namespaces share nothing.** A chunk that another namespace has is stored again: whether it was there already
//!   would tell its sandbox what others keep.
//! - **Nothing of a damaged snapshot is restored**: every chunk is read and checked before the first byte is given out.
//! - **Archives are hostile**, and what is made of them is a list of clean relative names. No name touches a file
//!   system.
//! - **Who collects and who takes or restores exclude each other**, by claims (`claim.rs`).
//! - This crate knows no Kubernetes, and no sandbox but by name.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod archive;
mod backend;
mod claim;
mod collect;
mod config;
mod diff;
mod error;
#[doc(hidden)]
pub mod fuzz;
pub mod limits;
mod manifest;
mod names;
mod objects;
mod record;
mod restore;
mod store;
mod take;
mod verify;

pub use archive::Reason;
pub use backend::Credentials;
pub use collect::Collected;
pub use config::{Config, S3Config};
pub use error::{Damage, Error, Fault};
pub use exeat_digest::{Digest, NoDigest};
pub use limits::Limits;
pub use record::Snapshot;
pub use restore::Restored;
pub use store::{Namespace, Store};
pub use take::Meta;
pub use verify::Verified;

/// Sixteen hex digits that nobody else has.
fn random() -> Result<String, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Error::Interrupted(error.to_string()))?;
    Ok(hex::encode(bytes))
}
