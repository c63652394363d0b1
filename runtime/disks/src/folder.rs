//! Folders by descriptor: opening, listing, looking.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, fstat, openat, openat2, statat};
use rustix::io::Errno;

use crate::error::Error;
use crate::limits;
use crate::stat::Stat;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How every path inside a layer is resolved: no symlink, no way above the start, no other mount.
const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Opens a folder that the caller named; symlinks above it are the caller's own.
pub(crate) fn open_root(path: &Path) -> Result<OwnedFd, Error> {
    openat(CWD, path, FOLDER, Mode::empty()).map_err(Error::on("open the folder", path))
}

/// Opens the folder at a relative path below `at`; the empty path is `at` itself.
pub(crate) fn open_below(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    openat2(at, path, FOLDER, Mode::empty(), INSIDE)
}

/// Opens a regular file below `at` for reading. Never waits for a fifo's other end.
pub(crate) fn open_file(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    openat2(at, path, flags, Mode::empty(), INSIDE)
}

/// Opens the folder above; the caller checks that it is the one it came from.
pub(crate) fn open_above(at: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    openat(at, "..", FOLDER, Mode::empty())
}

/// The facts of one name in a folder.
pub(crate) fn look(at: impl AsFd, name: &OsStr) -> Result<Stat, Errno> {
    statat(at, name, AtFlags::SYMLINK_NOFOLLOW).map(Stat::from)
}

/// The facts of an open file.
pub(crate) fn look_at(file: impl AsFd) -> Result<Stat, Errno> {
    fstat(file).map(Stat::from)
}

/// The names in a folder, sorted by bytes. `path` is for messages.
pub(crate) fn names(folder: impl AsFd, path: &Path) -> Result<Vec<OsString>, Error> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(Error::on("list", path))? {
        let entry = entry.map_err(Error::on("list", path))?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        if names.len() == limits::NAMES {
            return Err(Error::TooMany(path.to_owned()));
        }
        names.push(OsString::from_vec(name.to_owned()));
    }
    names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(names)
}
