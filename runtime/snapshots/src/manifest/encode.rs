//! A manifest's bytes. There is one way to write a manifest, so that equal workspaces have equal digests.

use super::{Content, Entry, Kind, Manifest};

/// What a manifest begins with, and its version.
pub(super) const MAGIC: &[u8; 9] = b"EXEATMAN\x01";
pub(super) const FOLDER: u8 = 0;
pub(super) const EMPTY: u8 = 1;
pub(super) const PACKED: u8 = 2;
pub(super) const CUT: u8 = 3;
pub(super) const LINK: u8 = 4;

impl Manifest {
    /// Its bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        number(&mut out, self.chunks.len() as u64);
        for chunk in &self.chunks {
            out.extend_from_slice(chunk.digest.as_bytes());
            number(&mut out, chunk.length.into());
        }
        number(&mut out, self.entries.len() as u64);
        for entry in &self.entries {
            encode_entry(&mut out, entry);
        }
        out
    }
}

fn encode_entry(out: &mut Vec<u8>, entry: &Entry) {
    text(out, &entry.path);
    number(out, entry.mode.into());
    number(out, entry.owner.into());
    number(out, entry.group.into());
    number(out, zigzag(entry.modified));
    number(out, entry.attributes.len() as u64);
    for (name, value) in &entry.attributes {
        text(out, name);
        text(out, value);
    }
    match &entry.kind {
        Kind::Folder => out.push(FOLDER),
        Kind::File(Content::Empty) => out.push(EMPTY),
        Kind::File(Content::Packed { digest, size, chunk, offset }) => {
            out.push(PACKED);
            out.extend_from_slice(digest.as_bytes());
            for value in [*size, *chunk, *offset] {
                number(out, value.into());
            }
        }
        Kind::File(Content::Cut { size, chunks }) => {
            out.push(CUT);
            number(out, *size);
            number(out, chunks.len() as u64);
            for chunk in chunks {
                number(out, (*chunk).into());
            }
        }
        Kind::Link(target) => {
            out.push(LINK);
            text(out, target);
        }
    }
}

/// LEB128: seven bits a byte, the lowest first, the high bit set on all but the last.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// 0, -1, 1, -2 … as 0, 1, 2, 3 …
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}
