//! A manifest: everything that a snapshot holds, less the contents. `FORMAT.md` describes its bytes.

mod decode;
mod encode;
pub(crate) mod order;

use std::collections::HashMap;

use exeat_digest::Digest;

pub(crate) use order::order;

/// All entries of a workspace and the chunks that they need.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Manifest {
    /// In the order of their first use.
    pub(crate) chunks: Vec<Chunk>,
    /// In the order of a walk: a folder, then what is in it, by name. The first is the workspace itself.
    pub(crate) entries: Vec<Entry>,
}

/// A chunk by its digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Chunk {
    pub(crate) digest: Digest,
    /// Before compression, in bytes.
    pub(crate) length: u32,
}

/// One entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// Relative to the workspace, with `/` and without anything that means nothing; empty for the workspace itself.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    /// In seconds since 1970.
    pub(crate) modified: i64,
    /// By name.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an entry is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Folder,
    File(Content),
    /// A symbolic link to this.
    Link(Vec<u8>),
}

/// Where a file's content is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// Nowhere.
    Empty,
    /// A part of a chunk. The content's own digest says whether it is the same as another's.
    Packed { digest: Digest, size: u32, chunk: u32, offset: u32 },
    /// Chunks, one after the other.
    Cut { size: u64, chunks: Vec<u32> },
}

impl Content {
    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Packed { size, .. } => (*size).into(),
            Self::Cut { size, .. } => *size,
        }
    }

    /// The places of its chunks.
    pub(crate) fn chunks(&self) -> &[u32] {
        match self {
            Self::Empty => &[],
            Self::Packed { chunk, .. } => std::slice::from_ref(chunk),
            Self::Cut { chunks, .. } => chunks,
        }
    }

    fn chunks_mut(&mut self) -> &mut [u32] {
        match self {
            Self::Empty => &mut [],
            Self::Packed { chunk, .. } => std::slice::from_mut(chunk),
            Self::Cut { chunks, .. } => chunks,
        }
    }
}

impl Entry {
    /// What varies in its size, in bytes.
    pub(crate) fn names(&self) -> u64 {
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        let kind = match &self.kind {
            Kind::Folder => 0,
            Kind::File(content) => content.chunks().len() * 8,
            Kind::Link(target) => target.len(),
        };
        (self.path.len() + attributes + kind) as u64
    }

    /// Its path as a person reads it: from the workspace, with what is no text escaped.
    pub(crate) fn shown(&self) -> String {
        if self.path.is_empty() { ".".to_owned() } else { self.path.escape_ascii().to_string() }
    }
}

impl Manifest {
    /// A manifest of sorted entries, which refer to places in `chunks`. Chunks are numbered by their first use, and one
    /// that is there several times becomes one.
    pub(crate) fn of(mut entries: Vec<Entry>, chunks: &[Chunk]) -> Self {
        let mut places: HashMap<Digest, u32> = HashMap::new();
        let mut used = Vec::new();
        for entry in &mut entries {
            let Kind::File(content) = &mut entry.kind else { continue };
            for place in content.chunks_mut() {
                let Some(chunk) = chunks.get(*place as usize) else { continue };
                *place = *places.entry(chunk.digest).or_insert_with(|| {
                    used.push(*chunk);
                    used.len() as u32 - 1
                });
            }
        }
        Self { chunks: used, entries }
    }
}
