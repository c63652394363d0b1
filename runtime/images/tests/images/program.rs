//! Programs of this machine, and this test itself run again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A program on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Whether a program is there. Where it is not, says that a test does not run, and counts it in the file that
/// `EXEAT_SKIPS` names.
pub(crate) fn has(name: &str) -> bool {
    let found = find(name).is_some();
    if !found {
        skip(name);
    }
    found
}

/// Says that a test does not run here.
pub(crate) fn skip(needed: &str) {
    // Not by `eprintln!`, which the harness hides where a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: needs {needed}");
    if let Some(file) = std::env::var_os("EXEAT_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{needed}").unwrap();
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Arguments that make this program run one of its ignored tests, which is the child's part of another.
pub(crate) fn child(test: &str) -> [&str; 4] {
    [test, "--exact", "--ignored", "--nocapture"]
}

/// Copies a program. Another process does it: a child that a test beside this one starts meanwhile would hold our own
/// descriptor open for a moment, and the kernel runs no program that somebody may write to.
pub(crate) fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg(from).arg(to));
}

/// Runs a program that has to succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    output
}
