//! A folder that is being made: a name of its own and a lock until it is whole, and nothing left when it fails.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use crate::error::Error;
use crate::{folder, node, remove};

/// A locked, unfinished sibling of the folder that is to be.
pub(crate) struct Staging {
    parent: OwnedFd,
    name: OsString,
    temporary: OsString,
    path: PathBuf,
    folder: OwnedFd,
    finished: bool,
}

impl Staging {
    /// Starts making `into`, and sweeps what a killed attempt left.
    pub(crate) fn begin(into: &Path) -> Result<Self, Error> {
        let refused = || Error::NotThere { path: into.to_owned(), wanted: "a name for a new folder" };
        let name = into.file_name().ok_or_else(refused)?;
        let above = match into.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        let parent = folder::open_root(above)?;
        if folder::look(&parent, name).is_ok() {
            return Err(Error::Exists(into.to_owned()));
        }
        let temporary = unfinished(name);
        let folder = make(parent.as_fd(), &temporary, into)?;
        Ok(Self { parent, name: name.to_owned(), temporary, path: into.to_owned(), folder, finished: false })
    }

    /// The unfinished folder, opened anew: the lock stays with this value.
    pub(crate) fn open(&self) -> Result<OwnedFd, Error> {
        folder::open_below(&self.folder, Path::new("")).map_err(Error::on("open the folder", &self.path))
    }

    /// The folder that will hold the finished one.
    pub(crate) fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }

    /// Gives the folder its name. Refuses to replace anything.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        match renameat_with(&self.parent, &self.temporary, &self.parent, &self.name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.finished = true;
                Ok(())
            }
            Err(Errno::EXIST) => Err(Error::Exists(self.path.clone())),
            Err(other) => Err(Error::on("name", &self.path)(other)),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.finished {
            // The error that led here is the one to tell; what cannot be removed now, the next attempt sweeps.
            let _ = remove::remove_below(self.parent.as_fd(), &self.temporary, &self.path);
        }
    }
}

/// The name that something has while it is being made.
pub(crate) fn unfinished(name: &OsStr) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".partial");
    temporary
}

/// Makes the unfinished folder and locks it. One that is there and not locked belongs to nobody any more.
fn make(parent: BorrowedFd<'_>, temporary: &OsStr, into: &Path) -> Result<OwnedFd, Error> {
    match node::make_folder(parent, temporary) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            let _lock = lock(parent, temporary, into)?;
            remove::remove_below(parent, temporary, into)?;
            node::make_folder(parent, temporary).map_err(Error::on("make", into))?;
        }
        Err(other) => return Err(Error::on("make", into)(other)),
    }
    lock(parent, temporary, into)
}

fn lock(parent: BorrowedFd<'_>, temporary: &OsStr, into: &Path) -> Result<OwnedFd, Error> {
    let folder = folder::open_below(parent, Path::new(temporary)).map_err(Error::on("open", into))?;
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(folder),
        Err(Errno::WOULDBLOCK) => Err(Error::Busy(into.to_owned())),
        Err(other) => Err(Error::on("lock", into)(other)),
    }
}
