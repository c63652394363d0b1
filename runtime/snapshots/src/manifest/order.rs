//! The order of a walk, and what has to be true of a tree in that order.

use std::cmp::Ordering;

use super::{Entry, Kind};
use crate::archive::Reason;

/// A folder comes before what is in it, and that before the folder's next sibling: `a`, `a/b`, `a-b`.
pub(crate) fn order(one: &[u8], other: &[u8]) -> Ordering {
    one.split(|&byte| byte == b'/').cmp(other.split(|&byte| byte == b'/'))
}

/// The first entry of a sorted list that is there twice or lies in no folder.
pub(crate) fn fault(entries: &[Entry]) -> Option<(&[u8], Reason)> {
    if !entries.first().is_some_and(|root| root.path.is_empty() && root.kind == Kind::Folder) {
        return Some((b"", Reason::NoRoot));
    }
    let mut folders: Vec<&[u8]> = vec![b""];
    for pair in entries.windows(2) {
        let [before, entry] = pair else { continue };
        if before.path == entry.path {
            return Some((&entry.path, Reason::Twice));
        }
        let parent = parent(&entry.path);
        while folders.last().is_some_and(|folder| *folder != parent) {
            folders.pop();
        }
        if folders.is_empty() {
            return Some((&entry.path, Reason::NoFolder));
        }
        if entry.kind == Kind::Folder {
            folders.push(&entry.path);
        }
    }
    None
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte == b'/').map_or(b"", |slash| &path[..slash])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: Kind) -> Entry {
        let path = path.as_bytes().to_vec();
        Entry { path, kind, mode: 0, owner: 0, group: 0, modified: 0, attributes: Vec::new() }
    }

    #[test]
    fn a_folder_comes_before_what_is_in_it_and_that_before_its_siblings() {
        let mut paths = ["b", "a-b", "a/b/c", "", "a/b-", "a", "a/b"];
        paths.sort_by(|one, other| order(one.as_bytes(), other.as_bytes()));
        assert_eq!(paths, ["", "a", "a/b", "a/b/c", "a/b-", "a-b", "b"]);
    }

    #[test]
    fn a_tree_has_a_root_and_all_of_its_folders() {
        let said = |paths: &[&str]| {
            let kind = |path: &str| if path.ends_with('f') { Kind::Link(b"x".to_vec()) } else { Kind::Folder };
            let entries: Vec<_> = paths.iter().map(|path| entry(path, kind(path))).collect();
            fault(&entries).map(|(path, reason)| format!("{}: {reason:?}", path.escape_ascii()))
        };
        assert_eq!(said(&["", "a", "a/b", "a/b/f", "a/f", "a-b", "f"]), None);
        assert_eq!(said(&[]).unwrap(), ": NoRoot");
        assert_eq!(said(&["a"]).unwrap(), ": NoRoot");
        assert_eq!(said(&["", "a/b"]).unwrap(), "a/b: NoFolder");
        assert_eq!(said(&["", "a", "a/b/c"]).unwrap(), "a/b/c: NoFolder");
        assert_eq!(said(&["", "f", "f/b"]).unwrap(), "f/b: NoFolder");
        assert_eq!(said(&["", "a", "a"]).unwrap(), "a: Twice");
    }
}
