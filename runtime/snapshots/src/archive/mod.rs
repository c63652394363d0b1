//! A workspace's tar archive into chunks and a manifest, and back.
//!
//! ```text
//!   tar ─▶ entries ──▶ tree ─────────▶ manifest ─▶ write ─▶ tar
//!          pax, GNU,    paths, kinds       ▲
//!          sparse   └─▶ cut ── chunks ─────┘
//! ```
//!
//! The sandbox's root makes the archive, so it is hostile. Nothing here touches a file system, so no name can lead
//! anywhere; names are checked all the same, since whoever unpacks a restored archive follows them.

mod cut;
mod entries;
mod path;
mod reason;
mod tree;
mod write;

use std::io::{self, Read};

pub(crate) use path::is_clean;
pub use reason::Reason;
pub(crate) use write::{Piece, Step, end, header, steps};

use crate::error::Error;
use crate::limits::{self, Limits};
use crate::manifest::Manifest;
use cut::Cutter;
use entries::{Entries, Kind};
use exeat_digest::Digest;
use tree::Tree;

/// What an archive holds.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) manifest: Manifest,
    /// All files, in bytes.
    pub(crate) bytes: u64,
    /// Regular files.
    pub(crate) files: u64,
    /// Devices, pipes and sockets, which mean nothing elsewhere.
    pub(crate) skipped: u64,
}

/// An archive that is refused.
#[derive(Debug)]
pub(crate) struct Refused {
    entry: Vec<u8>,
    reason: Reason,
}

impl Refused {
    fn stream(reason: impl Into<Reason>) -> Self {
        Self { entry: Vec::new(), reason: reason.into() }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        if let Reason::Unreadable(error) = refused.reason {
            return Self::Source(error);
        }
        let shown = &refused.entry[..refused.entry.len().min(limits::SHOWN_BYTES)];
        let entry = (!shown.is_empty()).then(|| shown.escape_ascii().to_string());
        Self::Refused { entry, reason: refused.reason }
    }
}

/// Reads an archive whose names all begin with `folder`, and gives each chunk that is new in it to `keep`, once. It
/// blocks.
pub(crate) fn read(
    archive: impl Read, folder: &str, limits: Limits, keep: impl FnMut(Digest, Vec<u8>) -> io::Result<()>,
) -> Result<Contents, Refused> {
    let mut entries = Entries::new(archive);
    let mut tree = Tree::new(folder, limits);
    let mut cutter = Cutter::new(keep);
    while let Some(mut entry) = entries.next().map_err(Refused::stream)? {
        let path = std::mem::take(&mut entry.path);
        let added = match entry.kind {
            Kind::Skipped => tree.skip(),
            Kind::File => tree
                .reserve(entry.size, cutter.chunks())
                .and_then(|()| Ok(cutter.add(entry.size, &mut entries)?))
                .and_then(|content| tree.add_file(&path, &entry, content)),
            _ => tree.add_other(&path, &entry),
        };
        added.map_err(|reason| Refused { entry: path, reason })?;
    }
    entries.finish().map_err(Refused::stream)?;
    let chunks = cutter.finish().map_err(Refused::stream)?;
    tree.finish(chunks)
}
