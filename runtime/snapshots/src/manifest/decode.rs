//! A manifest from its bytes. What [`Manifest::encode`] would write otherwise is refused.

use std::collections::HashSet;

use exeat_digest::Digest;

use super::encode::{CUT, EMPTY, FOLDER, LINK, MAGIC, PACKED};
use super::{Chunk, Content, Entry, Kind, Manifest, order};
use crate::archive::is_clean;
use crate::limits;

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(&'static str);

/// The bytes that are left.
struct Reader<'a>(&'a [u8]);

impl Manifest {
    /// The manifest that has these bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(Malformed("it is no manifest, or of another version"));
        };
        let mut reader = Reader(rest);
        let chunks = reader.list(33, Reader::chunk)?;
        let entries = reader.list(8, Reader::entry)?;
        if !reader.0.is_empty() {
            return Err(Malformed("something follows its end"));
        }
        let manifest = Self { chunks, entries };
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Malformed> {
        let digests: HashSet<_> = self.chunks.iter().map(|chunk| chunk.digest).collect();
        if digests.len() != self.chunks.len() {
            return Err(Malformed("a chunk is there twice"));
        }
        if !self.entries.is_sorted_by(|one, other| order(&one.path, &other.path).is_lt()) {
            return Err(Malformed("its entries are not in order"));
        }
        if order::fault(&self.entries).is_some() {
            return Err(Malformed("an entry lies in no folder"));
        }
        let mut used = 0;
        for entry in &self.entries {
            let Kind::File(content) = &entry.kind else { continue };
            self.check_content(content)?;
            for &place in content.chunks() {
                if place > used {
                    return Err(Malformed("its chunks are not in the order of their use"));
                }
                used = used.max(place + 1);
            }
        }
        if used as usize == self.chunks.len() { Ok(()) } else { Err(Malformed("a chunk is not used")) }
    }

    /// Whether a content is as long as its chunks say.
    fn check_content(&self, content: &Content) -> Result<(), Malformed> {
        let length = |place: &u32| self.chunks.get(*place as usize).map(|chunk| u64::from(chunk.length));
        let fits = match content {
            Content::Empty => true,
            Content::Packed { size, chunk, offset, .. } => {
                (1..=limits::PACKED_BYTES).contains(&u64::from(*size))
                    && length(chunk).is_some_and(|length| u64::from(*offset) + u64::from(*size) <= length)
            }
            Content::Cut { size, chunks } => {
                let sum = chunks.iter().try_fold(0_u64, |sum, place| sum.checked_add(length(place)?));
                *size > limits::PACKED_BYTES && sum == Some(*size)
            }
        };
        if fits { Ok(()) } else { Err(Malformed("a file does not fit its chunks")) }
    }
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed("it was cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return Err(Malformed("a number is too large, or longer than it has to be"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("a number is too large, or longer than it has to be"))
    }

    fn small(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| Malformed("a number is too large, or longer than it has to be"))
    }

    fn text(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = self.number()?;
        let length = usize::try_from(length).map_err(|_| Malformed("it was cut off"))?;
        self.take(length).map(<[u8]>::to_vec)
    }

    fn digest(&mut self) -> Result<Digest, Malformed> {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.take(32)?);
        Ok(Digest::from(digest))
    }

    /// A count, and so many of something that takes `least` bytes at least.
    fn list<T>(&mut self, least: u64, read: fn(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        let count = self.number()?;
        if count > self.0.len() as u64 / least {
            return Err(Malformed("it was cut off"));
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn chunk(&mut self) -> Result<Chunk, Malformed> {
        let chunk = Chunk { digest: self.digest()?, length: self.small()? };
        let right = (1..=limits::CHUNK_MOST).contains(&(chunk.length as usize));
        if right { Ok(chunk) } else { Err(Malformed("a chunk has a length that none has")) }
    }

    fn entry(&mut self) -> Result<Entry, Malformed> {
        let path = self.text()?;
        if !is_clean(&path) {
            return Err(Malformed("a path is not in the form that paths have"));
        }
        let mode = self.small()?;
        let (owner, group) = (self.small()?, self.small()?);
        if mode > 0o7777 || owner == u32::MAX || group == u32::MAX {
            return Err(Malformed("a mode or an owner is none"));
        }
        let modified = unzigzag(self.number()?);
        let attributes = self.list(2, |reader| Ok((reader.text()?, reader.text()?)))?;
        if !attributes.is_sorted_by(|one, other| one.0 < other.0) {
            return Err(Malformed("attributes are not in order"));
        }
        let kind = self.kind()?;
        Ok(Entry { path, kind, mode, owner, group, modified, attributes })
    }

    fn kind(&mut self) -> Result<Kind, Malformed> {
        Ok(match self.byte()? {
            FOLDER => Kind::Folder,
            EMPTY => Kind::File(Content::Empty),
            PACKED => Kind::File(Content::Packed {
                digest: self.digest()?,
                size: self.small()?,
                chunk: self.small()?,
                offset: self.small()?,
            }),
            CUT => Kind::File(Content::Cut { size: self.number()?, chunks: self.list(1, Self::small)? }),
            LINK => match self.text()? {
                target if target.is_empty() || target.contains(&0) => return Err(Malformed("a link has no target")),
                target => Kind::Link(target),
            },
            _ => return Err(Malformed("an entry is of a kind that this version does not know")),
        })
    }
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}
