//! Removing trees by descriptors, without ever following a link.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Blocks of `st_blocks`, in bytes (stat(3type)).
const BLOCK: u64 = 512;

/// The names in a folder.
pub(crate) fn names(folder: BorrowedFd<'_>) -> io::Result<impl Iterator<Item = CString> + use<>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found.push(entry.file_name().to_owned());
        }
    }
    Ok(found.into_iter())
}

/// Removes what is in a folder, and says how many bytes of disk that gave back.
pub(crate) fn contents(folder: &Path) -> io::Result<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    within(&fs::open(folder, flags, Mode::empty())?)
}

/// Removes a file, or a folder with all in it. What is not there is removed already.
///
/// # Errors
/// Where this user may not remove it.
pub fn remove_tree(path: &Path) -> io::Result<u64> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match entry(fs::open(parent, flags, Mode::empty())?.as_fd(), name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        done => done,
    }
}

/// Removes what a folder has at a name.
pub(crate) fn entry(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<u64> {
    one(folder, &CString::new(name.as_bytes())?)
}

fn one(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<u64> {
    let about = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_folder = FileType::from_raw_mode(about.st_mode) == FileType::Directory;
    // A file with other names stays on the disk.
    let freed = if is_folder || about.st_nlink == 1 { u64::try_from(about.st_blocks).unwrap_or(0) * BLOCK } else { 0 };
    if !is_folder {
        fs::unlinkat(folder, name, AtFlags::empty())?;
        return Ok(freed);
    }
    let inside = within(&open(folder, name)?)?;
    fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?;
    Ok(freed + inside)
}

fn within(folder: &OwnedFd) -> io::Result<u64> {
    // Images have folders that not even their owner may write to; where this is refused, so is what comes next.
    let _ = fs::fchmod(folder, Mode::RWXU);
    let mut freed = 0;
    for name in names(folder.as_fd())? {
        freed += one(folder.as_fd(), &name)?;
    }
    Ok(freed)
}

fn open(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match fs::openat(folder, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
            Ok(fs::openat(folder, name, flags, Mode::empty())?)
        }
        opened => Ok(opened?),
    }
}
