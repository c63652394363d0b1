//! The entries of a tar, one after the other, with their content.

use std::io::{self, Read};

use tar_core::EntryType;
use tar_core::parse::{Limits, ParseEvent, ParsedEntry, Parser};

use super::fault::Reason;
use crate::limits;

/// Blocks of a tar, in bytes.
const BLOCK: u64 = 512;
/// What a parser may ask for at once: the headers of one entry, each with a block of its own and padding.
const MOST_HEADERS: usize = limits::EXTENSION_BYTES as usize + (limits::EXTENSIONS + 2) * 2 * BLOCK as usize;

/// What an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    HardLink,
    Pipe,
    Device,
}

/// One entry's headers.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) path: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: u64,
    pub(crate) group: u64,
    /// In seconds since 1970.
    pub(crate) modified: u64,
    /// Of its content, in bytes.
    pub(crate) size: u64,
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads entries. Content that was not read is skipped when the next entry is asked for.
pub(crate) struct Entries<R> {
    inner: R,
    parser: Parser,
    /// Bytes of headers, read but not used.
    buffer: Vec<u8>,
    /// Content of the last entry that was not read, in bytes, and the padding after it.
    content: u64,
    padding: u64,
    /// Where the next byte of `inner` is.
    position: u64,
}

enum Found {
    Need(usize),
    Entry(usize, Box<Entry>),
    Other(usize),
    End,
}

impl<R: Read> Entries<R> {
    pub(crate) fn new(inner: R) -> Self {
        let limits = Limits {
            max_metadata_size: limits::EXTENSION_BYTES,
            max_path_len: Some(limits::PATH_BYTES as u32),
            max_pending_entries: limits::EXTENSIONS,
            // They are refused in any case; this refuses them before their map is read.
            max_sparse_entries: 1,
        };
        Self { inner, parser: Parser::new(limits), buffer: Vec::new(), content: 0, padding: 0, position: 0 }
    }

    /// The next entry, or nothing at the archive's end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Reason> {
        self.skip()?;
        loop {
            match self.parse()? {
                Found::Need(bytes) => self.fill(bytes)?,
                Found::Other(used) => drop(self.buffer.drain(..used)),
                Found::Entry(used, entry) => {
                    self.buffer.drain(..used);
                    self.content = entry.size;
                    self.padding = entry.size.next_multiple_of(BLOCK) - entry.size;
                    return Ok(Some(*entry));
                }
                Found::End => return Ok(None),
            }
        }
    }

    fn parse(&mut self) -> Result<Found, Reason> {
        let event = self.parser.parse(&self.buffer).map_err(|error| Reason::Header(error.to_string()))?;
        Ok(match event {
            ParseEvent::NeedData { min_bytes } => Found::Need(min_bytes),
            ParseEvent::Entry { consumed, entry } => Found::Entry(consumed, Box::new(Entry::try_from(&entry)?)),
            ParseEvent::SparseEntry { .. } => return Err(Reason::Sparse),
            // Nothing that can stand there for all entries means anything to a layer; engines ignore it too.
            ParseEvent::GlobalExtensions { consumed, .. } => Found::Other(consumed),
            ParseEvent::End { .. } => Found::End,
        })
    }

    /// Reads headers: exactly as many bytes as are asked for, so that content stays in the reader. A tar that ends
    /// between two entries without the two empty blocks is whole to container engines, and so it is here.
    fn fill(&mut self, bytes: usize) -> Result<(), Reason> {
        if bytes > MOST_HEADERS {
            return Err(Reason::Header(format!("they ask for {bytes} bytes")));
        }
        let missing = bytes.saturating_sub(self.buffer.len()).max(1) as u64;
        let read = self.inner.by_ref().take(missing).read_to_end(&mut self.buffer)?;
        self.position += read as u64;
        if read as u64 == missing {
            return Ok(());
        }
        if self.buffer.iter().all(|&byte| byte == 0) && self.position > 0 {
            self.buffer.resize(2 * BLOCK as usize, 0);
            return Ok(());
        }
        Err(Reason::Unreadable(io::ErrorKind::UnexpectedEof.into()))
    }

    fn skip(&mut self) -> Result<(), Reason> {
        let rest = self.content.saturating_add(self.padding);
        let skipped = io::copy(&mut self.inner.by_ref().take(rest), &mut io::sink())?;
        self.position += skipped;
        (self.content, self.padding) = (0, 0);
        if skipped == rest { Ok(()) } else { Err(Reason::Unreadable(io::ErrorKind::UnexpectedEof.into())) }
    }

    /// Where the content of the entry just read begins in the archive, in bytes.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The reader below, with whatever follows the archive's end.
    pub(crate) fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Entries<R> {
    /// Reads the content of the last entry; an archive that ends within it is an error, not a shorter file.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.content == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = buffer.len().min(usize::try_from(self.content).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.content -= read as u64;
        self.position += read as u64;
        Ok(read)
    }
}

impl TryFrom<&ParsedEntry<'_>> for Entry {
    type Error = Reason;

    fn try_from(parsed: &ParsedEntry<'_>) -> Result<Self, Reason> {
        // The padding must not overflow.
        if parsed.size > u64::MAX - BLOCK {
            return Err(Reason::Header(format!("a size of {} bytes", parsed.size)));
        }
        Ok(Self {
            kind: kind(parsed)?,
            path: parsed.path.to_vec(),
            target: parsed.link_target.as_deref().unwrap_or_default().to_vec(),
            mode: parsed.mode,
            owner: parsed.uid,
            group: parsed.gid,
            modified: parsed.mtime,
            size: parsed.size,
            attributes: parsed.xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
        })
    }
}

fn kind(parsed: &ParsedEntry<'_>) -> Result<Kind, Reason> {
    Ok(match parsed.entry_type {
        // Before POSIX a folder was a file whose name ends so.
        EntryType::Regular if parsed.path.ends_with(b"/") => Kind::Folder,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Link,
        EntryType::Link => Kind::HardLink,
        EntryType::Fifo => Kind::Pipe,
        EntryType::Char | EntryType::Block => Kind::Device,
        EntryType::GnuSparse => return Err(Reason::Sparse),
        EntryType::GnuLongName => return Err(Reason::Kind(b'L')),
        EntryType::GnuLongLink => return Err(Reason::Kind(b'K')),
        EntryType::XHeader => return Err(Reason::Kind(b'x')),
        EntryType::XGlobalHeader => return Err(Reason::Kind(b'g')),
        EntryType::Other(byte) => return Err(Reason::Kind(byte)),
    })
}
