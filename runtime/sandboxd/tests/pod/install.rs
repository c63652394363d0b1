//! What an init container does.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::scene::SANDBOXD;

fn install_until_closed(folder: &Path, address: SocketAddr) -> Child {
    let address = address.to_string();
    let mut command = Command::new(SANDBOXD);
    command.arg("install").arg(folder).args(["--until-closed", &address]).stderr(Stdio::piped()).spawn().unwrap()
}

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

#[test]
fn it_waits_until_the_wall_stands() {
    let folder = tempfile::tempdir().unwrap();
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = open.local_addr().unwrap();
    let mut waiting = install_until_closed(folder.path(), address);
    std::thread::sleep(Duration::from_secs(1));
    assert!(waiting.try_wait().unwrap().is_none(), "something answers still");
    drop(open);
    let began = Instant::now();
    assert!(waiting.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn where_no_wall_ever_stands_it_gives_up_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = open.local_addr().unwrap();
    // A server takes its connections; the queue of one that does not is full at some time, which looks like a wall.
    std::thread::spawn(move || open.incoming().for_each(drop));
    let ended = install_until_closed(folder.path(), address).wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("does not enforce"), "{ended:?}");
}
