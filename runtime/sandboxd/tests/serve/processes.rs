//! Start, Execute, input, signals, limits.

use bytes::Bytes;
use exeat_inside::client::{Command, Event};
use exeat_inside::status::Code;
use exeat_inside::{Api, limits};
use http::Method;
use serde_json::{Value, json};

use crate::scene::{Scene, appears, code, next, rest, shell, soon, until};

#[tokio::test]
async fn execute_gives_output_and_exit_code() {
    let scene = Scene::new().await;
    let output = scene.sh("echo out; echo err >&2; cat; exit 7").await;
    assert_eq!((&output.stdout[..], &output.stderr[..], output.exit_code), (&b"out\n"[..], &b"err\n"[..], 7));
    assert_eq!(scene.sh("kill -9 $$").await.exit_code, 128 + 9);
}

#[tokio::test]
async fn variables_and_folder_are_the_commands_own() {
    let scene = Scene::new().await;
    std::fs::create_dir(scene.root().join("sub")).unwrap();
    let mut command = shell("printf '%s %s' \"$A\" \"$PWD\"");
    command.env = vec![("A".into(), "é".into())];
    command.cwd = Some("sub".into());
    let output = soon(scene.inside.execute(&command)).await.unwrap();
    assert_eq!(output.stdout, format!("é {}", scene.root().join("sub").display()));
    command.cwd = None;
    assert_eq!(soon(scene.inside.execute(&command)).await.unwrap().stdout, format!("é {}", scene.root().display()));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let scene = Scene::new().await;
    std::fs::write(scene.root().join("plain"), "").unwrap();
    let start = async |words: &[&str]| code(soon(scene.inside.execute(&Command::new(words.iter().copied()))).await);
    assert_eq!(start(&["no-such-program"]).await, Code::NotFound);
    assert_eq!(start(&["./missing"]).await, Code::NotFound);
    assert_eq!(start(&["./plain"]).await, Code::FailedPrecondition);
    assert_eq!(start(&["/"]).await, Code::FailedPrecondition);
    assert_eq!(start(&[]).await, Code::InvalidArgument);
    assert_eq!(start(&["true", "a\0b"]).await, Code::InvalidArgument);
    let command = Command { cwd: Some("nowhere".into()), ..shell("true") };
    assert_eq!(code(soon(scene.inside.start(&command)).await), Code::NotFound);
    let command = Command { env: vec![("A=B".into(), String::new())], ..shell("true") };
    assert_eq!(code(soon(scene.inside.execute(&command)).await), Code::InvalidArgument);
}

#[tokio::test]
async fn input_is_written_in_order_and_ends() {
    let scene = Scene::new().await;
    let mut process = soon(scene.inside.start(&Command::new(["cat"]))).await.unwrap();
    let mut sent = Vec::new();
    let handle = process.handle().clone();
    for number in 0_u32..200 {
        let bytes = number.to_be_bytes().repeat(100);
        sent.extend_from_slice(&bytes);
        soon(handle.write(bytes.into())).await.unwrap();
        if number % 50 == 49 {
            // cat waits for its reader once the pipes are full.
            while sent.len() > 64 * 1024 {
                match next(&mut process).await {
                    Some(Event::Stdout(bytes)) => assert_eq!(sent.drain(..bytes.len()).as_slice(), bytes),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    soon(process.close_stdin()).await.unwrap();
    assert_eq!(rest(&mut process).await, (sent, vec![], 0));
    assert_eq!(next(&mut process).await, None);
    assert_eq!(code(soon(process.write(Bytes::from_static(b"x"))).await), Code::FailedPrecondition);
    assert_eq!(code(soon(process.signal(15)).await), Code::FailedPrecondition);
}

#[tokio::test]
async fn every_signal_reaches_the_whole_group() {
    let scene = Scene::new().await;
    for signal in [1, 2, 3, 9, 10, 15] {
        let mut process =
            soon(scene.inside.start(&shell("(echo child; sleep 1000) | (echo parent; cat)"))).await.unwrap();
        until(&mut process, "child").await;
        soon(process.signal(signal)).await.unwrap();
        let (_, _, code) = rest(&mut process).await;
        assert_eq!(code, 128 + signal);
    }
    let process = soon(scene.inside.start(&shell("sleep 1000"))).await.unwrap();
    for none in [0, 32, 65, -1] {
        assert_eq!(code(soon(process.signal(none)).await), Code::InvalidArgument, "{none}");
    }
    assert_eq!(
        code(soon(process.resize(exeat_inside::client::Size { cols: 1, rows: 1 })).await),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn a_writer_is_held_while_nobody_reads() {
    let scene = Scene::new().await;
    // The shell notes how far it came: a mebibyte at a time.
    let script = "i=0; while [ $i -lt 200 ]; do head -c 1048576 /dev/zero; i=$((i+1)); echo $i > progress; done";
    let mut process = soon(scene.inside.start(&shell(script))).await.unwrap();
    let mut other = soon(scene.inside.start(&shell("yes"))).await.unwrap();
    until(&mut other, "y\n").await;
    // A thousand round trips, in which it could have written everything.
    for _ in 0..200 {
        assert_eq!(scene.sh("true").await.exit_code, 0);
    }
    let progress = std::fs::read_to_string(scene.root().join("progress")).unwrap_or_default();
    assert!(progress.trim().parse::<u32>().unwrap_or(0) < 3, "it has written {progress} MiB that nobody read");
    let (stdout, _, code) = rest(&mut process).await;
    assert_eq!((stdout.len(), code), (200 << 20, 0));
    assert!(scene.most_memory() < 40 << 20, "sandboxd took {} bytes", scene.most_memory());
}

#[tokio::test]
async fn what_execute_leaves_out_it_says() {
    let scene = Scene::new().await;
    let output = scene.sh("head -c 5000000 /dev/zero; echo err >&2").await;
    assert_eq!((output.stdout.len(), output.exit_code), (limits::EXECUTE_STDOUT_BYTES, 0));
    let said = String::from_utf8(output.stderr.to_vec()).unwrap();
    let left_out = 5_000_000 - limits::EXECUTE_STDOUT_BYTES;
    assert!(said.starts_with("err\n") && said.contains(&format!("; {left_out} more are left out")), "{said}");
}

#[tokio::test]
async fn a_command_ends_though_its_child_keeps_the_output() {
    let scene = Scene::new().await;
    // A closed pipe would end it; it is alive and can still write.
    let output = scene.sh("(sleep 0.3; echo more; echo alive > later) & echo done").await;
    assert_eq!((&output.stdout[..], output.exit_code), (&b"done\n"[..], 0));
    assert_eq!(appears(&scene.root().join("later")).await, "alive\n");
}

#[tokio::test]
async fn a_cancelled_execute_is_killed_and_a_dropped_start_hung_up() {
    let scene = Scene::new().await;
    let script = "echo $$ > pid; exec sleep 1000";
    let command = shell(script);
    let execute = scene.inside.execute(&command);
    let file = scene.root().join("pid");
    let pid = tokio::select! {
        _ = execute => panic!("it cannot have ended"),
        pid = appears(&file) => pid.trim().parse::<i32>().unwrap(),
    };
    assert_eq!(ended(&scene, pid).await, 128 + 9);

    let process = soon(scene.inside.start(&shell("exec sleep 1000"))).await.unwrap();
    let id = process.id();
    drop(process);
    assert_eq!(ended(&scene, id).await, 128 + 1);
}

/// How a process that was started through the API ended.
pub(crate) async fn ended(scene: &Scene, pid: i32) -> i32 {
    soon(async {
        loop {
            let processes = scene.inside.processes().await.unwrap();
            if let Some(ended) = processes.ended.iter().find(|ended| ended.pid == pid) {
                return ended.exit_code;
            }
        }
    })
    .await
}

async fn legacy(scene: &Scene, body: Value) -> (u16, Value) {
    let (status, body) = scene.ask(Api::Legacy, Method::POST, "/execute", body.to_string()).await;
    (status.as_u16(), serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn the_older_api_runs_a_shells_line() {
    let scene = Scene::new().await;
    let (status, answer) = legacy(&scene, json!({"command": "echo hi | tr h H; echo e >&2; exit 3"})).await;
    assert_eq!(status, 200);
    assert_eq!(answer, json!({"stdout": "Hi\n", "stderr": "e\n", "exit_code": 3, "timed_out": false}));
    let line = "echo before; sleep 1000 | cat";
    let (_, answer) = legacy(&scene, json!({"command": line, "timeout_seconds": 0.3})).await;
    assert_eq!(answer, json!({"stdout": "before\n", "stderr": "", "exit_code": 124, "timed_out": true}));
    for wrong in [json!({}), json!({"command": "true", "timeout_seconds": -1}), json!([])] {
        assert_eq!(legacy(&scene, wrong).await.0, 400);
    }
}

#[tokio::test]
async fn sigterm_ends_everything() {
    let mut scene = Scene::new().await;
    let script = "trap 'echo told > told; exit 4' TERM; echo ready; while :; do sleep 0.05; done";
    let mut process = soon(scene.inside.start(&shell(script))).await.unwrap();
    until(&mut process, "ready").await;
    let sandboxd = nix::unistd::Pid::from_raw(scene.sandboxd.id().unwrap().cast_signed());
    nix::sys::signal::kill(sandboxd, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(rest(&mut process).await.2, 4, "its end is still told");
    assert_eq!(soon(scene.sandboxd.wait()).await.unwrap().code(), Some(0));
    assert_eq!(appears(&scene.root().join("told")).await, "told\n");
    soon(scene.inside.closed()).await;
}
