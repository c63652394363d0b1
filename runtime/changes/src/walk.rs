//! Both trees side by side: which paths differ, without reading what they share.

use std::cmp::Ordering;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use exeat_disks::{Entry, Error, Kind, Stat, Tree};

use crate::limits;
use crate::notes::Notes;

/// A path that differs, with its facts on each side.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) path: PathBuf,
    pub(crate) before: Option<Stat>,
    pub(crate) after: Option<Stat>,
    /// Whether the content of a regular file differs, and not only what is known of it.
    pub(crate) content: bool,
}

/// All differences, sorted by path with folders before what is in them.
pub(crate) fn differences(before: &Tree, after: &Tree, notes: &mut Notes) -> Result<Vec<Difference>, Error> {
    let mut walk = Walk { before, after, notes, found: Vec::new(), budget: limits::COMPARED, full: false };
    walk.run()?;
    Ok(walk.found)
}

struct Walk<'a> {
    before: &'a Tree,
    after: &'a Tree,
    notes: &'a mut Notes,
    found: Vec<Difference>,
    budget: u64,
    full: bool,
}

/// One name on both sides.
type Pair = (Option<Entry>, Option<Entry>);

/// A folder whose names are being compared.
struct Level {
    path: PathBuf,
    pairs: std::vec::IntoIter<Pair>,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let mut levels = vec![self.open(PathBuf::new(), true, true)?];
        while let Some(level) = levels.last_mut() {
            let Some(pair) = level.pairs.next() else {
                levels.pop();
                continue;
            };
            let Some(name) = pair.0.as_ref().or(pair.1.as_ref()).map(|entry| &entry.name) else { continue };
            let path = level.path.join(name);
            let Some((before, after)) = self.look(&path, &pair) else { continue };
            if levels.len() == limits::DEPTH {
                self.notes.push(format!("`{}` is nested too deeply to be compared", path.display()));
                continue;
            }
            match self.open(path, before, after) {
                Ok(level) => levels.push(level),
                Err(error) => self.notes.push(error.to_string()),
            }
        }
        Ok(())
    }

    fn open(&self, path: PathBuf, before: bool, after: bool) -> Result<Level, Error> {
        let list = |tree: &Tree, wanted: bool| if wanted { tree.entries(&path) } else { Ok(Vec::new()) };
        let pairs = paired(list(self.before, before)?, list(self.after, after)?).into_iter();
        Ok(Level { path, pairs })
    }

    /// Compares one name. Says on which sides it is a folder to be entered.
    fn look(&mut self, path: &Path, pair: &Pair) -> Option<(bool, bool)> {
        if let (Some(before), Some(after)) = pair
            && before.parts == after.parts
        {
            return None;
        }
        let (before, after) = (pair.0.as_ref().map(|entry| entry.stat), pair.1.as_ref().map(|entry| entry.stat));
        let content = self.content_differs(path, before.as_ref(), after.as_ref());
        if content || !same_facts(before.as_ref(), after.as_ref()) {
            self.note(Difference { path: path.to_owned(), before, after, content });
        }
        let is_folder = |stat: Option<Stat>| stat.is_some_and(|stat| stat.kind == Kind::Folder);
        let sides = (is_folder(before), is_folder(after));
        (sides.0 || sides.1).then_some(sides)
    }

    fn note(&mut self, difference: Difference) {
        if self.found.len() < limits::DIFFERENCES {
            self.found.push(difference);
        } else if !self.full {
            self.full = true;
            self.notes.push(format!("more than {} paths differ; the rest is left out", limits::DIFFERENCES));
        }
    }

    fn content_differs(&mut self, path: &Path, before: Option<&Stat>, after: Option<&Stat>) -> bool {
        let (Some(before), Some(after)) = (before, after) else { return true };
        if before.kind != after.kind {
            return true;
        }
        match before.kind {
            Kind::File => before.size != after.size || self.bytes_differ(path, before, after),
            Kind::Symlink => self.before.read_link(path).ok() != self.after.read_link(path).ok(),
            Kind::Character | Kind::Block => before.special != after.special,
            Kind::Folder | Kind::Fifo | Kind::Socket => false,
        }
    }

    fn bytes_differ(&mut self, path: &Path, before: &Stat, after: &Stat) -> bool {
        if before.size > self.budget {
            if self.budget > 0 {
                self.notes.push("large files are compared by size and time only from here on");
                self.budget = 0;
            }
            return before.modified != after.modified;
        }
        self.budget -= before.size;
        match same_bytes((self.before, path), (self.after, path)) {
            Ok(same) => !same,
            Err(error) => {
                self.notes.push(error.to_string());
                before.modified != after.modified
            }
        }
    }
}

/// Whether two files hold the same bytes.
pub(crate) fn same_bytes(one: (&Tree, &Path), other: (&Tree, &Path)) -> Result<bool, Error> {
    let mut files = (one.0.open_file(one.1)?, other.0.open_file(other.1)?);
    let (mut left, mut right) = (vec![0_u8; 1 << 16], vec![0_u8; 1 << 16]);
    let failed = |source| Error::Io { doing: "read", path: one.1.to_owned(), source };
    loop {
        let length = files.0.read(&mut left).map_err(failed)?;
        if length == 0 {
            return Ok(files.1.read(&mut right).map_err(failed)? == 0);
        }
        let same = files.1.read_exact(&mut right[..length]).is_ok() && left[..length] == right[..length];
        if !same {
            return Ok(false);
        }
    }
}

/// Whether what a person would call the same file has the same mode and owner. Times are left out: they always differ.
fn same_facts(before: Option<&Stat>, after: Option<&Stat>) -> bool {
    let facts = |stat: &Stat| (stat.kind, stat.mode, stat.user, stat.group);
    before.map(facts) == after.map(facts)
}

/// Entries of two sorted lists by name.
fn paired(before: Vec<Entry>, after: Vec<Entry>) -> Vec<Pair> {
    let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some(left), Some(right)) => left.name.as_bytes().cmp(right.name.as_bytes()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return pairs,
        };
        let left = if order.is_le() { before.next() } else { None };
        let right = if order.is_ge() { after.next() } else { None };
        pairs.push((left, right));
    }
}
