//! Commands inside: exit codes, streams, signals.

use std::process::Stdio;
use std::time::Duration;

use exeat_tests::{PATIENCE, of_type};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::{boxed, done, end, sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_as_if_it_ran_here() {
    let Some(scenario) = boxed().await else { return };
    for (text, code) in [("true", 0), ("exit 42", 42), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
        let ran = sandbox(&scenario, &["exec", "box", "--", "sh", "-c", text]).await;
        assert_eq!(ran.code, code, "{text}: {}", ran.said());
    }
    let streams = ["exec", "box", "--env", "GREETING=hello there", "--cwd", "/tmp", "--", "sh", "-c"];
    let ran = sandbox(&scenario, &[&streams[..], &["echo $GREETING; pwd; echo wrong >&2"]].concat()).await;
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("hello there\n/tmp\n", "wrong\n"));

    let missing = sandbox(&scenario, &["exec", "box", "--", "no-such-command"]).await;
    assert_eq!(missing.code, 2);
    assert!(missing.said().contains("no such command: `no-such-command`"), "{}", missing.said());

    let execs = of_type(&scenario.records(), "sandbox");
    let words = execs.iter().filter(|record| record["act"] == "exec").map(|record| record["detail"]["command"].clone());
    assert!(words.into_iter().any(|words| words == serde_json::json!(["no-such-command"])), "{execs:#?}");
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_goes_in_whole() {
    let Some(scenario) = boxed().await else { return };
    let mut command = scenario.command(&["sandbox", "exec", "box", "--", "wc", "-c"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&vec![b'x'; 3_000_000]).await.unwrap();
    drop(stdin);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "3000000");
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_are_passed_on() {
    let Some(scenario) = boxed().await else { return };
    for (signal, name, code) in
        [(Signal::SIGINT, "INT", 12), (Signal::SIGTERM, "TERM", 15), (Signal::SIGUSR1, "USR1", 9)]
    {
        let text = format!("trap 'exit {code}' {name}; echo ready; while :; do sleep 0.1; done");
        let mut command = scenario.command(&["sandbox", "exec", "box", "--", "sh", "-c", &text]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
        kill(Pid::from_raw(child.id().unwrap().cast_signed()), signal).unwrap();
        let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(code), "{name}");
    }
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said() {
    let Some(scenario) = boxed().await else { return };
    let cases: [(&[&str], i32, &str); 8] = [
        (&["create", "box"], 1, "a sandbox `box` exists already"),
        (&["create", "No Name"], 2, "is not a name"),
        (&["show", "nobody"], 2, "there is no sandbox `nobody`"),
        (&["exec", "nobody", "--", "true"], 2, "there is no sandbox `nobody`"),
        (&["pause", "nobody"], 2, "there is no sandbox `nobody`"),
        (&["rollback", "box", "snap-000000000000"], 2, "there is no snapshot"),
        (&["resume", "box"], 1, "the sandbox is running"),
        (&["copy", "a", "b"], 2, "one side must be in a sandbox"),
    ];
    for (arguments, code, words) in cases {
        let ran = sandbox(&scenario, arguments).await;
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.said());
        assert!(ran.said().contains(words), "{arguments:?}: {}", ran.said());
    }
    let (one, two) = tokio::join!(sandbox(&scenario, &["pause", "box"]), sandbox(&scenario, &["pause", "box"]));
    assert_eq!([one.code, two.code].iter().filter(|code| **code == 0).count(), 1, "{one:?} {two:?}");
    tokio::time::timeout(Duration::from_secs(60), done(&scenario, &["resume", "box"])).await.unwrap();
    end(&scenario).await;
}
