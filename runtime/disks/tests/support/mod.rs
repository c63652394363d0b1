//! What several tests need: namespaces, and a folder's whole state as a value.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder on a real disk: tmpfs, where `/tmp` may be, does not tell when a mapped file is written.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Says that a test does not run here, and counts it in the file that `EXEAT_SKIPS` names.
pub(crate) fn skip(needed: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: needs {needed}");
    if let Some(file) = std::env::var_os("EXEAT_SKIPS") {
        let mut file = File::options().create(true).append(true).open(file).unwrap();
        writeln!(file, "{needed}").unwrap();
    }
}

/// Whether the test goes on here: as root of a user and mount namespace, in a process of its own.
pub(crate) fn in_namespace(test: &str) -> bool {
    if std::env::var_os("EXEAT_DISKS_INSIDE").is_some() {
        return true;
    }
    let works = Command::new("unshare").args(["-Urm", "true"]).output().is_ok_and(|output| output.status.success());
    if !works {
        skip("user namespaces and `unshare`");
        return false;
    }
    let status = Command::new("unshare")
        .arg("-Urm")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("EXEAT_DISKS_INSIDE", "1")
        .status()
        .unwrap();
    assert!(status.success(), "`{test}` failed in its namespace");
    false
}

/// Everything about one path that a sandbox can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: &'static str,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
    pub(crate) content: Vec<u8>,
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The whole state below a folder, as the kernel shows it.
pub(crate) fn see(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut all = BTreeMap::new();
    collect(root, Path::new(""), &mut all);
    all
}

fn collect(root: &Path, path: &Path, all: &mut BTreeMap<PathBuf, Seen>) {
    for entry in fs::read_dir(root.join(path)).unwrap() {
        let path = path.join(entry.unwrap().file_name());
        let at = root.join(&path);
        let found = fs::symlink_metadata(&at).unwrap();
        all.insert(path.clone(), one(&at, &found));
        if found.is_dir() {
            collect(root, &path, all);
        }
    }
}

fn one(at: &Path, found: &fs::Metadata) -> Seen {
    let kind = found.file_type();
    let (kind, content) = if kind.is_file() {
        ("file", fs::read(at).unwrap())
    } else if kind.is_symlink() {
        ("symlink", fs::read_link(at).unwrap().as_os_str().as_bytes().to_vec())
    } else if kind.is_dir() {
        ("folder", Vec::new())
    } else if kind.is_fifo() {
        ("fifo", Vec::new())
    } else if kind.is_socket() {
        ("socket", Vec::new())
    } else {
        ("device", found.rdev().to_le_bytes().to_vec())
    };
    Seen {
        mode: found.mode() & 0o7777,
        owner: (found.uid(), found.gid()),
        size: if kind == "folder" { 0 } else { found.size() },
        modified: (found.mtime(), found.mtime_nsec()),
        attributes: if kind == "file" || kind == "folder" { attributes(at) } else { Vec::new() },
        kind,
        content,
    }
}

/// `user.*` but overlayfs's own, which a mount hides.
fn attributes(at: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0_u8; 65536];
    let length = rustix::fs::llistxattr(at, &mut names[..]).unwrap();
    let mut all = Vec::new();
    for name in names[..length].split(|byte| *byte == 0) {
        if name.starts_with(b"user.") && !name.starts_with(b"user.overlay.") {
            let mut value = vec![0_u8; 65536];
            let length = rustix::fs::lgetxattr(at, name, &mut value[..]).unwrap();
            all.push((name.to_vec(), value[..length].to_vec()));
        }
    }
    all.sort();
    all
}
