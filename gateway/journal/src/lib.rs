//! The append-only record of everything that was asked, decided and done.
//!
//! ```text
//!   append ──▶ queue ──▶ one writer thread: group ─ seal ─ pwrite ─ fdatasync ──▶ Ok(sequence)
//!                                            │
//!                       journal/00000000000000000001.seg  …  (the truth: a chain of SHA-256)
//!                                            │
//!              Reader, follow ◀──────────────┼──────────────▶ verify (names the first bad record)
//!                                            ▼
//!                       Catalog ── sled index (a view: rebuilt when missing, damaged or not ours)
//! ```
//!
//! Start with [`Journal`] to write, [`Reader`] and [`Catalog`] to read, [`verify`] to check. [`Event`] is what a record
//! can say; `FORMAT.md` beside this crate is the format on disk, byte by byte.
//!
//! # What the chain shows, and what it cannot
//! Every record holds the hash of the one before, so a flipped bit and a record that is removed, inserted, repeated
//! or moved show, and [`verify`] names the first record that is wrong. **Two things cannot show from the files
//! alone**: that the journal was cut back to an earlier whole record, and that somebody who can write the files wrote
//! the whole chain anew from some record on. Both show against a [`Report::last_hash`] that was kept elsewhere, and
//! only against that.
//!
//! # Invariants
//! - When [`Journal::append`] returns `Ok`, the record is on the disk. Nothing that failed is ever acknowledged later.
//! - After any error of the disk, the writer goes back to the last acknowledged record and proves that tail anew
//!   before it writes again; it never repeats an `fdatasync` on pages that failed once, because the kernel calls
//!   those clean.
//! - The index holds no truth: every answer is the same with it, without it, and with a rebuilt one.
//! - The journal never holds a secret. It cannot tell one from other text, so this is a promise of those who append.

// A test may unwrap: that is how it fails.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod catalog;
mod event;
mod filter;
mod format;
pub mod index;
mod journal;
mod reader;
mod record;
mod recover;
mod segments;
mod shelf;
mod sled_index;
mod tail;
mod verify;
mod walk;
mod writer;

pub use catalog::{Catalog, CatalogError, Entry};
pub use event::{Event, Intent, OperationFacts, RefusalFacts, RequestFacts, SandboxFacts, SessionFacts};
pub use filter::{ActionFilter, Decision, Filter, Mark};
pub use journal::{AppendError, Clock, Config, DEFAULT_SEGMENT_BYTES, Journal};
pub use reader::{Follow, ReadError, Reader, follow, last_sequence};
pub use record::{Record, bounded};
pub use recover::OpenError;
pub use verify::{Progress, Report, VerifyError, verify};
pub use walk::Bad;

#[cfg(test)]
mod tests;
