//! Two states of a small sandbox, as folders.

#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use exeat_changes::{Changes, Options, Side, compare};
use exeat_disks::Tree;
use expect_test::Expect;

/// A folder for each state, removed with the value.
pub(crate) struct States {
    root: tempfile::TempDir,
}

impl States {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("before")).unwrap();
        fs::create_dir(root.path().join("after")).unwrap();
        Self { root }
    }

    pub(crate) fn folder(&self, state: &str) -> PathBuf {
        self.root.path().join(state)
    }

    /// Writes a file in one state.
    pub(crate) fn write(&self, state: &str, path: &str, content: impl AsRef<[u8]>) -> &Self {
        put(&self.folder(state).join(path), content.as_ref());
        self
    }

    /// Writes the same file in both.
    pub(crate) fn both(&self, path: &str, content: &str) -> &Self {
        self.write("before", path, content).write("after", path, content)
    }

    pub(crate) fn tree(&self, state: &str) -> Tree {
        Tree::open(&[self.folder(state)]).unwrap()
    }

    pub(crate) fn changes(&self, options: Options) -> Changes {
        let (before, after) = (self.tree("before"), self.tree("after"));
        let side = |tree| Side { tree, observed: None };
        compare(&side(&before), &side(&after), options).unwrap()
    }

    /// The text form, and that the JSON form comes back the same.
    pub(crate) fn check(&self, expected: &Expect) {
        check(&self.changes(Options::default()), expected);
    }
}

pub(crate) fn check(changes: &Changes, expected: &Expect) {
    let json = serde_json::to_string(changes).unwrap();
    assert_eq!(&serde_json::from_str::<Changes>(&json).unwrap(), changes);
    expected.assert_eq(&changes.to_string());
}

pub(crate) fn put(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
}

/// Says that a test does not run here, and counts it in the file that `EXEAT_SKIPS` names.
pub(crate) fn skip(needed: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: needs {needed}");
    if let Some(file) = std::env::var_os("EXEAT_SKIPS") {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{needed}").unwrap();
    }
}
