//! The entries of a tar, one after the other, with their content. Unlike an image's layers (`exeat-images`), a
//! workspace may have sparse files, and an archive without its end was cut off.

use std::collections::VecDeque;
use std::io::{self, Read};

use tar_core::parse::{Limits, ParseEvent, ParsedEntry, Parser};
use tar_core::{EntryType, SparseEntry};

use super::reason::Reason;
use crate::limits;

/// Blocks of a tar, in bytes.
const BLOCK: u64 = 512;
/// What a parser may ask for at once: the headers of one entry, each with a block of its own and padding, and a sparse
/// file's regions, of which a line of text has at most 42 bytes.
const MOST_HEADERS: usize = limits::EXTENSION_BYTES as usize
    + (limits::EXTENSIONS + 2) * 2 * BLOCK as usize
    + (limits::SPARSE_REGIONS + 1) * 42;

/// What an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    HardLink,
    /// A device, pipe or socket.
    Skipped,
}

/// One entry's headers.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) path: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) mode: u32,
    pub(super) owner: u64,
    pub(super) group: u64,
    /// In seconds since 1970. tar writes what is before as a very large number.
    pub(super) modified: i64,
    /// Of its content with all holes filled, in bytes.
    pub(super) size: u64,
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A hole and the bytes behind it.
#[derive(Clone, Copy, Debug)]
struct Region {
    hole: u64,
    bytes: u64,
}

/// Reads entries. Content that was not read is skipped when the next entry is asked for.
pub(super) struct Entries<R> {
    inner: R,
    parser: Parser,
    /// Bytes of headers, read but not used.
    buffer: Vec<u8>,
    /// Bytes of headers so far.
    headers: u64,
    /// Content of the last entry that was not read.
    regions: VecDeque<Region>,
    padding: u64,
}

enum Found {
    Need(usize),
    Entry(usize, Box<Entry>, VecDeque<Region>, u64),
    Other(usize),
    End(usize),
}

impl<R: Read> Entries<R> {
    pub(super) fn new(inner: R) -> Self {
        let limits = Limits {
            max_metadata_size: limits::EXTENSION_BYTES,
            max_path_len: Some(limits::PATH_BYTES as u32 + 1),
            max_pending_entries: limits::EXTENSIONS,
            max_sparse_entries: limits::SPARSE_REGIONS,
        };
        let parser = Parser::new(limits);
        Self { inner, parser, buffer: Vec::new(), headers: 0, regions: VecDeque::new(), padding: 0 }
    }

    /// The next entry, or nothing at the archive's end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Reason> {
        self.skip()?;
        loop {
            match self.parse()? {
                Found::Need(bytes) => self.fill(bytes)?,
                Found::Other(used) => drop(self.buffer.drain(..used)),
                Found::Entry(used, entry, regions, stored) => {
                    self.buffer.drain(..used);
                    self.regions = regions;
                    self.padding = stored.next_multiple_of(BLOCK) - stored;
                    return Ok(Some(*entry));
                }
                Found::End(used) => {
                    self.buffer.drain(..used);
                    return Ok(None);
                }
            }
        }
    }

    /// Reads what follows the archive's end: whether all came is known only then.
    pub(super) fn finish(mut self) -> Result<(), Reason> {
        let trailing = io::copy(&mut self.inner.by_ref().take(limits::TRAILING_BYTES + 1), &mut io::sink())?;
        if trailing > limits::TRAILING_BYTES { Err(Reason::Trailing) } else { Ok(()) }
    }

    fn parse(&mut self) -> Result<Found, Reason> {
        let event = self.parser.parse(&self.buffer).map_err(|error| Reason::Header(error.to_string()))?;
        Ok(match event {
            ParseEvent::NeedData { min_bytes } => Found::Need(min_bytes),
            ParseEvent::Entry { consumed, entry } => {
                let regions = VecDeque::from([Region { hole: 0, bytes: stored(&entry)? }]);
                Found::Entry(consumed, Box::new(Entry::of(&entry, entry.size)?), regions, entry.size)
            }
            ParseEvent::SparseEntry { consumed, entry, sparse_map, real_size } => {
                let regions = regions(&sparse_map, stored(&entry)?, real_size).ok_or(Reason::Sparse)?;
                Found::Entry(consumed, Box::new(Entry::of(&entry, real_size)?), regions, entry.size)
            }
            // Nothing that can stand there for all entries means anything here.
            ParseEvent::GlobalExtensions { consumed, .. } => Found::Other(consumed),
            ParseEvent::End { consumed } => Found::End(consumed),
        })
    }

    /// Reads headers: exactly as many bytes as are asked for, so that content stays in the reader.
    fn fill(&mut self, bytes: usize) -> Result<(), Reason> {
        if bytes > MOST_HEADERS {
            return Err(Reason::Header(format!("they ask for {bytes} bytes")));
        }
        let missing = bytes.saturating_sub(self.buffer.len()).max(1) as u64;
        self.headers += missing;
        if self.headers > limits::HEADER_BYTES {
            return Err(Reason::Headers);
        }
        let read = self.inner.by_ref().take(missing).read_to_end(&mut self.buffer)?;
        if read as u64 == missing { Ok(()) } else { Err(cut_off().into()) }
    }

    fn skip(&mut self) -> Result<(), Reason> {
        let content = self.regions.drain(..).fold(0_u64, |sum, region| sum.saturating_add(region.bytes));
        let rest = content.saturating_add(std::mem::take(&mut self.padding));
        let skipped = io::copy(&mut self.inner.by_ref().take(rest), &mut io::sink())?;
        if skipped == rest { Ok(()) } else { Err(cut_off().into()) }
    }
}

impl<R: Read> Read for Entries<R> {
    /// Reads the content of the last entry, holes as zeros; an archive that ends within it is an error, not a shorter
    /// file.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(region) = self.regions.front_mut() {
            if region.hole == 0 && region.bytes == 0 {
                self.regions.pop_front();
                continue;
            }
            let left = if region.hole > 0 { region.hole } else { region.bytes };
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if region.hole > 0 {
                buffer[..most].fill(0);
                region.hole -= most as u64;
                return Ok(most);
            }
            let read = self.inner.read(&mut buffer[..most])?;
            if read == 0 && most > 0 {
                return Err(cut_off());
            }
            region.bytes -= read as u64;
            return Ok(read);
        }
        Ok(0)
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it was cut off")
}

/// The bytes of an entry's content that are in the archive. Their padding must not overflow.
fn stored(entry: &ParsedEntry<'_>) -> Result<u64, Reason> {
    if entry.size > u64::MAX - BLOCK {
        return Err(Reason::Header(format!("a size of {} bytes", entry.size)));
    }
    Ok(entry.size)
}

/// What a sparse file's map says, if it follows the file from start to end and has as many bytes as are stored.
fn regions(map: &[SparseEntry], stored: u64, size: u64) -> Option<VecDeque<Region>> {
    let mut regions = VecDeque::with_capacity(map.len() + 1);
    let (mut position, mut bytes) = (0_u64, 0_u64);
    for region in map {
        regions.push_back(Region { hole: region.offset.checked_sub(position)?, bytes: region.length });
        position = region.offset.checked_add(region.length)?;
        bytes = bytes.checked_add(region.length)?;
    }
    regions.push_back(Region { hole: size.checked_sub(position)?, bytes: 0 });
    (bytes == stored).then_some(regions)
}

impl Entry {
    fn of(parsed: &ParsedEntry<'_>, size: u64) -> Result<Self, Reason> {
        Ok(Self {
            kind: kind(parsed)?,
            path: parsed.path.to_vec(),
            target: parsed.link_target.as_deref().unwrap_or_default().to_vec(),
            mode: parsed.mode,
            owner: parsed.uid,
            group: parsed.gid,
            modified: parsed.mtime.cast_signed(),
            size,
            attributes: parsed.xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
        })
    }
}

fn kind(parsed: &ParsedEntry<'_>) -> Result<Kind, Reason> {
    Ok(match parsed.entry_type {
        // Before POSIX a folder was a file whose name ends so.
        EntryType::Regular if parsed.path.ends_with(b"/") => Kind::Folder,
        EntryType::Regular | EntryType::Continuous | EntryType::GnuSparse => Kind::File,
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Link,
        EntryType::Link => Kind::HardLink,
        EntryType::Fifo | EntryType::Char | EntryType::Block => Kind::Skipped,
        EntryType::GnuLongName => return Err(Reason::Kind(b'L')),
        EntryType::GnuLongLink => return Err(Reason::Kind(b'K')),
        EntryType::XHeader => return Err(Reason::Kind(b'x')),
        EntryType::XGlobalHeader => return Err(Reason::Kind(b'g')),
        EntryType::Other(byte) => return Err(Reason::Kind(byte)),
    })
}
