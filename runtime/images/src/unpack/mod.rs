//! A layer's bytes into a folder in overlayfs' form.
//!
//! ```text
//!   bytes ─▶ plain ─────▶ entries ─────▶ apply ─────▶ tree ─────▶ folder
//!            gzip, zstd,   tar, pax,      whiteouts,   openat2, *at calls
//!            diff_id       limits         kinds        beneath the folder
//! ```
//!
//! Where entries meet, a layer means what it means to Docker's and containerd's unpackers, which apply one entry after
//! the other: a later entry takes the place of an earlier one of its name, folders of one name are merged, and a folder
//! that takes the place of anything else hides what lower layers have there. Names that begin with `/` are taken from
//! the layer's root, as they do. They would follow symbolic links within the root; here no link is ever followed, and an
//! entry that lies beyond one is refused.

mod apply;
mod attributes;
mod entries;
mod fault;
mod place;
mod plain;
mod tree;

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use entries::{Entries, Kind};
pub use fault::{Reason, UnpackError};
pub(crate) use tree::OPAQUE;

use crate::digest::LayerId;
use crate::limits::Limits;
use crate::remove;
use apply::Applier;
use fault::Named;
use plain::Plain;
use tree::Tree;

/// What a layer became. What could not be kept is counted, since an image that needs it may behave differently.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Unpacked {
    /// The digest of the layer before compression.
    pub diff_id: LayerId,
    /// The layer before compression, in bytes.
    pub size: u64,
    /// Files, folders, links and whiteouts that were made.
    pub files: u64,
    /// Those that belong to somebody whom this user may not give files to, and are this user's instead.
    pub owners_lost: u64,
    /// Device nodes, which are left out: a sandbox has its own `/dev`.
    pub devices_skipped: u64,
    /// Extended attributes that are left out: all but `user.*` (without overlayfs' own) and `security.capability`, and
    /// those that the file system did not take.
    pub attributes_skipped: u64,
    /// Entries that carry only AUFS' bookkeeping (`.wh..wh.*`).
    pub markers_skipped: u64,
}

/// Unpacks a layer (tar, tar+gzip or tar+zstd, told apart by their first bytes) into a folder that is there and empty.
/// It blocks. After an error the folder is empty again, and nothing beside it was touched at any time.
///
/// Devices of number 0:0 mark what a layer deletes, and the attribute `user.overlay.opaque` on a folder says that it
/// hides what lower layers have in it, so the folder is for an overlay mounted with `userxattr`. On the layer's root
/// the kernel ignores the attribute: whoever stacks layers leaves out all below such a one, as [`crate::Store`] does.
///
/// # Errors
/// [`UnpackError`] names the entry and the reason.
pub fn unpack(layer: impl Read, folder: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
    let tree = Tree::open(folder, limits.entries)?;
    let unpacked = apply(layer, tree, limits);
    if unpacked.is_err() {
        remove::contents(folder).map_err(|source| UnpackError::Io { doing: "empty the folder", source })?;
    }
    unpacked
}

fn apply(layer: impl Read, tree: Tree, limits: &Limits) -> Result<Unpacked, UnpackError> {
    let plain = Plain::new(layer, limits.layer_bytes).map_err(UnpackError::stream)?;
    let mut entries = Entries::new(plain);
    let mut applier = Applier::new(tree);
    while let Some(entry) = entries.next().map_err(|reason| reason.named(b""))? {
        applier.apply(&entry, &mut entries).map_err(|reason| reason.named(&entry.path))?;
    }
    let counts = applier.finish()?;
    let (diff_id, size) = entries.into_inner().finish().map_err(UnpackError::stream)?;
    Ok(Unpacked { diff_id, size, ..counts })
}
