//! The folder that is filled, by file descriptors: no path is ever walked but by `openat2` beneath the root, without
//! links, so that nothing an image does can reach outside.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;

use super::fault::{Reason, Step, UnpackError};
use crate::remove;

/// overlayfs' mark of a folder that hides those below, for mounts with `userxattr`
/// (Documentation/filesystems/overlayfs.rst, "User xattr").
pub(crate) const OPAQUE: &str = "user.overlay.opaque";

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What is at a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum There {
    Nothing,
    Folder,
    Whiteout,
    Other,
}

/// A folder by its descriptor.
pub(super) type Folder = Rc<OwnedFd>;

/// The folder that is filled.
pub(super) struct Tree {
    root: Folder,
    /// The folder used last: entries of one folder follow each other.
    last: Option<(PathBuf, Folder)>,
    made: u64,
    most: u64,
}

impl Tree {
    /// Opens a folder that has to be empty, to make `most` entries in it.
    pub(super) fn open(folder: &Path, most: u64) -> Result<Self, UnpackError> {
        let failed = |source: io::Error| UnpackError::Io { doing: "open the folder", source };
        let root = fs::open(folder, FOLDER | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| failed(error.into()))?;
        if remove::names(root.as_fd()).map_err(failed)?.next().is_some() {
            return Err(failed(io::ErrorKind::DirectoryNotEmpty.into()));
        }
        Ok(Self { root: Rc::new(root), last: None, made: 0, most })
    }

    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Opens a folder.
    pub(super) fn folder(&mut self, path: &Path) -> Result<Folder, Reason> {
        if path.as_os_str().is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some((last, folder)) = &self.last
            && last == path
        {
            return Ok(Rc::clone(folder));
        }
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let folder = match fs::openat2(&self.root, path, FOLDER, Mode::empty(), resolve) {
            Ok(folder) => Rc::new(folder),
            Err(Errno::LOOP) => return Err(Reason::ThroughLink),
            Err(Errno::NOTDIR) => return Err(Reason::ThroughFile),
            Err(error) => return Err(error).step("open a folder"),
        };
        self.last = Some((path.to_owned(), Rc::clone(&folder)));
        Ok(folder)
    }

    /// What is at a name of a folder.
    pub(super) fn there(&self, folder: &Folder, name: &OsStr) -> Result<There, Reason> {
        match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(There::Nothing),
            Err(error) => Err(error).step("look at a name"),
            Ok(about) => Ok(match FileType::from_raw_mode(about.st_mode) {
                FileType::Directory => There::Folder,
                FileType::CharacterDevice if about.st_rdev == 0 => There::Whiteout,
                _ => There::Other,
            }),
        }
    }

    /// Counts what is about to be made.
    fn count(&mut self) -> Result<(), Reason> {
        self.made += 1;
        if self.made > self.most { Err(Reason::Entries(self.most)) } else { Ok(()) }
    }

    /// Makes a folder that only this user can use until it gets its mode.
    pub(super) fn make_folder(&mut self, folder: &Folder, name: &OsStr) -> Result<(), Reason> {
        self.count()?;
        fs::mkdirat(folder, name, Mode::RWXU).step("make a folder")
    }

    pub(super) fn make_file(&mut self, folder: &Folder, name: &OsStr) -> Result<File, Reason> {
        self.count()?;
        Ok(fs::openat(folder, name, NEW_FILE, Mode::RUSR | Mode::WUSR).step("make a file")?.into())
    }

    pub(super) fn make_link(&mut self, folder: &Folder, name: &OsStr, target: &Path) -> Result<(), Reason> {
        self.count()?;
        fs::symlinkat(target, folder, name).step("make a link")
    }

    pub(super) fn make_pipe(&mut self, folder: &Folder, name: &OsStr) -> Result<(), Reason> {
        self.count()?;
        fs::mkfifoat(folder, name, Mode::RUSR | Mode::WUSR).step("make a pipe")
    }

    /// Makes the device 0:0. The kernel lets everybody (Linux 5.8), unlike other devices.
    pub(super) fn make_whiteout(&mut self, folder: &Folder, name: &OsStr) -> Result<(), Reason> {
        self.count()?;
        fs::mknodat(folder, name, FileType::CharacterDevice, Mode::empty(), 0).step("make a whiteout")
    }

    /// Links a name to an earlier file of this layer, of whatever kind but a folder or a whiteout.
    pub(super) fn make_hard_link(
        &mut self, from: (&Folder, &OsStr), to: (&Folder, &OsStr),
    ) -> Result<Option<()>, Reason> {
        self.count()?;
        match self.there(from.0, from.1)? {
            There::Other => fs::linkat(from.0, from.1, to.0, to.1, AtFlags::empty()).step("make a hard link").map(Some),
            There::Nothing | There::Folder | There::Whiteout => Ok(None),
        }
    }

    /// Removes whatever is at a name.
    pub(super) fn remove(&mut self, folder: &Folder, name: &OsStr) -> Result<(), Reason> {
        // It may have been within what goes.
        self.last = None;
        remove::entry(folder.as_fd(), name).map(drop).step("remove an earlier entry")
    }
}

/// Marks a folder as hiding those below.
pub(super) fn set_opaque(folder: BorrowedFd<'_>) -> Result<(), Reason> {
    fs::fsetxattr(folder, OPAQUE, b"y", XattrFlags::empty()).step("mark a folder as opaque")
}
