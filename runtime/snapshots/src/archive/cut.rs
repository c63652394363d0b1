//! Contents into chunks.
//!
//! A file larger than [`limits::PACKED_BYTES`] is cut by FastCDC, where its content says so: a change in its middle
//! changes one chunk or two. Smaller files follow each other in shared chunks (*packs*), in the archive's order. A pack
//! ends behind a file whose digest says so, one in half a MiB on average, so that a file that came, went or changed
//! changes its own pack and mostly no other. No small file lies in two chunks.

use std::collections::HashSet;
use std::io::{self, Read};

use exeat_digest::Digest;
use fastcdc::v2020::StreamCDC;

use crate::limits;
use crate::manifest::{Chunk, Content};

/// Cuts contents and gives each chunk that is new to `keep`.
pub(super) struct Cutter<K> {
    keep: K,
    kept: HashSet<Digest>,
    chunks: Vec<Chunk>,
    pack: Pack,
}

/// The pack that is being filled. Its place in the list of chunks is taken with its first file.
#[derive(Default)]
struct Pack {
    bytes: Vec<u8>,
    place: u32,
}

impl<K: FnMut(Digest, Vec<u8>) -> io::Result<()>> Cutter<K> {
    pub(super) fn new(keep: K) -> Self {
        Self { keep, kept: HashSet::new(), chunks: Vec::new(), pack: Pack::default() }
    }

    /// How many chunks there are so far.
    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Cuts the next file, of so many bytes.
    pub(super) fn add(&mut self, size: u64, content: impl Read) -> io::Result<Content> {
        match size {
            0 => Ok(Content::Empty),
            1..=limits::PACKED_BYTES => self.pack(size, content),
            _ => self.cut(size, content),
        }
    }

    fn pack(&mut self, size: u64, content: impl Read) -> io::Result<Content> {
        if self.pack.bytes.len() as u64 + size > limits::CHUNK_MOST as u64 {
            self.end_pack()?;
        }
        if self.pack.bytes.is_empty() {
            self.pack.place = self.place(Digest::from([0; 32]), 0)?;
        }
        let offset = self.pack.bytes.len();
        content.take(size).read_to_end(&mut self.pack.bytes)?;
        let digest = Digest::of(&self.pack.bytes[offset..]);
        let packed = Content::Packed { digest, size: size as u32, chunk: self.pack.place, offset: offset as u32 };
        if self.pack.bytes.len() >= limits::PACK_LEAST && ends_pack(&digest, size) {
            self.end_pack()?;
        }
        Ok(packed)
    }

    fn end_pack(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.pack.bytes);
        if bytes.is_empty() {
            return Ok(());
        }
        let digest = Digest::of(&bytes);
        if let Some(chunk) = self.chunks.get_mut(self.pack.place as usize) {
            *chunk = Chunk { digest, length: bytes.len() as u32 };
        }
        self.keep(digest, bytes)
    }

    fn cut(&mut self, size: u64, content: impl Read) -> io::Result<Content> {
        let mut chunks = Vec::new();
        let (least, usual, most) = (limits::CHUNK_LEAST, limits::CHUNK_USUAL, limits::CHUNK_MOST);
        for piece in StreamCDC::new(content.take(size), least, usual, most) {
            let bytes = piece.map_err(io::Error::from)?.data;
            let digest = Digest::of(&bytes);
            chunks.push(self.place(digest, bytes.len() as u32)?);
            self.keep(digest, bytes)?;
        }
        Ok(Content::Cut { size, chunks })
    }

    fn place(&mut self, digest: Digest, length: u32) -> io::Result<u32> {
        let place = u32::try_from(self.chunks.len()).map_err(io::Error::other)?;
        self.chunks.push(Chunk { digest, length });
        Ok(place)
    }

    fn keep(&mut self, digest: Digest, bytes: Vec<u8>) -> io::Result<()> {
        if self.kept.insert(digest) { (self.keep)(digest, bytes) } else { Ok(()) }
    }

    /// All chunks in the order in which they were begun; one may be there several times.
    pub(super) fn finish(mut self) -> io::Result<Vec<Chunk>> {
        self.end_pack()?;
        Ok(self.chunks)
    }
}

/// Whether a pack ends behind a file: the longer it is, the likelier.
fn ends_pack(digest: &Digest, size: u64) -> bool {
    let [a, b, c, d, ..] = *digest.as_bytes();
    u64::from(u32::from_le_bytes([a, b, c, d])) * limits::PACK_USUAL < size << 32
}
