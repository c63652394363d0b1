//! Which files are the journal: names, order, and their bytes through a window.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::format::{FRAME, HEADER, Header, Parsed, extent, parse};

/// A segment under construction. It gets its name when its header is on the disk.
pub(crate) const UNFINISHED: &str = "next.new";
/// How much a window reads at once.
const WINDOW: usize = 1024 * 1024;

/// The file name of the segment whose first record has the number `first`.
pub(crate) fn name(first: u64) -> String {
    format!("{first:020}.seg")
}

/// Its path.
pub(crate) fn path(directory: &Path, first: u64) -> PathBuf {
    directory.join(name(first))
}

/// All segments by the number of their first record, in order. Other files are none of the journal's business.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let file = entry?.file_name();
        let first = file.to_str().and_then(|file| file.strip_suffix(".seg")).and_then(|digits| digits.parse().ok());
        if let Some(first) = first.filter(|first| file.to_str() == Some(&name(*first))) {
            firsts.push(first);
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// Reads a segment's header, or says what is wrong with it.
pub(crate) fn header(file: &File) -> io::Result<Result<Header, &'static str>> {
    let mut bytes = [0; HEADER];
    let read = read_at(file, &mut bytes, 0)?;
    Ok(Header::decode(&bytes[..read]))
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The offset behind the last byte from `offset` on that is not zero, or `None` where all are zero.
pub(crate) fn written_end(file: &File, offset: u64) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; WINDOW];
    let (mut at, mut end) = (offset, None);
    loop {
        let read = read_at(file, &mut buffer, at)?;
        if let Some(last) = last_written(&buffer[..read]) {
            end = Some(at + last as u64 + 1);
        }
        at += read as u64;
        if read < buffer.len() {
            return Ok(end);
        }
    }
}

/// The index of the last byte that is not zero, a block at a time: this runs over megabytes of zeros.
fn last_written(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 4096;
    let blocks = bytes.chunks(BLOCK).enumerate().rev();
    blocks
        .filter(|(_, block)| block.iter().fold(0, |any, byte| any | byte) != 0)
        .find_map(|(index, block)| block.iter().rposition(|byte| *byte != 0).map(|position| index * BLOCK + position))
}

/// A segment's bytes, read ahead.
pub(crate) struct Window {
    file: File,
    at: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// A window on a file, empty so far.
    pub(crate) fn new(file: File) -> Self {
        Window { file, at: 0, bytes: Vec::new() }
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Reads anew from now on: a writer may have written what was read as zeros.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
    }

    /// What stands at `offset`.
    pub(crate) fn parse(&mut self, offset: u64) -> io::Result<Parsed<'_>> {
        let needed = extent(self.view(offset, FRAME)?);
        Ok(parse(self.view(offset, needed)?))
    }

    /// At least `needed` bytes from `offset` on, or all there are.
    fn view(&mut self, offset: u64, needed: usize) -> io::Result<&[u8]> {
        let held = offset >= self.at && offset + needed as u64 <= self.at + self.bytes.len() as u64;
        if !held {
            self.bytes.resize(WINDOW, 0);
            let read = read_at(&self.file, &mut self.bytes, offset)?;
            self.bytes.truncate(read);
            self.at = offset;
        }
        Ok(&self.bytes[(offset - self.at) as usize..])
    }
}
