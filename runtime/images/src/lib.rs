//! Root file systems from OCI images, layers shared between sandboxes.
//!
//! ```text
//!   registry ──┐                 manifest, configuration              layers/HEX  overlayfs' form
//!   layout   ──┼─▶ bytes, checked ──▶ document ──▶ plan ──▶ unpack ─▶ images/HEX  reference → layers, config
//!   archive  ──┘   digest, size                     │       diff_id
//!                                                   └─ layers that are here already are not fetched
//! ```
//!
//! Start with [`Store::pull`] (`pull.rs`), which is this picture as code; then [`unpack()`], where hostile bytes become
//! files.
//!
//! Invariants:
//!
//! - **Nothing reads a registry's bytes before their digest is right**, except the JSON that says what the digests are.
//! - **No path of an image is walked but beneath its layer's folder**, by `openat2` and without following links.
//! - **A folder in `layers` is whole and on the disk**: it was made elsewhere, checked against its `diff_id`, synced and
//!   renamed. A `kill -9` at any time leaves at most what the next [`Store::open`] removes.
//! - **No registry is named here.** Which one a short name means is the caller's configuration.
//! - **This crate mounts nothing and makes no namespaces**: who unpacks is the caller's choice ([`Unpack`]).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod archive;
mod digest;
mod document;
mod error;
mod image;
mod import;
mod install;
pub mod limits;
mod lock;
mod pull;
mod reference;
mod registry;
mod remove;
mod store;
mod unpack;

pub use digest::LayerId;
#[doc(hidden)]
pub use document::read_any;
pub use error::{BlobFault, Error};
pub use exeat_digest::{Digest, NoDigest};
pub use image::{Empty, Image, ImageConfig};
pub use install::{Direct, Unpack};
pub use limits::Limits;
pub use pull::{OnProgress, Progress};
pub use reference::{Defaults, Reference};
pub use registry::{Endpoint, Registries};
pub use remove::remove_tree;
pub use store::{Collected, Store};
pub use unpack::{Reason, UnpackError, Unpacked, unpack};
