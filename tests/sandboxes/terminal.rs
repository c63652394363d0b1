//! A terminal here, and a terminal inside.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use exeat_tests::PATIENCE;
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::{boxed, end};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_a_terminal_and_this_one_is_as_before() {
    let Some(scenario) = boxed().await else { return };
    let size = Winsize { ws_row: 33, ws_col: 99, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let theirs = |end: &OwnedFd| Stdio::from(end.try_clone().unwrap());
    let text = "stty size; test -t 0 && test -t 1 && echo terminal; read line; echo got $line; exit 5";
    let mut command = scenario.command(&["sandbox", "exec", "box", "-t", "--", "sh", "-c", text]);
    command.stdin(theirs(&pty.slave)).stdout(theirs(&pty.slave)).stderr(theirs(&pty.slave)).kill_on_drop(true);
    let mut child = command.spawn().unwrap();

    let mut reading = File::from(pty.master.try_clone().unwrap());
    let said = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        let mut piece = [0; 1024];
        while !said.contains("got words") {
            match reading.read(&mut piece) {
                Ok(read @ 1..) => said += &String::from_utf8_lossy(&piece[..read]),
                _ => break,
            }
        }
        said
    });
    File::from(pty.master.try_clone().unwrap()).write_all(b"words\r").unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    let said = tokio::time::timeout(PATIENCE, said).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(said.contains("33 99") && said.contains("terminal"), "{said}");
    assert!(tcgetattr(&pty.slave).unwrap().local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO));
    end(&scenario).await;
}
