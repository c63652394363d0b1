//! What the tests of the origins share: a folder with the authority in it, and programs run there.
#![allow(clippy::unwrap_used, dead_code, reason = "each test program uses its part of this")]

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use exeat_demo::Authority;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// An authority, and a folder where clients find its certificate.
pub(crate) struct Scene {
    pub(crate) authority: Authority,
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let (authority, folder) = (Authority::new().unwrap(), TempDir::new().unwrap());
        std::fs::write(folder.path().join("ca.pem"), authority.ca_pem()).unwrap();
        Scene { authority, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program with this folder as its home and nothing of the user's settings.
    pub(crate) fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.folder.path());
        command.env("NODE_NO_WARNINGS", "1").current_dir(folder).kill_on_drop(true);
        command
    }
}

/// Whether a program is here. Says so where it is not.
pub(crate) fn has(program: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|path| path.join(program).is_file());
    if !found {
        println!("skipped: needs {program}");
    }
    found
}

/// How long a program may take.
const LONGEST: Duration = Duration::from_secs(120);

/// Runs to the end. Gives whether it succeeded and all that it printed.
pub(crate) async fn run(command: &mut Command) -> (bool, String) {
    let ended = timeout(LONGEST, command.output()).await;
    let Output { status, stdout, stderr } = ended.unwrap_or_else(|_| panic!("{command:?} does not end")).unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// Runs to the end, and fails the test if the program fails.
pub(crate) async fn succeed(command: &mut Command) -> String {
    let (succeeded, printed) = run(command).await;
    assert!(succeeded, "{command:?}:\n{printed}");
    printed
}
