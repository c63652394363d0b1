//! What changed in a sandbox between two states, for a person and for a program.
//!
//! ```text
//!   Side{tree, observed} ─┐                    ┌─ packages   who owns a changed file, which versions came and went
//!                         ├─ walk: both trees ─┼─ noise      caches and the like, one line per folder
//!   Side{tree, observed} ─┘  side by side      └─ content    line diffs, bounded
//!                                                   │
//!                              Changes (JSON) ◀─────┴─────▶ render: readable text
//! ```
//!
//! Start with [`compare`] and [`Changes`], whose JSON is described in `docs/changes.md`.
//!
//! Invariants: both trees are hostile. What both have in common is not read. Everything read or remembered has a limit
//! in `limits.rs`, and what a limit left out is said in [`Changes::notes`]. The text form holds no character that could
//! steer a terminal or turn the reading direction.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod classify;
mod compare;
mod content;
mod escape;
mod limits;
mod model;
mod noise;
mod notes;
mod observed;
mod packages;
mod renames;
mod render;
mod walk;

pub use compare::{Options, Side, compare};
pub use model::{
    Changes, Content, Counts, FileChange, FileState, How, Manager, PackageChange, Reason, Running, Summary,
};
pub use observed::{Listener, Observed, Process};
