//! Which folders nobody wants to see file by file.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::model::Reason;

/// Folders at one place: path and reason.
const PLACES: &[(&str, Reason)] = &[
    ("tmp", Reason::Noise),
    ("var/tmp", Reason::Noise),
    ("run", Reason::Noise),
    ("var/lib/apt/lists", Reason::Noise),
    ("var/cache", Reason::Noise),
    ("etc/apk/cache", Reason::Noise),
    ("var/lib/dpkg", Reason::Records),
    ("var/lib/apt", Reason::Records),
    ("var/log/apt", Reason::Records),
    ("var/log/dpkg.log", Reason::Records),
    ("var/log/alternatives.log", Reason::Records),
    ("lib/apk/db", Reason::Records),
    ("usr/lib/apk/db", Reason::Records),
];

/// Folders anywhere, by the names that their paths end with. Each is told at its place.
const TAILS: &[&[&str]] = &[
    &[".npm", "_cacache"],
    &[".npm", "_logs"],
    &[".cargo", "registry"],
    &[".cargo", "git"],
    &[".git", "objects"],
    &["node_modules", ".cache"],
    &["go", "pkg", "mod"],
    &[".gradle", "caches"],
    &[".m2", "repository"],
];

/// Folders whose children are told one by one: `.cache/pip`, `.cache/uv`.
const PARENTS: &[&str] = &[".cache"];

/// Folders of which there are many, told together.
const EVERYWHERE: &[&str] = &["__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"];

/// The folder to which a path is summed up, and why.
pub(crate) fn summary_of(path: &Path) -> Option<(PathBuf, Reason)> {
    // A folder itself, `/tmp` with another mode, is no noise; a file of records is.
    let inside = |place: &str, reason: Reason| {
        path.starts_with(place) && (path != Path::new(place) || reason == Reason::Records)
    };
    if let Some((place, reason)) = PLACES.iter().find(|(place, reason)| inside(place, *reason)) {
        return Some((PathBuf::from(place), *reason));
    }
    let names: Vec<&OsStr> = path.components().map(Component::as_os_str).collect();
    for end in 1..=names.len() {
        let here = &names[..end];
        if let Some(name) = EVERYWHERE.iter().find(|name| here.last().is_some_and(|last| last == *name)) {
            return Some((Path::new("**").join(name), Reason::Noise));
        }
        if end >= 2 && PARENTS.iter().any(|parent| here[end - 2] == *parent) {
            return Some((here.iter().collect(), Reason::Noise));
        }
        if TAILS.iter().any(|tail| ends_with(here, tail)) {
            return Some((here.iter().collect(), Reason::Noise));
        }
    }
    None
}

fn ends_with(names: &[&OsStr], tail: &[&str]) -> bool {
    names.len() >= tail.len() && names[names.len() - tail.len()..].iter().zip(tail).all(|(name, tail)| name == tail)
}
