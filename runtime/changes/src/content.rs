//! What differs inside a file: a line diff of text, within limits.

use std::path::Path;

use exeat_disks::{Kind, Stat, Tree};
use similar::{ChangeTag, TextDiff};

use crate::limits;
use crate::model::Content;

/// Makes diffs until enough are made.
pub(crate) struct Differ<'a> {
    before: &'a Tree,
    after: &'a Tree,
    left: usize,
}

impl<'a> Differ<'a> {
    pub(crate) fn new(before: &'a Tree, after: &'a Tree) -> Self {
        Self { before, after, left: limits::HUNKS }
    }

    /// The difference of one path's content, `from` and `to` being where it was and where it is.
    pub(crate) fn differ(&mut self, from: Option<(&Path, &Stat)>, to: Option<(&Path, &Stat)>) -> Content {
        let (from, to) = (from.filter(is_file), to.filter(is_file));
        if from.is_none() && to.is_none() {
            return Content::Same;
        }
        if [from, to].into_iter().flatten().any(|(_, stat)| stat.size > limits::TEXT) {
            return Content::TooLarge;
        }
        if self.left == 0 {
            return Content::NotShown;
        }
        let (Some(old), Some(new)) = (read(self.before, from), read(self.after, to)) else { return Content::NotShown };
        let (Some(old), Some(new)) = (as_text(old), as_text(new)) else { return Content::Binary };
        if old.lines().count().max(new.lines().count()) > limits::LINES {
            return Content::TooLarge;
        }
        self.lines(&old, &new)
    }

    fn lines(&mut self, old: &str, new: &str) -> Content {
        let diff = TextDiff::configure().timeout(limits::DIFF_TIME).diff_lines(old, new);
        let (mut added, mut removed) = (0, 0);
        for change in diff.iter_all_changes() {
            match change.tag() {
                ChangeTag::Insert => added += 1,
                ChangeTag::Delete => removed += 1,
                ChangeTag::Equal => {}
            }
        }
        let (hunks, cut) = bounded(&diff.unified_diff().context_radius(3).to_string(), self.left);
        self.left -= hunks.len().min(self.left);
        Content::Text { added, removed, hunks, cut }
    }
}

fn is_file(side: &(&Path, &Stat)) -> bool {
    side.1.kind == Kind::File
}

/// The side's bytes; none where there is no file, and no answer where it cannot be read.
fn read(tree: &Tree, side: Option<(&Path, &Stat)>) -> Option<Vec<u8>> {
    match side {
        Some((path, _)) => tree.read(path, limits::TEXT).ok(),
        None => Some(Vec::new()),
    }
}

fn as_text(bytes: Vec<u8>) -> Option<String> {
    if bytes.contains(&0) { None } else { String::from_utf8(bytes).ok() }
}

/// As many lines, and as much of each, as the limits let through.
fn bounded(hunks: &str, left: usize) -> (String, bool) {
    let mut out = String::new();
    for (count, line) in hunks.split_terminator('\n').enumerate() {
        if count == limits::HUNK_LINES || out.len() + line.len().min(limits::LINE) > left {
            return (out, true);
        }
        let end = line.floor_char_boundary(limits::LINE);
        out.push_str(&line[..end]);
        if end < line.len() {
            out.push('…');
        }
        out.push('\n');
    }
    (out, false)
}
