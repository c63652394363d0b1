//! One layer that means the same as a stack of them.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, linkat};
use rustix::io::Errno;

use crate::attributes::{self, Keep};
use crate::contents::Copier;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::folder;
use crate::node::{self, Source};
use crate::reach::Reach;
use crate::staging::Staging;
use crate::stat::{Kind, Stat};
use crate::tree::{Found, Merged, Steps, Tree};

/// What flattening did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flattened {
    /// Regular files that are hard links to the stack's.
    pub linked_files: u64,
    /// Regular files that had to be copied, or were shared by reflink.
    pub copied_files: u64,
    /// Bytes of these; holes not counted.
    pub copied_bytes: u64,
}

/// Makes `into`, which must not exist, one layer that reads like `stack` (topmost first) above the layers `below`.
///
/// With the base in the stack, `below` is empty and no whiteout is needed. Else whiteouts and opaque marks stay where
/// there is something below to hide: only there, because the kernel lists a whiteout that hides nothing.
/// Files are hard links to the stack's where the file system allows, so the stack must be frozen, and must stay so.
///
/// # Errors
/// As [`crate::capture`]; nothing is left behind.
pub fn flatten(stack: &[PathBuf], below: &[PathBuf], into: &Path) -> Result<Flattened, Error> {
    let tree = Tree::open(stack)?;
    let below = Tree::open(below)?;
    let staging = Staging::begin(into)?;
    let target = Cursor::new(staging.open()?, into)?;
    let own = Reach::new(staging.open()?);
    let mut work = Work {
        target,
        own,
        below,
        unfinished: Vec::new(),
        first: HashMap::new(),
        copier: Copier::default(),
        done: Flattened::default(),
    };
    work.run(&tree)?;
    staging.finish()?;
    Ok(work.done)
}

struct Work {
    target: Cursor,
    own: Reach,
    below: Tree,
    /// The facts of the folders that are still being filled.
    unfinished: Vec<Stat>,
    /// Where a copied inode with several names was put first.
    first: HashMap<(u64, u64), PathBuf>,
    copier: Copier,
    done: Flattened,
}

impl Work {
    fn run(&mut self, tree: &Tree) -> Result<(), Error> {
        if let Some(top) = tree.layers().first() {
            self.dress_folder(top.root.as_fd(), false)?;
        }
        self.unfinished.extend(tree.root_stat());
        let mut steps = Steps::new(tree);
        while let Some(found) = steps.advance()? {
            while self.unfinished.len() > steps.depth() {
                self.leave()?;
            }
            self.take(&mut steps, found)?;
        }
        while !self.unfinished.is_empty() {
            self.leave()?;
        }
        Ok(())
    }

    fn take(&mut self, steps: &mut Steps<'_>, found: Found) -> Result<(), Error> {
        let path = steps.path().join(steps.name());
        match found {
            Found::Nothing => Ok(()),
            Found::Removed => self.take_whiteout(steps, &path),
            Found::Node { part, stat } => match steps.current() {
                Some(merged) => self.take_node(merged, part, &stat, &path),
                None => Ok(()),
            },
            Found::Folder(merged) => {
                self.take_folder(&merged, steps, &path)?;
                steps.enter(Found::Folder(merged))
            }
        }
    }

    /// Keeps a whiteout that hides something: not one in a folder that hides everything below it already.
    fn take_whiteout(&self, steps: &Steps<'_>, path: &Path) -> Result<(), Error> {
        let hidden = steps.current().is_some_and(|merged| merged.closed);
        if hidden || self.below.stat(path)?.is_none() {
            return Ok(());
        }
        node::make_whiteout(self.target.as_fd(), steps.name()).map_err(Error::on("mark as removed", path))
    }

    fn take_folder(&mut self, merged: &Merged, steps: &Steps<'_>, path: &Path) -> Result<(), Error> {
        let inside_closed = steps.current().is_some_and(|above| above.closed);
        node::make_folder(self.target.as_fd(), steps.name()).map_err(Error::on("make", path))?;
        self.target.enter(steps.name())?;
        self.unfinished.extend(merged.stat());
        let hides = merged.closed && !inside_closed;
        let opaque = hides && self.below.stat(path)?.is_some_and(|stat| stat.kind == Kind::Folder);
        self.dress_folder(merged.part(0), opaque)
    }

    /// Owner and attributes now, while the source is open; mode and times when the folder is full.
    fn dress_folder(&mut self, from: std::os::fd::BorrowedFd<'_>, opaque: bool) -> Result<(), Error> {
        let failed = Error::on("complete", self.target.path());
        let target = self.target.as_fd();
        let dressed = folder::look_at(from).and_then(|stat| node::dress(target, from, &stat, Keep::WithoutMarks));
        dressed.and_then(|()| if opaque { attributes::set_opaque(target) } else { Ok(()) }).map_err(failed)
    }

    fn take_node(&mut self, merged: &Merged, part: usize, stat: &Stat, path: &Path) -> Result<(), Error> {
        let name = path.file_name().unwrap_or_default();
        let source = Source { folder: merged.part(part), name, stat, path };
        if stat.kind != Kind::File {
            return node::copy_special(source, self.target.as_fd());
        }
        if self.link(source)? {
            self.done.linked_files += 1;
            return Ok(());
        }
        let copied = node::copy_file(source, self.target.as_fd(), &mut self.copier)?;
        self.done.copied_files += 1;
        self.done.copied_bytes += copied.bytes;
        if stat.links > 1 {
            self.first.insert((stat.device, stat.inode), path.to_owned());
        }
        Ok(())
    }

    /// Links to the stack's file, or to this layer's copy of it.
    fn link(&mut self, source: Source<'_>) -> Result<bool, Error> {
        let Source { name, stat, .. } = source;
        let direct = linkat(source.folder, name, &self.target, name, AtFlags::empty());
        let linked = match (direct, self.first.get(&(stat.device, stat.inode))) {
            (Err(Errno::XDEV | Errno::PERM | Errno::MLINK), Some(first)) => self
                .own
                .parent(first)
                .and_then(|(folder, first)| linkat(folder, first, &self.target, name, AtFlags::empty())),
            (direct, _) => direct,
        };
        match linked {
            Ok(()) => Ok(true),
            Err(Errno::XDEV | Errno::PERM | Errno::MLINK | Errno::NOENT | Errno::NAMETOOLONG) => Ok(false),
            Err(other) => Err(Error::on("link", source.path)(other)),
        }
    }

    fn leave(&mut self) -> Result<(), Error> {
        if let Some(stat) = self.unfinished.pop() {
            node::seal(self.target.as_fd(), &stat).map_err(Error::on("complete", self.target.path()))?;
        }
        self.target.leave().map(|_| ())
    }
}
