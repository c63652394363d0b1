//! Processes on a terminal.

use exeat_inside::client::{Command, Size};

use crate::scene::{Scene, next, rest, shell, soon, until};

fn on_terminal(script: &str) -> Command {
    Command { pty: Some(Size { cols: 100, rows: 30 }), ..shell(script) }
}

#[tokio::test]
async fn it_is_a_terminal_of_its_own_with_a_size() {
    let scene = Scene::new().await;
    let script = "tty; test -t 0 && test -t 1 && test -t 2 && stty size; ps -o sid=,tpgid= -p $$; echo $$ > /dev/tty";
    let mut process = soon(scene.inside.start(&on_terminal(script))).await.unwrap();
    let id = process.id();
    let (stdout, _, code) = rest(&mut process).await;
    let lines: Vec<String> = String::from_utf8(stdout).unwrap().lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!(code, 0, "{lines:?}");
    assert!(lines[0].starts_with("/dev/pts/"), "{lines:?}");
    assert_eq!(lines[1], "30 100");
    assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), [id.to_string(), id.to_string()]);
    assert_eq!(lines[3], id.to_string());
}

#[tokio::test]
async fn a_resize_is_told() {
    let scene = Scene::new().await;
    let script = "trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut process = soon(scene.inside.start(&on_terminal(script))).await.unwrap();
    until(&mut process, "ready").await;
    soon(process.resize(Size { cols: 132, rows: 50 })).await.unwrap();
    until(&mut process, "50 132").await;
    assert_eq!(rest(&mut process).await.2, 5);
}

#[tokio::test]
async fn keys_are_read_as_on_a_terminal() {
    let scene = Scene::new().await;
    let script = "echo ready; cat; trap 'exit 12' INT; echo end; while :; do sleep 0.05; done";
    let mut process = soon(scene.inside.start(&on_terminal(script))).await.unwrap();
    until(&mut process, "ready").await;
    soon(process.write("typed\r".into())).await.unwrap();
    // Once as an echo, once from cat.
    until(&mut process, "typed\r\ntyped\r\n").await;
    soon(process.close_stdin()).await.unwrap();
    until(&mut process, "end").await;
    soon(process.write("\u{3}".into())).await.unwrap();
    assert_eq!(rest(&mut process).await.2, 12, "Ctrl-C interrupts");
    assert_eq!(next(&mut process).await, None);
}

#[tokio::test]
async fn a_signal_reaches_the_foreground() {
    let scene = Scene::new().await;
    // An interactive shell gives each job a group of its own.
    let command = Command { pty: Some(Size { cols: 80, rows: 24 }), ..Command::new(["/bin/bash", "--norc", "-i"]) };
    let mut process = soon(scene.inside.start(&command)).await.unwrap();
    soon(
        process
            .write("sh -c 'trap \"exit 9\" TERM; echo wait''ing; while :; do sleep 0.05; done'; echo got $?\r".into()),
    )
    .await
    .unwrap();
    until(&mut process, "waiting").await;
    soon(process.signal(15)).await.unwrap();
    until(&mut process, "got 9").await;
    soon(process.write("exit 4\r".into())).await.unwrap();
    assert_eq!(rest(&mut process).await.2, 4);
}

#[tokio::test]
async fn what_cannot_be_run_says_so_on_a_terminal_too() {
    let scene = Scene::new().await;
    let command = Command { pty: Some(Size { cols: 80, rows: 24 }), ..Command::new(["no-such-program"]) };
    assert_eq!(crate::scene::code(soon(scene.inside.start(&command)).await), exeat_inside::status::Code::NotFound);
}
