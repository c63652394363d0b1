//! Reaching many paths below one folder, in an order that mostly stays in the same folder.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::folder;

/// Opens the folder of a path, and keeps the last one open.
pub(crate) struct Reach {
    root: OwnedFd,
    last: Option<(PathBuf, OwnedFd)>,
}

impl Reach {
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self { root, last: None }
    }

    /// The open folder that holds `path`, and the last name of `path`.
    pub(crate) fn parent<'a>(&'a mut self, path: &'a Path) -> Result<(BorrowedFd<'a>, &'a OsStr), Errno> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
        Ok((self.folder(parent)?, name))
    }

    fn folder(&mut self, path: &Path) -> Result<BorrowedFd<'_>, Errno> {
        let fits = matches!(&self.last, Some((last, _)) if last == path);
        if !fits {
            self.last = Some((path.to_owned(), folder::open_below(&self.root, path)?));
        }
        Ok(self.last.as_ref().map_or(self.root.as_fd(), |(_, opened)| opened.as_fd()))
    }
}
