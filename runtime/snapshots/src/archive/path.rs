//! Names of entries, relative to the workspace, as bytes: `` is the workspace itself, `a/b` is in it.

use super::reason::Reason;
use crate::limits;

/// An entry's name without `folder`, with which it has to begin, and without what means nothing (`.`, `//`).
pub(super) fn below(folder: &[u8], name: &[u8]) -> Result<Vec<u8>, Reason> {
    checked(name)?;
    if name.starts_with(b"/") {
        return Err(Reason::Outside);
    }
    let mut parts = name.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    if !folder.is_empty() && parts.next() != Some(folder) {
        return Err(Reason::Outside);
    }
    let mut path = Vec::with_capacity(name.len());
    for part in parts {
        if part == b".." {
            return Err(Reason::ParentFolder);
        }
        if part.len() > limits::NAME_BYTES {
            return Err(Reason::LongName);
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    Ok(path)
}

/// A symbolic link's target: any text, since it counts inside the sandbox only.
pub(super) fn target(target: &[u8]) -> Result<&[u8], Reason> {
    if target.is_empty() {
        return Err(Reason::NoTarget);
    }
    checked(target).map(|()| target)
}

fn checked(text: &[u8]) -> Result<(), Reason> {
    if text.contains(&0) {
        return Err(Reason::ZeroByte);
    }
    if text.len() > limits::PATH_BYTES { Err(Reason::LongName) } else { Ok(()) }
}

/// Whether a path has the one form that [`below`] gives.
pub(crate) fn is_clean(path: &[u8]) -> bool {
    below(b"", path).is_ok_and(|clean| clean == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_workspace() {
        for (name, path) in [("w", ""), ("w/", ""), ("./w/./a//b/", "a/b"), ("w/...", "..."), ("w/w", "w")] {
            assert_eq!(below(b"w", name.as_bytes()).unwrap(), path.as_bytes(), "{name}");
        }
        for (name, path) in [(".", ""), ("./", ""), ("a", "a"), ("./a/b", "a/b")] {
            assert_eq!(below(b"", name.as_bytes()).unwrap(), path.as_bytes(), "{name}");
        }
        for bad in ["", "a", "/w/a", "w/../a", "../w", "w/a/..", "w\0", "wa", &format!("w/{}", "x".repeat(256))] {
            assert!(below(b"w", bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(below(b"", "x/".repeat(2048).as_bytes()).is_err());
    }

    #[test]
    fn a_clean_path_is_the_only_form() {
        for clean in ["", "a", "a/b", ".a/..b"] {
            assert!(is_clean(clean.as_bytes()), "{clean}");
        }
        for other in ["/", "/a", "a/", "./a", "a//b", "a/../b", "a\0", "."] {
            assert!(!is_clean(other.as_bytes()), "{other}");
        }
    }
}
