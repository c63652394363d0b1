//! Making one name of a copied tree: its content, then everything else that is known of it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, fchmod, fchown, futimens, mkdirat, mknodat, openat,
    readlinkat, symlinkat, utimensat,
};
use rustix::io::Errno;

use crate::attributes::{self, Keep};
use crate::contents::Copier;
use crate::error::Error;
use crate::folder;
use crate::settled;
use crate::stat::{Kind, Stat};

/// Set-user-id and set-group-id.
const SET_ID: u32 = 0o6000;

/// One name to be copied.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) folder: BorrowedFd<'a>,
    pub(crate) name: &'a OsStr,
    pub(crate) stat: &'a Stat,
    /// The host's path, for messages.
    pub(crate) path: &'a Path,
}

/// What came of copying a file.
pub(crate) struct Copied {
    pub(crate) bytes: u64,
    /// Whether its timestamps will tell when it is written to.
    pub(crate) settled: bool,
}

/// Copies a regular file with its metadata to the same name in `to`.
pub(crate) fn copy_file(source: Source<'_>, to: BorrowedFd<'_>, copier: &mut Copier) -> Result<Copied, Error> {
    let from = folder::open_file(source.folder, Path::new(source.name)).map_err(Error::on("open", source.path))?;
    // Before the bytes are read: what is written afterwards must show.
    let settled = settled::is_settled(from.as_fd());
    let stat = folder::look_at(&from).map_err(Error::on("look at", source.path))?;
    if stat.kind != Kind::File || !stat.is_same(source.stat) {
        return Err(Error::Changed(source.path.to_owned()));
    }
    let copied = create(to, source.name)
        .and_then(|file| {
            let bytes = copier.copy(from.as_fd(), file.as_fd(), stat.size)?;
            dress(file.as_fd(), from.as_fd(), &stat, Keep::All)?;
            seal(file.as_fd(), &stat)?;
            Ok(bytes)
        })
        .map_err(Error::on("copy", source.path))?;
    let after = folder::look_at(&from).map_err(Error::on("look at", source.path))?;
    Ok(Copied { bytes: copied, settled: settled && after.changed == source.stat.changed })
}

fn create(folder: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::from_raw_mode(0o600))
}

/// Makes a folder that only its owner can enter, until [`finish_folder`] gives it its own mode.
pub(crate) fn make_folder(to: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    mkdirat(to, name, Mode::from_raw_mode(0o700))
}

/// Gives a folder that is complete its source's owner, attributes, mode and times.
pub(crate) fn finish_folder(to: BorrowedFd<'_>, from: BorrowedFd<'_>, stat: &Stat, keep: Keep) -> Result<(), Errno> {
    dress(to, from, stat, keep)?;
    seal(to, stat)
}

/// Owner and attributes. The owner comes first: a change of owner takes capabilities away.
pub(crate) fn dress(to: BorrowedFd<'_>, from: BorrowedFd<'_>, stat: &Stat, keep: Keep) -> Result<(), Errno> {
    permitted(fchown(to, Some(Uid::from_raw(stat.user)), Some(Gid::from_raw(stat.group))))?;
    attributes::copy(from, to, keep)
}

/// Mode and times. They come last: a mode may forbid writing attributes, and a change of owner clears set-user-id.
pub(crate) fn seal(to: BorrowedFd<'_>, stat: &Stat) -> Result<(), Errno> {
    let found = folder::look_at(to)?;
    fchmod(to, Mode::from_raw_mode(mode_for(stat, &found)))?;
    futimens(to, &stat.timestamps())
}

/// The mode for a copy. One that could not get its source's owner must not run as somebody else.
fn mode_for(wanted: &Stat, found: &Stat) -> u32 {
    let kept = (wanted.user, wanted.group) == (found.user, found.group);
    if kept || wanted.kind == Kind::Folder { wanted.mode } else { wanted.mode & !SET_ID }
}

/// Makes a symlink, fifo, socket, device or whiteout like the source.
pub(crate) fn copy_special(source: Source<'_>, to: BorrowedFd<'_>) -> Result<(), Error> {
    make_special(source, to).map_err(Error::on("copy", source.path))
}

fn make_special(source: Source<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let Source { name, stat, .. } = source;
    let kind = FileType::from(stat.kind);
    if stat.kind == Kind::Symlink {
        let target = readlinkat(source.folder, name, Vec::new())?;
        symlinkat(&*target, to, name)?;
    } else {
        mknodat(to, name, kind, Mode::from_raw_mode(stat.mode), stat.special)?;
    }
    let (user, group) = (Uid::from_raw(stat.user), Gid::from_raw(stat.group));
    permitted(chownat(to, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW))?;
    if stat.kind != Kind::Symlink {
        // The umask took some of it away. `to` is ours alone, so the name is still the node made above.
        chmodat(to, name, Mode::from_raw_mode(stat.mode), AtFlags::empty())?;
    }
    utimensat(to, name, &stat.timestamps(), AtFlags::SYMLINK_NOFOLLOW)
}

/// Makes a mark that a name is removed, with no more to it.
pub(crate) fn make_whiteout(to: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    mknodat(to, name, FileType::CharacterDevice, Mode::empty(), 0)
}

/// Owners are kept where the kernel lets us: an ordinary user, or one that no id is mapped to, is left out.
fn permitted(answer: Result<(), Errno>) -> Result<(), Errno> {
    match answer {
        Err(Errno::PERM | Errno::INVAL) => Ok(()),
        other => other,
    }
}
