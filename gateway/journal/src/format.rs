//! The bytes of a segment: one header, then records. `FORMAT.md` says the same for people who write another reader.
//!
//! ```text
//! header  0 magic "EXEATJNL"   8 version u32   12 crc32c u32   16 first sequence u64
//!         24 first sequence of the segment before u64          32 SHA-256 of the record before
//! record  0 length u32   4 crc32c u32   8 sequence u64   16 place in its group u32
//!         20 SHA-256 of the record before   52 JSON payload
//! ```
//! Numbers are little-endian. A record's hash covers all of its bytes, a checksum all but itself (and a record's not
//! its length, which it cannot do without). A length of zero ends a segment: what follows is zeros that wait for
//! records.

use sha2::{Digest, Sha256};

/// A record's payload is at most this long.
pub(crate) const MAX_PAYLOAD: usize = exeat_core::limits::JOURNAL_RECORD_BYTES;
/// The bytes of a record before its payload.
pub(crate) const FRAME: usize = 52;
/// The bytes of a segment before its first record.
pub(crate) const HEADER: usize = 64;

const MAGIC: &[u8; 8] = b"EXEATJNL";
const VERSION: u32 = 1;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// What a segment says about itself and the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The sequence number of its first record, and its file name.
    pub(crate) first: u64,
    /// The same of the segment before, so that a missing one shows without reading all records. 0 in the first segment.
    pub(crate) before: u64,
    /// The hash of the last record of the segment before. Zeros in the first segment.
    pub(crate) previous: Hash,
}

impl Header {
    /// The bytes on disk.
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.before.to_le_bytes());
        bytes[32..].copy_from_slice(&self.previous);
        let sum = header_sum(&bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the bytes on disk, or says what is wrong with them.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Header, &'static str> {
        let Some(bytes) = bytes.first_chunk::<HEADER>() else { return Err("the segment ends within its header") };
        if &bytes[..8] != MAGIC {
            return Err("the file is not a journal segment");
        }
        if u32_at(bytes, 12) != header_sum(bytes) {
            return Err("the segment's header does not match its checksum");
        }
        if u32_at(bytes, 8) != VERSION {
            return Err("the segment is of a version that this program does not know");
        }
        Ok(Header { first: u64_at(bytes, 16), before: u64_at(bytes, 24), previous: hash_at(bytes, 32) })
    }
}

fn header_sum(bytes: &[u8; HEADER]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

/// A record in its frame, whole according to its checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// All of its bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Its number.
    pub(crate) fn sequence(self) -> u64 {
        u64_at(self.bytes, 8)
    }

    /// The number of the first record of the group it was written with.
    pub(crate) fn group(self) -> u64 {
        self.sequence().saturating_sub(u64::from(u32_at(self.bytes, 16)))
    }

    /// The hash of the record before.
    pub(crate) fn previous(self) -> Hash {
        hash_at(self.bytes, 20)
    }

    /// The JSON.
    pub(crate) fn payload(self) -> &'a [u8] {
        &self.bytes[FRAME..]
    }

    /// Its own hash.
    pub(crate) fn hash(self) -> Hash {
        Sha256::digest(self.bytes).into()
    }
}

/// What stands at some offset of a segment.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// A whole record.
    Record(Frame<'a>),
    /// Zeros, or the end of the file.
    Blank,
    /// Neither.
    Bad(&'static str),
}

/// Reads what stands at the beginning of `bytes`, which go on for at least a whole record or to the end of the file.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some(frame) = bytes.get(..FRAME) else {
        return match bytes.iter().all(|byte| *byte == 0) {
            true => Parsed::Blank,
            false => Parsed::Bad("the segment ends within the record"),
        };
    };
    let length = u32_at(frame, 0) as usize;
    if length == 0 {
        return match frame.iter().all(|byte| *byte == 0) {
            true => Parsed::Blank,
            false => Parsed::Bad("the record's length is missing"),
        };
    }
    if length > MAX_PAYLOAD {
        return Parsed::Bad("the record's length is more than a record may have");
    }
    let Some(bytes) = bytes.get(..FRAME + length) else { return Parsed::Bad("the segment ends within the record") };
    if u32_at(bytes, 4) != crc32c::crc32c(&bytes[8..]) {
        return Parsed::Bad("the record does not match its checksum");
    }
    Parsed::Record(Frame { bytes })
}

/// How many bytes the record at the beginning of `head` takes, as far as can be told from its length field.
pub(crate) fn extent(head: &[u8]) -> usize {
    match head.get(..4) {
        Some(_) => FRAME + (u32_at(head, 0) as usize).min(MAX_PAYLOAD),
        None => FRAME,
    }
}

/// Fills in the frame of a record of which only the payload is there yet, and returns its hash.
pub(crate) fn seal(bytes: &mut [u8], sequence: u64, place: u32, previous: &Hash) -> Hash {
    let length = (bytes.len() - FRAME) as u32;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
    bytes[16..20].copy_from_slice(&place.to_le_bytes());
    bytes[20..FRAME].copy_from_slice(previous);
    let sum = crc32c::crc32c(&bytes[8..]);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    Sha256::digest(bytes).into()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn hash_at(bytes: &[u8], at: usize) -> Hash {
    array_at(bytes, at)
}

/// `N` bytes at `at`, which the caller knows to be there.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
