//! What an init container does.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::scene::SANDBOXD;

fn install(folder: &Path) -> Output {
    // A umask that would keep others from running it.
    let script = "umask 077; exec \"$0\" install \"$1\"";
    Command::new("/bin/sh").args(["-c", script, SANDBOXD]).arg(folder).output().unwrap()
}

#[test]
fn the_program_is_there_for_everybody_and_can_be_put_there_again() {
    let folder = tempfile::tempdir().unwrap();
    // Of a first try that broke off.
    std::fs::write(folder.path().join(".exeat-sandboxd.new"), "half").unwrap();
    for _ in 0..2 {
        let ran = install(folder.path());
        assert!(ran.status.success(), "{ran:?}");
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["exeat-sandboxd"]);
    let program = folder.path().join("exeat-sandboxd");
    assert_eq!(program.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(std::fs::read(&program).unwrap(), std::fs::read(SANDBOXD).unwrap());
    // It runs, also while it is replaced.
    let mut running = Command::new(&program).args(["--no-traffic", "--", "/bin/sleep", "999"]).spawn().unwrap();
    assert!(install(folder.path()).status.success());
    kill(Pid::from_raw(running.id().cast_signed()), Signal::SIGTERM).unwrap();
    running.wait().unwrap();
}

#[test]
fn where_it_cannot_be_put_it_says_so() {
    let ran = install(Path::new("/no/such/folder"));
    assert_eq!(ran.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(said.contains("exeat-sandboxd: cannot be copied to `/no/such/folder`"), "{said}");
}
