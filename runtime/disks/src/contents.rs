//! Copying a file's bytes: shared where the file system can, else by ranges, with holes kept.

use std::os::fd::BorrowedFd;

use rustix::fs::{SeekFrom, copy_file_range, ftruncate, ioctl_ficlone, seek};
use rustix::io::{Errno, pread, pwrite};

/// How many bytes one call moves at most, so that a signal does not wait for a whole file.
const PIECE: u64 = 64 << 20;

/// Copies files of one pair of file systems, and remembers what that pair cannot do.
#[derive(Default)]
pub(crate) struct Copier {
    cannot_share: bool,
    cannot_range: bool,
}

impl Copier {
    /// Makes `to`, which is empty, equal `size` bytes of `from`. Returns the bytes that were copied or shared; holes
    /// count for nothing.
    pub(crate) fn copy(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, size: u64) -> Result<u64, Errno> {
        if size == 0 || self.share(from, to)? {
            return Ok(size);
        }
        let mut copied = 0;
        let mut at = 0;
        while let Some((start, end)) = next_data(from, at, size)? {
            self.range(from, to, start, end)?;
            copied += end - start;
            at = end;
        }
        ftruncate(to, size)?;
        Ok(copied)
    }

    fn share(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<bool, Errno> {
        if self.cannot_share {
            return Ok(false);
        }
        match ioctl_ficlone(to, from) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::XDEV | Errno::INVAL | Errno::PERM | Errno::NOSYS) => {
                self.cannot_share = true;
                Ok(false)
            }
            Err(other) => Err(other),
        }
    }

    fn range(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, mut at: u64, end: u64) -> Result<(), Errno> {
        while at < end {
            let moved =
                if self.cannot_range { through_memory(from, to, at, end)? } else { self.in_kernel(from, to, at, end)? };
            match moved {
                Some(0) => return Ok(()),
                Some(moved) => at += moved,
                None => self.cannot_range = true,
            }
        }
        Ok(())
    }

    /// `None` where this pair of file systems has no `copy_file_range`.
    fn in_kernel(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, at: u64, end: u64) -> Result<Option<u64>, Errno> {
        let (mut source, mut target) = (at, at);
        let length = usize::try_from((end - at).min(PIECE)).unwrap_or(usize::MAX);
        match copy_file_range(from, Some(&mut source), to, Some(&mut target), length) {
            Ok(moved) => Ok(Some(moved as u64)),
            Err(Errno::INTR) => self.in_kernel(from, to, at, end),
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

fn through_memory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, at: u64, end: u64) -> Result<Option<u64>, Errno> {
    let mut buffer = vec![0_u8; usize::try_from((end - at).min(1 << 18)).unwrap_or(1 << 18)];
    let length = pread(from, &mut buffer[..], at)?;
    let mut written = 0;
    while written < length {
        written += pwrite(to, &buffer[written..length], at + written as u64)?;
    }
    Ok(Some(length as u64))
}

/// The next stretch of `from` that is not a hole, at or after `at`.
fn next_data(from: BorrowedFd<'_>, at: u64, size: u64) -> Result<Option<(u64, u64)>, Errno> {
    if at >= size {
        return Ok(None);
    }
    let start = match seek(from, SeekFrom::Data(at)) {
        Ok(start) if start < size => start,
        Ok(_) | Err(Errno::NXIO) => return Ok(None),
        // A file system that knows no holes: everything is data.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, size))),
        Err(other) => return Err(other),
    };
    Ok(Some((start, seek(from, SeekFrom::Hole(start))?.min(size))))
}
