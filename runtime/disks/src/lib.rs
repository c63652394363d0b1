//! A sandbox's disk as plain folders: capturing what changed, reading a stack without mounting it, and making it flat.
//!
//! ```text
//!   upper ──capture──▶ frozen layer      unchanged files: hard links to the capture before; changed: reflinks, copies
//!                          │
//!   [layer, layer, base] ──┴─▶ Tree      the merged view that the kernel's overlayfs would show
//!                               │
//!                               └─flatten──▶ one layer
//! ```
//!
//! Layers are in overlayfs's format with `userxattr`
//! (<https://docs.kernel.org/filesystems/overlayfs.html>): a whiteout is a character device 0:0, and a folder that hides
//! what is below carries `user.overlay.opaque=y`. Redirects, metadata-only copies and whiteouts by attribute are never
//! made by our mounts and mean nothing here: whoever unpacks an image must not let it bring `user.overlay.*` along.
//!
//! Start with [`capture`] and [`Tree`].
//!
//! Invariants: contents are hostile. Every file is reached from a folder's descriptor and no symlink is ever followed by
//! the host. A frozen layer is never written to again, because several captures share its files. What is being made has
//! a name of its own until it is whole: on an error nothing stays, and after a kill the next attempt sweeps the rest.
//!
//! Asking whether a file is settled takes two calls that have no safe wrapper; they stand alone in `settled.rs`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod attributes;
mod capture;
mod contents;
mod cursor;
mod error;
mod flatten;
mod folder;
mod index;
mod limits;
mod node;
mod reach;
mod remove;
mod settled;
mod staging;
mod stat;
mod tree;
mod usage;

pub use capture::{Captured, capture};
pub use error::Error;
pub use flatten::{Flattened, flatten};
pub use index::path_of as index_path;
pub use remove::remove;
pub use stat::{Kind, Stat, Time};
pub use tree::{Entry, Tree, Visited, Walk};
pub use usage::{Usage, usage};
