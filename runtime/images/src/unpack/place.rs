//! An entry's name as a place below the root. These checks give clear refusals; that nothing outside is touched is the
//! kernel's doing (`tree`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::fault::Reason;
use crate::limits;

/// Where an entry goes.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The layer's root itself.
    Root,
    /// A name in a folder, which is a relative path without `.` and `..`.
    In(PathBuf, OsString),
}

impl Place {
    pub(super) fn parse(name: &[u8]) -> Result<Self, Reason> {
        if name.is_empty() {
            return Err(Reason::NoName);
        }
        checked(name)?;
        let mut parts: Vec<&[u8]> =
            name.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        if parts.contains(&b"..".as_slice()) {
            return Err(Reason::ParentFolder);
        }
        if parts.iter().any(|part| part.len() > limits::NAME_BYTES) {
            return Err(Reason::LongName);
        }
        if parts.len() > limits::PATH_DEPTH {
            return Err(Reason::Deep);
        }
        let Some(last) = parts.pop() else { return Ok(Self::Root) };
        Ok(Self::In(parts.iter().map(|part| OsStr::from_bytes(part)).collect(), OsStr::from_bytes(last).into()))
    }

    /// The path from the root.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Root => PathBuf::new(),
            Self::In(folder, name) => folder.join(name),
        }
    }
}

/// A symbolic link's target: any text, since it counts inside the sandbox only.
pub(super) fn link_target(target: &[u8]) -> Result<&Path, Reason> {
    if target.is_empty() {
        return Err(Reason::NoTarget);
    }
    checked(target)?;
    Ok(Path::new(OsStr::from_bytes(target)))
}

fn checked(text: &[u8]) -> Result<(), Reason> {
    if text.contains(&0) {
        return Err(Reason::ZeroByte);
    }
    // The kernel counts the closing zero byte.
    if text.len() >= limits::PATH_BYTES { Err(Reason::LongName) } else { Ok(()) }
}

/// What a name that begins with `.wh.` says (OCI image specification, layer.md, "Whiteouts").
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Mark<'a> {
    /// The folder hides what lower layers have in it.
    Opaque,
    /// AUFS' own bookkeeping.
    Bookkeeping,
    /// The name is deleted.
    Deleted(&'a OsStr),
}

impl<'a> Mark<'a> {
    pub(super) fn parse(name: &'a OsStr) -> Result<Option<Self>, Reason> {
        let Some(rest) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(None) };
        Ok(Some(match rest {
            b".wh..opq" => Self::Opaque,
            b"" | b"." | b".." => return Err(Reason::Whiteout),
            rest if rest.starts_with(b".wh.") => Self::Bookkeeping,
            rest => Self::Deleted(OsStr::from_bytes(rest)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_below_the_root() {
        let at = |folder: &str, name: &str| Place::In(folder.into(), name.into());
        for (name, place) in [
            ("a", at("", "a")),
            ("/a/b", at("a", "b")),
            ("./a//b/./c/", at("a/b", "c")),
            ("/", Place::Root),
            (".", Place::Root),
            ("...", at("", "...")),
        ] {
            assert_eq!(Place::parse(name.as_bytes()).unwrap(), place, "{name}");
        }
        for name in [
            "..",
            "a/..",
            "a/../b",
            "/../etc/passwd",
            "a\0b",
            "",
            &"x".repeat(256),
            &"x/".repeat(2050),
            &"x/".repeat(300),
        ] {
            assert!(Place::parse(name.as_bytes()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_whiteout_names_one_file_beside_it() {
        let mark = |name: &'static str| Mark::parse(OsStr::new(name));
        assert_eq!(mark("wh.a").unwrap(), None);
        assert_eq!(mark(".wh.a").unwrap(), Some(Mark::Deleted(OsStr::new("a"))));
        assert_eq!(mark(".wh..wh..opq").unwrap(), Some(Mark::Opaque));
        assert_eq!(mark(".wh..wh.plnk").unwrap(), Some(Mark::Bookkeeping));
        for bad in [".wh.", ".wh..", ".wh..."] {
            assert!(matches!(mark(bad), Err(Reason::Whiteout)), "{bad}");
        }
    }
}
