//! The comparison, start to end.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use exeat_disks::{Error, Kind, Stat, Tree};

use crate::content::Differ;
use crate::model::{Changes, Content, FileChange, FileState, How};
use crate::notes::Notes;
use crate::observed::Observed;
use crate::walk::Difference;
use crate::{classify, observed, packages, renames, walk};

/// One state of a sandbox.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Its disk.
    pub tree: &'a Tree,
    /// What ran, where somebody looked.
    pub observed: Option<&'a Observed>,
}

/// How much is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Every path is listed, also a package's own, caches, and what is in new folders.
    pub all: bool,
}

/// Compares two states.
///
/// What both trees share (the same folders of the same layers, the same inodes) is not read. Times alone are no
/// difference. What cannot be read, or is beyond a limit, is said in [`Changes::notes`].
///
/// # Errors
/// [`Error`] where a tree's root cannot be read.
pub fn compare(before: &Side<'_>, after: &Side<'_>, options: Options) -> Result<Changes, Error> {
    let mut notes = Notes::default();
    let differences = walk::differences(before.tree, after.tree, &mut notes)?;
    let mut catalogue = packages::find(before.tree, after.tree, &differences, &mut notes);
    let (listed, summaries) = classify::classify(&differences, &mut catalogue, options.all);
    let files = tell(before.tree, after.tree, &listed);
    let running = match (before.observed, after.observed) {
        (Some(before), Some(after)) => Some(observed::compare(before, after, &mut notes)),
        _ => None,
    };
    let notes = notes.into_sentences();
    Ok(Changes { packages: catalogue.packages, files, summaries, running, notes })
}

fn tell(before: &Tree, after: &Tree, listed: &[&Difference]) -> Vec<FileChange> {
    let pairs = renames::find(before, after, listed);
    let origin: HashMap<usize, usize> = pairs.iter().map(|(gone, new)| (*new, *gone)).collect();
    let moved: HashMap<usize, usize> = pairs.into_iter().collect();
    let mut teller = Teller { before, after, differ: Differ::new(before, after) };
    let mut files = Vec::new();
    for (position, difference) in listed.iter().enumerate() {
        if moved.contains_key(&position) {
            continue;
        }
        let from = origin.get(&position).and_then(|gone| listed.get(*gone)).copied();
        files.push(teller.tell(difference, from));
    }
    files
}

struct Teller<'a> {
    before: &'a Tree,
    after: &'a Tree,
    differ: Differ<'a>,
}

impl Teller<'_> {
    fn tell(&mut self, difference: &Difference, renamed: Option<&Difference>) -> FileChange {
        let old = renamed.unwrap_or(difference);
        let how = match (renamed, &difference.before, &difference.after) {
            (Some(_), ..) => How::Renamed,
            (_, None, _) => How::Added,
            (_, _, None) => How::Removed,
            _ => How::Changed,
        };
        let content = if renamed.is_some() || !difference.content {
            Content::Same
        } else {
            let side = |stat| (difference.path.as_path(), stat);
            self.differ.differ(difference.before.as_ref().map(side), difference.after.as_ref().map(side))
        };
        let (path, path_hex) = told(&difference.path);
        FileChange {
            path,
            path_hex,
            how,
            renamed_from: renamed.map(|renamed| told(&renamed.path).0),
            before: old.before.as_ref().map(|stat| state(self.before, &old.path, stat)),
            after: difference.after.as_ref().map(|stat| state(self.after, &difference.path, stat)),
            content,
        }
    }
}

/// The path as text, and its bytes where text cannot hold them.
fn told(path: &Path) -> (String, Option<String>) {
    let text = format!("/{}", path.to_string_lossy());
    let hex = path.to_str().is_none().then(|| hex::encode(path.as_os_str().as_bytes()));
    (text, hex)
}

fn state(tree: &Tree, path: &Path, stat: &Stat) -> FileState {
    let kind = match stat.kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Symlink => "symlink",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::Character => "character_device",
        Kind::Block => "block_device",
    };
    let target = (stat.kind == Kind::Symlink).then(|| tree.read_link(path).ok()).flatten();
    FileState {
        kind: kind.into(),
        mode: format!("{:04o}", stat.mode),
        user: stat.user,
        group: stat.group,
        size: if stat.kind == Kind::Folder { 0 } else { stat.size },
        target: target.map(|target| target.to_string_lossy().into_owned()),
    }
}
