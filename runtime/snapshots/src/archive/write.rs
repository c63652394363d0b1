//! A manifest as a tar archive: always the same bytes.
//!
//! Folders come first, so that each is there before what is in it; then files, in the order of their chunks, so that
//! each pack is read once; then links, so that no file is ever written through one.

use std::ops::Range;

use tar_core::EntryType;
use tar_core::builder::{EntryBuilder, ExtensionMode, HeaderBuilder};

use crate::manifest::{Content, Entry, Kind, Manifest};

/// Blocks of a tar, in bytes.
const BLOCK: u64 = 512;

/// An entry on its way into an archive.
pub(crate) struct Step<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) pieces: Vec<Piece>,
    /// Zeros behind the content.
    pub(crate) padding: usize,
}

/// A part of a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) chunk: u32,
    pub(crate) range: Range<usize>,
}

/// All entries in the order in which they are written.
pub(crate) fn steps(manifest: &Manifest) -> impl Iterator<Item = Step<'_>> {
    let mut files: Vec<_> = manifest.entries.iter().filter_map(|entry| Some((place(entry)?, entry))).collect();
    files.sort_by_key(|(place, _)| *place);
    let folders = manifest.entries.iter().filter(|entry| entry.kind == Kind::Folder);
    let links = manifest.entries.iter().filter(|entry| matches!(entry.kind, Kind::Link(_)));
    folders.chain(files.into_iter().map(|(_, entry)| entry)).chain(links).map(|entry| step(manifest, entry))
}

/// Where a file's content begins: its first chunk, and the offset in it.
fn place(entry: &Entry) -> Option<(u32, u32)> {
    match &entry.kind {
        Kind::File(Content::Empty) => Some((0, 0)),
        Kind::File(Content::Packed { chunk, offset, .. }) => Some((*chunk, *offset)),
        Kind::File(Content::Cut { chunks, .. }) => Some((chunks.first().copied().unwrap_or_default(), 0)),
        Kind::Folder | Kind::Link(_) => None,
    }
}

fn step<'a>(manifest: &Manifest, entry: &'a Entry) -> Step<'a> {
    let length = |place: u32| manifest.chunks.get(place as usize).map_or(0, |chunk| chunk.length as usize);
    let pieces = match &entry.kind {
        Kind::File(Content::Packed { size, chunk, offset, .. }) => {
            let from = *offset as usize;
            vec![Piece { chunk: *chunk, range: from..from + *size as usize }]
        }
        Kind::File(Content::Cut { chunks, .. }) => {
            chunks.iter().map(|&chunk| Piece { chunk, range: 0..length(chunk) }).collect()
        }
        _ => Vec::new(),
    };
    let size = size(entry);
    Step { entry, pieces, padding: (size.next_multiple_of(BLOCK) - size) as usize }
}

fn size(entry: &Entry) -> u64 {
    match &entry.kind {
        Kind::File(content) => content.size(),
        Kind::Folder | Kind::Link(_) => 0,
    }
}

/// An entry's headers. Long names are written as GNU tar does, which takes any byte; extended attributes need pax.
pub(crate) fn header(entry: &Entry) -> Result<Vec<u8>, tar_core::HeaderError> {
    let extension = if entry.attributes.is_empty() { ExtensionMode::Gnu } else { ExtensionMode::Pax };
    let mut builder = EntryBuilder::with_mode(HeaderBuilder::new_gnu(), extension);
    let mut name = if entry.path.is_empty() { b".".to_vec() } else { entry.path.clone() };
    match &entry.kind {
        Kind::Folder => {
            name.push(b'/');
            builder.entry_type(EntryType::Directory);
        }
        Kind::File(_) => drop(builder.entry_type(EntryType::Regular)),
        Kind::Link(target) => {
            builder.entry_type(EntryType::Symlink).link_name(target);
        }
    }
    builder.path(&name).mode(entry.mode)?.size(size(entry))?;
    builder.uid(entry.owner.into())?.gid(entry.group.into())?.mtime(entry.modified.cast_unsigned())?;
    for (name, value) in &entry.attributes {
        if let Ok(name) = std::str::from_utf8(name) {
            builder.add_pax(&format!("SCHILY.xattr.{name}"), value);
        }
    }
    Ok(builder.finish_bytes())
}

/// What an archive ends with.
pub(crate) fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK as usize]
}
