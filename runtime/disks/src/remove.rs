//! Removing a tree, whatever its modes and however deep.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, chmodat, fchmod, openat, unlinkat};
use rustix::io::Errno;

use crate::cursor::Cursor;
use crate::error::Error;
use crate::folder;

/// What a folder's owner needs to empty it.
const OWNER: Mode = Mode::RWXU;

/// Removes a folder with all that is in it.
///
/// Folders that their owner may not read get a mode first. Symlinks are removed, never followed. The depth costs
/// memory on the heap only.
///
/// # Errors
/// [`Error::Io`] where the kernel refuses a step, so also where something is mounted inside: what was removed until
/// then stays removed. A folder that does not exist is an error too.
pub fn remove(folder: &Path) -> Result<(), Error> {
    let wrong = || Error::NotThere { path: folder.to_owned(), wanted: "a folder that can be removed" };
    let name = folder.file_name().ok_or_else(wrong)?;
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    remove_below(folder::open_root(parent)?.as_fd(), name, folder)
}

/// Removes the folder `name` in `parent`; `path` is its path for messages.
pub(crate) fn remove_below(parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<(), Error> {
    make_enterable(parent, name).map_err(Error::on("open", path))?;
    let root = folder::open_below(parent, Path::new(name)).map_err(Error::on("open the folder", path))?;
    empty(Cursor::new(root, path)?)?;
    unlinkat(parent, name, AtFlags::REMOVEDIR).map_err(Error::on("remove", path))
}

fn empty(mut place: Cursor) -> Result<(), Error> {
    let mut waiting = vec![unlink_files(&place)?];
    while let Some(folders) = waiting.last_mut() {
        if let Some(name) = folders.last() {
            make_enterable(place.as_fd(), name).map_err(|errno| Error::on("open", &place.at(name))(errno))?;
            place.enter_however_deep(name)?;
            waiting.push(unlink_files(&place)?);
            continue;
        }
        waiting.pop();
        if !place.leave()? {
            break;
        }
        if let Some(name) = waiting.last_mut().and_then(Vec::pop) {
            unlinkat(&place, &*name, AtFlags::REMOVEDIR)
                .map_err(|errno| Error::on("remove", &place.at(&name))(errno))?;
        }
    }
    Ok(())
}

/// Removes everything in a folder but its folders, which are returned.
fn unlink_files(place: &Cursor) -> Result<Vec<OsString>, Error> {
    if place.stat().mode & OWNER.as_raw_mode() != OWNER.as_raw_mode() {
        fchmod(place, OWNER).map_err(Error::on("change the mode of", place.path()))?;
    }
    let mut folders = Vec::new();
    for name in folder::names(place, place.path())? {
        match unlinkat(place, &*name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => folders.push(name),
            Err(other) => return Err(Error::on("remove", &place.at(&name))(other)),
        }
    }
    Ok(folders)
}

/// Gives a folder that cannot be opened a mode with which it can.
fn make_enterable(parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    if folder::open_below(parent, Path::new(name)).err() != Some(Errno::ACCESS) {
        return Ok(());
    }
    // By a descriptor of the folder itself: between a look at the name and a change of its mode it could become a link.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let found = openat(parent, name, flags, Mode::empty())?;
    chmodat(CWD, format!("/proc/self/fd/{}", found.as_raw_fd()), OWNER, AtFlags::empty())
}
