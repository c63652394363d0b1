//! The merged view of a stack of layers, read without mounting anything.
//!
//! The rules are overlayfs's: the topmost entry of a name counts; folders of the same name are merged down to the first
//! that is opaque, or to the first entry below that is no folder; a whiteout hides what is below it.

mod merged;
mod resolve;
mod walk;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::readlinkat;

use crate::error::Error;
use crate::stat::{Kind, Stat};
use crate::{folder, limits};

pub(crate) use merged::{Found, Merged};
pub(crate) use walk::Steps;
pub use walk::{Visited, Walk};

/// A stack of layers, topmost first, as one read-only tree.
///
/// Paths are relative to the tree's root, without `.` and `..`; the empty path is the root. Nothing here follows a
/// symlink, except [`Tree::resolve`], which does so inside the tree.
#[derive(Debug)]
pub struct Tree {
    layers: Vec<Layer>,
}

#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) root: OwnedFd,
}

/// One name in a folder of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// The facts of the topmost layer's entry.
    pub stat: Stat,
    /// Device and inode of each layer's part of it, topmost first: one for a file, each merged folder's for a folder.
    /// Two trees in which these are equal share everything at this path, and below it.
    pub parts: Vec<(u64, u64)>,
}

impl Tree {
    /// Opens a stack of layers, topmost first. No layer makes an empty tree.
    ///
    /// # Errors
    /// [`Error::TooMany`] beyond 500 layers, [`Error::Io`] where a layer is no folder that can be opened.
    pub fn open(layers: &[PathBuf]) -> Result<Self, Error> {
        if let Some(excess) = layers.get(limits::LAYERS) {
            return Err(Error::TooMany(excess.clone()));
        }
        let open = |path: &PathBuf| Ok(Layer { root: folder::open_root(path)? });
        Ok(Self { layers: layers.iter().map(open).collect::<Result<_, Error>>()? })
    }

    /// The entries of a folder, sorted by the bytes of their names.
    ///
    /// # Errors
    /// [`Error::NotThere`] where the path is no folder.
    pub fn entries(&self, path: &Path) -> Result<Vec<Entry>, Error> {
        let merged = self.folder(path)?;
        let mut entries = Vec::new();
        for name in merged.names(path)? {
            let found = merged.step(&name).map_err(Error::on("look at", &path.join(&name)))?;
            entries.extend(found.entry(name));
        }
        Ok(entries)
    }

    /// The facts of a path; `None` where nothing is there.
    ///
    /// # Errors
    /// [`Error::NotThere`] for a path that is none of a tree, [`Error::Io`] where a layer cannot be read.
    pub fn stat(&self, path: &Path) -> Result<Option<Stat>, Error> {
        if path.as_os_str().is_empty() {
            return Ok(self.root_stat());
        }
        let Some((merged, name)) = self.find(path)? else { return Ok(None) };
        Ok(merged.step(&name).map_err(Error::on("look at", path))?.stat())
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`Error::NotThere`] where the path is no regular file.
    pub fn open_file(&self, path: &Path) -> Result<File, Error> {
        let wrong = || Error::NotThere { path: path.to_owned(), wanted: "a file" };
        let (merged, name) = self.find(path)?.ok_or_else(wrong)?;
        let Found::Node { part, stat } = merged.step(&name).map_err(Error::on("look at", path))? else {
            return Err(wrong());
        };
        if stat.kind != Kind::File {
            return Err(wrong());
        }
        let file = folder::open_file(merged.part(part), Path::new(&name)).map_err(Error::on("open", path))?;
        let found = folder::look_at(&file).map_err(Error::on("look at", path))?;
        if found.is_same(&stat) { Ok(file.into()) } else { Err(Error::Changed(path.to_owned())) }
    }

    /// Reads a file, at most `limit` bytes of it.
    ///
    /// # Errors
    /// As [`Tree::open_file`].
    pub fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let failed = |source| Error::Io { doing: "read", path: path.to_owned(), source };
        self.open_file(path)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// A symlink's target, as it is written.
    ///
    /// # Errors
    /// [`Error::NotThere`] where the path is no symlink.
    pub fn read_link(&self, path: &Path) -> Result<PathBuf, Error> {
        let wrong = || Error::NotThere { path: path.to_owned(), wanted: "a symlink" };
        let (merged, name) = self.find(path)?.ok_or_else(wrong)?;
        match merged.step(&name).map_err(Error::on("look at", path))? {
            Found::Node { part, stat } if stat.kind == Kind::Symlink => {
                let target = readlinkat(merged.part(part), &name, Vec::new()).map_err(Error::on("read", path))?;
                Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
            }
            _ => Err(wrong()),
        }
    }

    /// Everything in the tree but its root, folders before what is in them, sorted by name in each folder.
    pub fn walk(&self) -> Walk<'_> {
        Walk::new(self)
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The root's facts: the topmost layer's.
    pub(crate) fn root_stat(&self) -> Option<Stat> {
        self.layers.first().and_then(|layer| folder::look_at(&layer.root).ok())
    }

    /// A merged folder, opened.
    pub(crate) fn folder(&self, path: &Path) -> Result<Merged, Error> {
        let wrong = || Error::NotThere { path: path.to_owned(), wanted: "a folder" };
        let mut merged = self.root().map_err(Error::on("open", path))?;
        for name in names(path)? {
            merged = match merged.step(&name).map_err(Error::on("open", path))? {
                Found::Folder(next) => next,
                _ => return Err(wrong()),
            };
        }
        Ok(merged)
    }

    /// The merged folder that would hold `path`, and its last name; `None` where that folder is not there.
    fn find(&self, path: &Path) -> Result<Option<(Merged, OsString)>, Error> {
        let mut names = names(path)?;
        let Some(last) = names.pop() else {
            return Err(Error::NotThere { path: path.to_owned(), wanted: "an entry of a folder" });
        };
        let mut merged = self.root().map_err(Error::on("open", path))?;
        for name in names {
            match merged.step(&name).map_err(Error::on("open", path))? {
                Found::Folder(next) => merged = next,
                _ => return Ok(None),
            }
        }
        Ok(Some((merged, last)))
    }

    fn root(&self) -> Result<Merged, rustix::io::Errno> {
        let open =
            |(index, layer): (usize, &Layer)| folder::open_below(&layer.root, Path::new("")).map(|root| (index, root));
        Merged::root(self.layers.iter().enumerate().map(open).collect::<Result<_, _>>()?)
    }
}

/// The names of a path that is inside a tree.
fn names(path: &Path) -> Result<Vec<OsString>, Error> {
    let wrong = || Error::NotThere { path: path.to_owned(), wanted: "a path" };
    if path.as_os_str().as_bytes().len() > limits::PATH || path.as_os_str().as_bytes().contains(&0) {
        return Err(Error::TooDeep(path.to_owned()));
    }
    path.components()
        .map(|part| match part {
            Component::Normal(name) => Ok(name.to_owned()),
            _ => Err(wrong()),
        })
        .collect()
}
