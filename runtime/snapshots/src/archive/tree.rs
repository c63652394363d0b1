//! The entries of an archive as one tree.

use std::collections::HashMap;

use super::entries::{Entry as Header, Kind as HeaderKind};
use super::path;
use super::reason::Reason;
use super::{Contents, Refused};
use crate::limits::{self, Limits};
use crate::manifest::{Chunk, Content, Entry, Kind, Manifest, order};

/// What an entry, a chunk, and a chunk's place in a file take in a manifest and in memory, in bytes, beside names.
const ENTRY_BYTES: u64 = 192;
const CHUNK_BYTES: u64 = 48;

/// Collects entries and holds them to the limits.
pub(super) struct Tree {
    folder: Vec<u8>,
    limits: Limits,
    entries: Vec<Entry>,
    /// The contents of files by their paths, once a hard link asks for one.
    files: Option<HashMap<Vec<u8>, Content>>,
    count: u64,
    bytes: u64,
    names: u64,
    skipped: u64,
}

impl Tree {
    pub(super) fn new(folder: &str, limits: Limits) -> Self {
        let folder = folder.as_bytes().to_vec();
        Self { folder, limits, entries: Vec::new(), files: None, count: 0, bytes: 0, names: 0, skipped: 0 }
    }

    /// Passes an entry over.
    pub(super) fn skip(&mut self) -> Result<(), Reason> {
        self.skipped += 1;
        self.count()
    }

    fn count(&mut self) -> Result<(), Reason> {
        self.count += 1;
        if self.count > self.limits.entries { Err(Reason::Entries(self.limits.entries)) } else { Ok(()) }
    }

    /// Counts a file's bytes, before they are read, and the chunks that there are.
    pub(super) fn reserve(&mut self, size: u64, chunks: usize) -> Result<(), Reason> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.bytes {
            return Err(Reason::Bytes(self.limits.bytes));
        }
        let names = self.names + chunks as u64 * CHUNK_BYTES;
        if names > limits::MANIFEST_BYTES { Err(Reason::Names) } else { Ok(()) }
    }

    pub(super) fn add_file(&mut self, name: &[u8], header: &Header, content: Content) -> Result<(), Reason> {
        self.add(name, header, Kind::File(content))
    }

    /// Adds a folder or a link.
    pub(super) fn add_other(&mut self, name: &[u8], header: &Header) -> Result<(), Reason> {
        if header.size > 0 {
            return Err(Reason::Content(header.size));
        }
        let kind = match header.kind {
            HeaderKind::Folder => Kind::Folder,
            HeaderKind::HardLink => Kind::File(self.linked(&header.target)?),
            _ => Kind::Link(path::target(&header.target)?.to_vec()),
        };
        self.add(name, header, kind)
    }

    /// A hard link is kept as a file of its own, as sandboxd sends it in any case.
    fn linked(&mut self, target: &[u8]) -> Result<Content, Reason> {
        let missing = || Reason::HardLink(target.escape_ascii().to_string());
        let path = path::below(&self.folder, target).map_err(|_| missing())?;
        let files = self.files.get_or_insert_with(|| self.entries.iter().filter_map(of_file).collect());
        let content = files.get(&path).cloned().ok_or_else(missing)?;
        self.reserve(content.size(), 0)?;
        Ok(content)
    }

    fn add(&mut self, name: &[u8], header: &Header, kind: Kind) -> Result<(), Reason> {
        self.count()?;
        let path = path::below(&self.folder, name)?;
        let mut attributes: Vec<_> = header.attributes.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
        attributes.sort();
        attributes.dedup_by(|one, other| one.0 == other.0);
        let entry = Entry {
            path,
            kind,
            mode: header.mode & 0o7777,
            owner: identifier(header.owner)?,
            group: identifier(header.group)?,
            modified: header.modified,
            attributes,
        };
        self.names += ENTRY_BYTES + entry.names();
        if self.names > limits::MANIFEST_BYTES {
            return Err(Reason::Names);
        }
        if let Some(files) = &mut self.files {
            files.extend(of_file(&entry));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The manifest, if everything lies in a folder and nothing is there twice.
    pub(super) fn finish(self, chunks: Vec<Chunk>) -> Result<Contents, Refused> {
        let mut entries = self.entries;
        entries.sort_unstable_by(|one, other| order(&one.path, &other.path));
        if let Some((entry, reason)) = order::fault(&entries) {
            return Err(Refused { entry: entry.to_vec(), reason });
        }
        let files = entries.iter().filter(|entry| matches!(entry.kind, Kind::File(_))).count() as u64;
        let manifest = Manifest::of(entries, &chunks);
        Ok(Contents { manifest, bytes: self.bytes, files, skipped: self.skipped })
    }
}

fn of_file(entry: &Entry) -> Option<(Vec<u8>, Content)> {
    match &entry.kind {
        Kind::File(content) => Some((entry.path.clone(), content.clone())),
        Kind::Folder | Kind::Link(_) => None,
    }
}

/// The kernel's -1 means "leave it", so it is no identifier.
fn identifier(id: u64) -> Result<u32, Reason> {
    u32::try_from(id).ok().filter(|&id| id != u32::MAX).ok_or(Reason::Owner(id))
}

/// As for images: what a program may set for itself, and what a set-user-ID program's successor needs.
fn is_kept(name: &[u8]) -> bool {
    name == b"security.capability"
        || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay.") && !name.contains(&0))
}
