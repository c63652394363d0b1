//! What a capture saw: inode, size and times of each file that can be trusted the next time, and where its copy is.
//!
//! The file is `<capture>.index`, beside the capture. All of it is derived: where it is missing, broken or of another
//! capture, everything is copied once.
//!
//! ```text
//! "exeatidx"  version: u8  inode of the capture's folder: u64 LE
//! per file, as LEB128 numbers (times zigzag): inode size mtime mtime_ns ctime ctime_ns shared rest
//!           then `rest` bytes; the path is the first `shared` bytes of the path before, and these
//! CRC32C of everything before: u32 LE
//! ```

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};

use crate::error::Error;
use crate::folder;
use crate::limits;
use crate::stat::{Stat, Time};

const MAGIC: &[u8; 8] = b"exeatidx";
const VERSION: u8 = 1;
const HEAD: usize = MAGIC.len() + 1 + 8;
const CHECK: usize = 4;

/// What must be the same for a file to count as unchanged, besides its inode.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    size: u64,
    modified: Time,
    changed: Time,
}

/// The files of an earlier capture, by inode.
#[derive(Default)]
pub(crate) struct Index {
    files: HashMap<u64, (Seen, usize, usize)>,
    /// All paths, one after the other.
    paths: Vec<u8>,
}

impl Index {
    /// Reads the index of a capture; an empty one where it cannot be used.
    pub(crate) fn load(capture: &Path, inode: u64) -> Self {
        read(&path_of(capture)).and_then(|bytes| parse(&bytes, inode)).unwrap_or_default()
    }

    /// The path in the earlier capture of a file that has not changed since.
    pub(crate) fn unchanged(&self, stat: &Stat) -> Option<&Path> {
        let (seen, start, end) = self.files.get(&stat.inode)?;
        (*seen == Seen::from(stat)).then(|| Path::new(OsStr::from_bytes(&self.paths[*start..*end])))
    }
}

impl From<&Stat> for Seen {
    fn from(stat: &Stat) -> Self {
        Self { size: stat.size, modified: stat.modified, changed: stat.changed }
    }
}

/// The index that belongs to a capture: whoever removes or moves the capture does the same to it.
pub fn path_of(capture: &Path) -> PathBuf {
    capture.with_file_name(name_of(capture.file_name().unwrap_or_default()))
}

fn name_of(capture: &OsStr) -> OsString {
    let mut name = capture.to_owned();
    name.push(".index");
    name
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limits::INDEX + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= limits::INDEX).then_some(bytes)
}

fn parse(bytes: &[u8], inode: u64) -> Option<Index> {
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK)?)?;
    let (head, mut rest) = body.split_at_checked(HEAD)?;
    let whole = crc32c::crc32c(body) == u32::from_le_bytes(check.try_into().ok()?);
    if !whole || head != heading(inode) {
        return None;
    }
    let mut index = Index::default();
    let mut last = Vec::new();
    while !rest.is_empty() {
        let inode = number(&mut rest)?;
        let size = number(&mut rest)?;
        let seen = Seen { size, modified: time(&mut rest)?, changed: time(&mut rest)? };
        let shared = usize::try_from(number(&mut rest)?).ok()?;
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let (suffix, after) = rest.split_at_checked(length)?;
        rest = after;
        if shared > last.len() || shared + suffix.len() > limits::PATH {
            return None;
        }
        last.truncate(shared);
        last.extend_from_slice(suffix);
        let start = index.paths.len();
        index.paths.extend_from_slice(&last);
        index.files.insert(inode, (seen, start, index.paths.len()));
    }
    Some(index)
}

fn heading(inode: u64) -> Vec<u8> {
    [&MAGIC[..], &[VERSION], &inode.to_le_bytes()].concat()
}

/// The index of a capture that is being made.
pub(crate) struct Recorder {
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl Recorder {
    pub(crate) fn new(inode: u64) -> Self {
        Self { bytes: heading(inode), last: Vec::new() }
    }

    /// Notes a file that can be trusted the next time.
    pub(crate) fn note(&mut self, stat: &Stat, path: &Path) {
        let path = path.as_os_str().as_bytes();
        if path.len() > limits::PATH {
            return;
        }
        let shared = path.iter().zip(&self.last).take_while(|(a, b)| a == b).count();
        put(&mut self.bytes, stat.inode);
        put(&mut self.bytes, stat.size);
        put_time(&mut self.bytes, stat.modified);
        put_time(&mut self.bytes, stat.changed);
        put(&mut self.bytes, shared as u64);
        put(&mut self.bytes, (path.len() - shared) as u64);
        self.bytes.extend_from_slice(&path[shared..]);
        self.last.clear();
        self.last.extend_from_slice(path);
    }

    /// Writes the index for the capture that will be called `capture` in `folder`.
    pub(crate) fn save(mut self, folder: BorrowedFd<'_>, capture: &Path) -> Result<(), Error> {
        self.bytes.extend_from_slice(&crc32c::crc32c(&self.bytes).to_le_bytes());
        let name = name_of(capture.file_name().unwrap_or_default());
        // One that is there belongs to a capture that is gone.
        let _ = unlinkat(folder, &*name, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(folder, &*name, flags, Mode::from_raw_mode(0o600));
        let mut file = File::from(file.map_err(Error::on("write the index of", capture))?);
        file.write_all(&self.bytes).map_err(|error| {
            forget(folder, capture);
            let errno = rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
            Error::on("write the index of", capture)(errno)
        })
    }
}

/// Removes the index of a capture that did not come to be.
pub(crate) fn forget(folder: BorrowedFd<'_>, capture: &Path) {
    let _ = unlinkat(folder.as_fd(), name_of(capture.file_name().unwrap_or_default()), AtFlags::empty());
}

/// The inode of a capture's folder, which its index names.
pub(crate) fn inode_of(folder: BorrowedFd<'_>, path: &Path) -> Result<u64, Error> {
    Ok(folder::look_at(folder).map_err(Error::on("look at", path))?.inode)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn put_time(bytes: &mut Vec<u8>, time: Time) {
    put(bytes, ((time.seconds << 1) ^ (time.seconds >> 63)).cast_unsigned());
    put(bytes, time.nanoseconds.into());
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn time(bytes: &mut &[u8]) -> Option<Time> {
    let zigzag = number(bytes)?;
    let seconds = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
    Some(Time { seconds, nanoseconds: u32::try_from(number(bytes)?).ok()? })
}

#[cfg(test)]
mod tests;
