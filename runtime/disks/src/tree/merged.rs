//! One folder of the tree: the layers' folders that make it up, and the step to a name in it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;

use super::Entry;
use crate::error::Error;
use crate::stat::{Kind, Stat};
use crate::{attributes, folder, limits};

/// A folder of the tree, its parts topmost first.
pub(crate) struct Merged {
    parts: Vec<(usize, OwnedFd)>,
    stats: Vec<Stat>,
    /// Whether something in these layers hides what layers below them have here.
    pub(crate) closed: bool,
}

/// What a name in a folder is.
pub(crate) enum Found {
    Nothing,
    /// A whiteout is topmost.
    Removed,
    /// Anything but a folder, from the part of this position.
    Node {
        part: usize,
        stat: Stat,
    },
    Folder(Merged),
}

impl Merged {
    pub(crate) fn root(parts: Vec<(usize, OwnedFd)>) -> Result<Self, Errno> {
        let stats = parts.iter().map(|(_, part)| folder::look_at(part)).collect::<Result<_, _>>()?;
        Ok(Self { parts, stats, closed: false })
    }

    /// The topmost part's facts.
    pub(crate) fn stat(&self) -> Option<&Stat> {
        self.stats.first()
    }

    /// The open folder of one part.
    pub(crate) fn part(&self, position: usize) -> BorrowedFd<'_> {
        self.parts[position].1.as_fd()
    }

    /// The layers that have a part of this folder.
    pub(crate) fn layers(&self) -> Vec<usize> {
        self.parts.iter().map(|(layer, _)| *layer).collect()
    }

    /// The parts' own numbers, which two trees that share them have in common.
    pub(crate) fn identity(&self) -> Vec<(u64, u64)> {
        self.stats.iter().map(|stat| (stat.device, stat.inode)).collect()
    }

    /// All names in any part, removed ones included, sorted by bytes.
    pub(crate) fn names(&self, path: &Path) -> Result<Vec<OsString>, Error> {
        if let [(_, only)] = self.parts.as_slice() {
            return folder::names(only, path);
        }
        let mut names = BTreeSet::new();
        for (_, part) in &self.parts {
            names.extend(folder::names(part, path)?);
            if names.len() > limits::NAMES {
                return Err(Error::TooMany(path.to_owned()));
            }
        }
        Ok(names.into_iter().collect())
    }

    /// What `name` is, seen from the top.
    pub(crate) fn step(&self, name: &OsStr) -> Result<Found, Errno> {
        let mut below = Self { parts: Vec::new(), stats: Vec::new(), closed: self.closed };
        for (position, (layer, part)) in self.parts.iter().enumerate() {
            let stat = match folder::look(part, name) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(other) => return Err(other),
            };
            if stat.kind != Kind::Folder {
                if below.parts.is_empty() {
                    return Ok(if stat.is_whiteout() { Found::Removed } else { Found::Node { part: position, stat } });
                }
                below.closed = true;
                break;
            }
            let opened = folder::open_below(part, Path::new(name))?;
            let opaque = attributes::is_opaque(&opened)?;
            below.parts.push((*layer, opened));
            below.stats.push(stat);
            if opaque {
                below.closed = true;
                break;
            }
        }
        Ok(if below.parts.is_empty() { Found::Nothing } else { Found::Folder(below) })
    }
}

impl Found {
    pub(crate) fn stat(&self) -> Option<Stat> {
        match self {
            Self::Nothing | Self::Removed => None,
            Self::Node { stat, .. } => Some(*stat),
            Self::Folder(merged) => merged.stat().copied(),
        }
    }

    pub(crate) fn entry(&self, name: OsString) -> Option<Entry> {
        let stat = self.stat()?;
        let parts = match self {
            Self::Folder(merged) => merged.identity(),
            _ => vec![(stat.device, stat.inode)],
        };
        Some(Entry { name, stat, parts })
    }
}
