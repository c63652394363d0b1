//! Whether a later change of a file is sure to move its timestamps.
//!
//! A page of a shared mapping that is dirty already can be written again without a fault, and only the fault moves
//! `ctime`. Two things rule that out: nobody has the file open for writing, so nobody maps it so (a read lease is given
//! only then, fcntl(2) `F_SETLEASE`); or all its pages have just been written back, which makes the kernel take a fault
//! for the next write (`sync_file_range(2)`). On tmpfs neither helps: its mappings never move a timestamp.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::fstatfs;
use rustix::io::Errno;

/// Linux's `TMPFS_MAGIC` (`linux/magic.h`).
const TMPFS: u64 = 0x0102_1994;

/// `fcntl`'s command that chooses the signal of a broken lease (`asm-generic/fcntl.h`); the `libc` crate has no name for it.
const F_SETSIG: libc::c_int = 10;

/// Whether the file system that holds `folder` tells by timestamps that a mapped file was written.
pub(crate) fn tells_writes(folder: BorrowedFd<'_>) -> Result<bool, Errno> {
    #[allow(clippy::unnecessary_cast, reason = "the field's width differs between architectures")]
    let kind = fstatfs(folder)?.f_type as u64;
    Ok(kind != TMPFS)
}

/// Whether whatever is written to this file from now on moves its `ctime`.
pub(crate) fn is_settled(file: BorrowedFd<'_>) -> bool {
    has_no_writer(file) || write_back(file)
}

#[allow(unsafe_code, reason = "leases have no safe wrapper")]
fn has_no_writer(file: BorrowedFd<'_>) -> bool {
    let file = file.as_raw_fd();
    // Should somebody open the file just while we hold the lease, the kernel tells us by a signal: SIGIO would end the
    // process, SIGURG is ignored by default.
    // SAFETY: `file` is open for the whole call, and these commands take a number, not a pointer.
    let given = unsafe {
        libc::fcntl(file, F_SETSIG, libc::SIGURG) == 0 && libc::fcntl(file, libc::F_SETLEASE, libc::F_RDLCK) == 0
    };
    if given {
        // SAFETY: as above. Where it fails, closing the file ends the lease.
        unsafe { libc::fcntl(file, libc::F_SETLEASE, libc::F_UNLCK) };
    }
    given
}

#[allow(unsafe_code, reason = "sync_file_range has no safe wrapper")]
fn write_back(file: BorrowedFd<'_>) -> bool {
    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: `file` is open for the whole call, and no argument is a pointer.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, all) == 0 }
}
