//! Every entry of a tree, in an order that does not depend on the layers.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::vec;

use super::{Found, Merged, Tree};
use crate::error::Error;
use crate::stat::Stat;
use crate::{folder, limits};

/// One entry that a walk came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visited {
    /// Its path, relative to the tree's root.
    pub path: PathBuf,
    /// Its facts.
    pub stat: Stat,
}

/// The iterator of [`Tree::walk`]. It ends after an error.
pub struct Walk<'a> {
    steps: Steps<'a>,
    pending: Option<Error>,
    failed: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self { steps: Steps::new(tree), pending: None, failed: false }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Visited, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.pending.take().map_or_else(|| self.steps.advance(), Err) {
                Ok(None) => return None,
                Ok(Some(found)) => {
                    let Some(stat) = found.stat() else { continue };
                    let path = self.steps.path().join(self.steps.name());
                    // What cannot be entered is told by the next step, after the folder itself.
                    self.pending = self.steps.enter(found).err();
                    return Some(Ok(Visited { path, stat }));
                }
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// A walk step by step, whiteouts included. Descriptors are open for the current folder only, so that depth times layers
/// cannot use them up.
pub(crate) struct Steps<'a> {
    tree: &'a Tree,
    started: bool,
    current: Option<Merged>,
    waiting: Vec<Level>,
    path: PathBuf,
    name: OsString,
}

/// A folder that is not done: its names, and how to open it again.
struct Level {
    names: vec::IntoIter<OsString>,
    layers: Vec<usize>,
    closed: bool,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self { tree, started: false, current: None, waiting: Vec::new(), path: PathBuf::new(), name: OsString::new() }
    }

    /// The folder of the last step.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the last step.
    pub(crate) fn name(&self) -> &OsString {
        &self.name
    }

    /// How many folders are open above the last step, the root included.
    pub(crate) fn depth(&self) -> usize {
        self.waiting.len()
    }

    /// The folder of the last step, with its parts.
    pub(crate) fn current(&self) -> Option<&Merged> {
        self.current.as_ref()
    }

    /// The next name of the current folder, or of one above it. A folder is entered by [`Steps::enter`] only.
    pub(crate) fn advance(&mut self) -> Result<Option<Found>, Error> {
        if !self.started {
            self.started = true;
            self.begin()?;
        }
        loop {
            let Some(level) = self.waiting.last_mut() else { return Ok(None) };
            if let Some(name) = level.names.next() {
                self.name = name;
                return self.step().map(Some);
            }
            self.waiting.pop();
            self.current = None;
            self.path.pop();
        }
    }

    /// Goes into a folder that [`Steps::advance`] found; anything else is left where it is.
    pub(crate) fn enter(&mut self, found: Found) -> Result<(), Error> {
        let Found::Folder(merged) = found else { return Ok(()) };
        let path = self.path.join(&self.name);
        if self.waiting.len() > limits::DEPTH || path.as_os_str().len() > limits::PATH {
            return Err(Error::TooDeep(path));
        }
        let names = merged.names(&path)?.into_iter();
        self.waiting.push(Level { names, layers: merged.layers(), closed: merged.closed });
        self.path = path;
        self.current = Some(merged);
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Error> {
        let root = self.tree.folder(Path::new(""))?;
        self.waiting.push(Level {
            names: root.names(Path::new("/"))?.into_iter(),
            layers: root.layers(),
            closed: false,
        });
        self.current = Some(root);
        Ok(())
    }

    fn step(&mut self) -> Result<Found, Error> {
        let merged = match self.current.take() {
            Some(merged) => merged,
            None => self.reopen()?,
        };
        let found = merged.step(&self.name).map_err(|errno| Error::on("look at", &self.path.join(&self.name))(errno));
        self.current = Some(merged);
        found
    }

    fn reopen(&self) -> Result<Merged, Error> {
        let Some(level) = self.waiting.last() else { return self.tree.folder(&self.path) };
        let open = |layer: &usize| -> Result<(usize, OwnedFd), rustix::io::Errno> {
            Ok((*layer, folder::open_below(&self.tree.layers()[*layer].root, &self.path)?))
        };
        let parts = level.layers.iter().map(open).collect::<Result<_, _>>();
        let mut merged = parts.and_then(Merged::root).map_err(Error::on("open", &self.path))?;
        merged.closed = level.closed;
        Ok(merged)
    }
}
