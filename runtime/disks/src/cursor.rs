//! A place in a tree that moves one folder at a time, with one descriptor however deep it is.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::stat::Stat;
use crate::{folder, limits};

/// The folder that is open now, and what the folders above it were.
///
/// Going up opens `..` and compares: a folder that was moved meanwhile cannot lead the walk elsewhere.
pub(crate) struct Cursor {
    current: OwnedFd,
    here: Stat,
    above: Vec<Stat>,
    path: PathBuf,
}

impl Cursor {
    pub(crate) fn new(root: OwnedFd, path: &Path) -> Result<Self, Error> {
        let here = folder::look_at(&root).map_err(Error::on("look at", path))?;
        Ok(Self { current: root, here, above: Vec::new(), path: path.to_owned() })
    }

    /// The facts of the folder, as they were when it was entered.
    pub(crate) fn stat(&self) -> &Stat {
        &self.here
    }

    /// The host's path of a name in the folder, for messages.
    pub(crate) fn at(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// The host's path of the folder, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Goes into a folder, up to the depth that this crate takes.
    pub(crate) fn enter(&mut self, name: &OsStr) -> Result<(), Error> {
        if self.above.len() == limits::DEPTH {
            return Err(Error::TooDeep(self.at(name)));
        }
        self.enter_however_deep(name)
    }

    /// Goes into a folder; a symlink and a mount are errors.
    pub(crate) fn enter_however_deep(&mut self, name: &OsStr) -> Result<(), Error> {
        let opened = folder::open_below(&self.current, Path::new(name))
            .and_then(|next| folder::look_at(&next).map(|stat| (next, stat)))
            .map_err(|errno| Error::on("open the folder", &self.at(name))(errno));
        let (next, stat) = opened?;
        self.current = next;
        self.above.push(std::mem::replace(&mut self.here, stat));
        self.path.push(name);
        Ok(())
    }

    /// Goes back up; false at the root.
    pub(crate) fn leave(&mut self) -> Result<bool, Error> {
        let Some(expected) = self.above.pop() else { return Ok(false) };
        let up = folder::open_above(self.as_fd()).map_err(Error::on("go back from", &self.path))?;
        let found = folder::look_at(&up).map_err(Error::on("look at", &self.path))?;
        if !found.is_same(&expected) {
            return Err(Error::Changed(self.path.clone()));
        }
        self.current = up;
        self.here = expected;
        self.path.pop();
        Ok(true)
    }
}

impl AsFd for Cursor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.current.as_fd()
    }
}
