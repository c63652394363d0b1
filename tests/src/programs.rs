//! Programs: the one under test, and those of this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// A program that a test runs ends within this time; the demo under a busy machine is the slowest.
const LONGEST: Duration = Duration::from_secs(400);

/// The `exeat` program that was built beside this test.
///
/// # Panics
/// Where it is not there.
pub fn exeat() -> PathBuf {
    beside("exeat")
}

/// The `exeat-sandboxd` program that was built beside this test.
///
/// # Panics
/// Where it is not there.
pub fn sandboxd() -> PathBuf {
    beside("exeat-sandboxd")
}

fn beside(name: &str) -> PathBuf {
    // target/TRIPLE/debug/deps/attacks-HASH
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join(name);
    assert!(program.is_file(), "there is no `{}`: run `make test`, which builds it first", program.display());
    program
}

/// A program on PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The `runsc` that `exeat run` would find.
pub fn runsc() -> Option<PathBuf> {
    exeat_local::find_runsc(None).ok()
}

/// Says that a test, or a part of one, does not run here, and counts it in the file that `EXEAT_SKIPS` names.
pub fn skip(needed: &str) {
    // Not by `eprintln!`, which the harness hides where a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: needs {needed}");
    if let Some(file) = std::env::var_os("EXEAT_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{needed}").unwrap();
    }
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// What a program did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code, or -1 where a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Both outputs with their lines joined, as if no terminal had wrapped them.
    pub fn said(&self) -> String {
        let both = format!("{}\n{}", self.stdout, self.stderr);
        let words = both.split_whitespace().filter(|word| !matches!(*word, "│" | "×" | "╰─▶" | "├─▶"));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Runs a program to its end.
///
/// # Panics
/// Where it cannot be run, or does not end.
pub async fn run(command: &mut Command) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let shown = command.as_std().get_program().to_owned();
    let output = tokio::time::timeout(LONGEST, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("`{}` did not end", Path::new(&shown).display()));
    let output = output.unwrap_or_else(|error| panic!("`{}` cannot be run: {error}", Path::new(&shown).display()));
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
