//! Freezing what a sandbox wrote.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::vec;

use rustix::fs::{AtFlags, linkat};
use rustix::io::Errno;

use crate::attributes::Keep;
use crate::contents::Copier;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::index::{self, Index, Recorder};
use crate::node::{self, Source};
use crate::reach::Reach;
use crate::staging::Staging;
use crate::stat::{Kind, Stat, Time};
use crate::{folder, limits, settled};

/// What a capture did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Captured {
    /// Regular files whose content was copied, or shared by reflink.
    pub copied_files: u64,
    /// Bytes of these; holes not counted.
    pub copied_bytes: u64,
    /// Regular files that are hard links to the capture before, or to a file of this capture.
    pub linked_files: u64,
}

/// Makes `into`, which must not exist, a frozen copy of `upper`.
///
/// Files that have not changed since the capture `previous` are hard links to its files. Unchanged means: the same
/// inode, size, mtime and ctime as in the index beside `previous`, which holds only files whose timestamps are sure to
/// tell (not those that changed within 50 ms before their capture, and none on tmpfs). Kept are modes, owners where
/// permitted, times to the nanosecond, holes, hard links, symlinks, fifos, sockets, whiteouts and `user.*` attributes.
///
/// The index is written beside `into`, as `<into>.index`. Nothing is synced: a caller that promises to survive a power
/// cut syncs the file system before it says so.
///
/// Nothing may write to `upper` meanwhile: pause the sandbox.
///
/// # Errors
/// [`Error::Exists`], [`Error::Full`], [`Error::TooDeep`], and [`Error::Io`] where the kernel refuses a step. Nothing is
/// left behind then; what a killed capture leaves, the next one of the same name removes.
pub fn capture(upper: &Path, previous: Option<&Path>, into: &Path) -> Result<Captured, Error> {
    let began = Time::before_now(limits::RACY);
    let source = Cursor::new(folder::open_root(upper)?, upper)?;
    let staging = Staging::begin(into)?;
    let mut work = Work::new(source, previous, &staging, into, began)?;
    work.run()?;
    work.recorder.save(staging.parent(), into)?;
    let folder = staging.parent().try_clone_to_owned().map_err(|source| Error::Io {
        doing: "open",
        path: into.to_owned(),
        source,
    })?;
    staging.finish().inspect_err(|_| index::forget(folder.as_fd(), into))?;
    Ok(work.done)
}

/// A capture under way.
struct Work {
    source: Cursor,
    target: Cursor,
    /// The current folder's path inside the capture.
    path: PathBuf,
    before: Index,
    previous: Option<Reach>,
    /// This capture's own files, and where each inode with several names was put first.
    own: Reach,
    first: HashMap<u64, PathBuf>,
    recorder: Recorder,
    /// Files that changed at or after this moment are not trusted the next time.
    racy_from: Time,
    tells_writes: bool,
    copier: Copier,
    done: Captured,
}

impl Work {
    fn new(
        source: Cursor, previous: Option<&Path>, staging: &Staging, into: &Path, racy_from: Time,
    ) -> Result<Self, Error> {
        let (mut before, mut reach) = (Index::default(), None);
        if let Some(previous) = previous {
            let root = folder::open_root(previous)?;
            before = Index::load(previous, index::inode_of(root.as_fd(), previous)?);
            reach = Some(Reach::new(root));
        }
        let target = staging.open()?;
        let tells_writes = settled::tells_writes(source.as_fd()).map_err(Error::on("look at", source.path()))?;
        Ok(Self {
            recorder: Recorder::new(index::inode_of(target.as_fd(), into)?),
            target: Cursor::new(target, into)?,
            own: Reach::new(staging.open()?),
            path: PathBuf::new(),
            previous: reach,
            first: HashMap::new(),
            copier: Copier::default(),
            done: Captured::default(),
            source,
            before,
            racy_from,
            tells_writes,
        })
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut waiting = vec![self.names()?];
        while let Some(names) = waiting.last_mut() {
            match names.next() {
                Some(name) => waiting.extend(self.take(&name)?),
                None => {
                    waiting.pop();
                    self.leave()?;
                }
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<vec::IntoIter<OsString>, Error> {
        Ok(folder::names(&self.source, self.source.path())?.into_iter())
    }

    /// Takes one name over; for a folder, goes into it and returns its names.
    fn take(&mut self, name: &OsStr) -> Result<Option<vec::IntoIter<OsString>>, Error> {
        let stat =
            folder::look(&self.source, name).map_err(|errno| Error::on("look at", &self.source.at(name))(errno))?;
        match stat.kind {
            Kind::Folder => {
                node::make_folder(self.target.as_fd(), name)
                    .map_err(|errno| Error::on("make", &self.target.at(name))(errno))?;
                self.source.enter(name)?;
                self.target.enter(name)?;
                self.path.push(name);
                return self.names().map(Some);
            }
            Kind::File => self.take_file(name, &stat)?,
            _ => {
                let path = self.source.at(name);
                let source = Source { folder: self.source.as_fd(), name, stat: &stat, path: &path };
                node::copy_special(source, self.target.as_fd())?;
            }
        }
        Ok(None)
    }

    fn take_file(&mut self, name: &OsStr, stat: &Stat) -> Result<(), Error> {
        if stat.links > 1 && self.link_own(name, stat)? {
            self.done.linked_files += 1;
            return Ok(());
        }
        let path = self.path.join(name);
        if self.link_previous(name, stat)? {
            self.done.linked_files += 1;
            self.recorder.note(stat, &path);
        } else {
            let at = self.source.at(name);
            let source = Source { folder: self.source.as_fd(), name, stat, path: &at };
            let copied = node::copy_file(source, self.target.as_fd(), &mut self.copier)?;
            self.done.copied_files += 1;
            self.done.copied_bytes += copied.bytes;
            if copied.settled && self.tells_writes && stat.changed < self.racy_from {
                self.recorder.note(stat, &path);
            }
        }
        if stat.links > 1 {
            self.first.insert(stat.inode, path);
        }
        Ok(())
    }

    /// Links to the name under which this capture has the same inode already.
    fn link_own(&mut self, name: &OsStr, stat: &Stat) -> Result<bool, Error> {
        let Some(first) = self.first.get(&stat.inode) else { return Ok(false) };
        let linked = self
            .own
            .parent(first)
            .and_then(|(folder, first)| linkat(folder, first, &self.target, name, AtFlags::empty()));
        accept(linked).map_err(|errno| Error::on("link", &self.target.at(name))(errno))
    }

    /// Links to the capture before, where the file has not changed since.
    fn link_previous(&mut self, name: &OsStr, stat: &Stat) -> Result<bool, Error> {
        let Some(previous) = &mut self.previous else { return Ok(false) };
        let Some(path) = self.before.unchanged(stat) else { return Ok(false) };
        let linked = previous.parent(path).and_then(|(folder, old)| {
            let found = folder::look(folder, old)?;
            // The index vouches for the file; this only notices a capture that somebody has damaged.
            if found.kind != Kind::File || (found.size, found.modified) != (stat.size, stat.modified) {
                return Err(Errno::NOENT);
            }
            linkat(folder, old, &self.target, name, AtFlags::empty())
        });
        accept(linked).map_err(|errno| Error::on("link", &self.target.at(name))(errno))
    }

    /// Completes the current folder, and goes back up.
    fn leave(&mut self) -> Result<(), Error> {
        node::finish_folder(self.target.as_fd(), self.source.as_fd(), self.source.stat(), Keep::All)
            .map_err(Error::on("complete", self.target.path()))?;
        if self.source.leave()? {
            self.target.leave()?;
            self.path.pop();
        }
        Ok(())
    }
}

/// Whether a link was made. Where one cannot be, a copy does as well; a full disk is an error.
fn accept(linked: Result<(), Errno>) -> Result<bool, Errno> {
    match linked {
        Ok(()) => Ok(true),
        Err(full @ (Errno::NOSPC | Errno::DQUOT)) => Err(full),
        Err(_) => Ok(false),
    }
}
