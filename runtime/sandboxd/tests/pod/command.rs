//! A command beside what is served, whose end is the pod's.

use exeat_inside::client::{Command, Event};
use http::{Method, StatusCode};
use nix::sys::signal::Signal;

use crate::scene::{Pod, ask, in_a_pod, soon};

#[test]
fn the_end_of_the_command_is_the_end() {
    in_a_pod(async {
        let script = "echo ready > $OUT/ready; while ! test -e $OUT/go; do sleep 0.01; done; exit 7";
        let mut pod = Pod::new(None, &["--", "/bin/sh", "-c", script]).await;
        pod.line_in("ready").await;
        assert_eq!(ask(8888, Method::GET, "/", "").await.0, StatusCode::OK);
        std::fs::write(pod.folder.path().join("go"), "").unwrap();
        assert_eq!(pod.end().await.code(), Some(7));
    });
}

#[test]
fn a_command_starts_where_sandboxd_was_started() {
    in_a_pod(async {
        let here = std::env::current_dir().unwrap();
        let mut pod = Pod::new(None, &["--", "/bin/sh", "-c", "sleep 0.3; pwd > $OUT/where"]).await;
        assert_eq!(pod.line_in("where").await, format!("{}\n", here.display()));
        assert_eq!(pod.end().await.code(), Some(0));
    });
}

#[test]
fn the_command_is_told_to_end_and_may_take_its_time() {
    in_a_pod(async {
        let script = "trap 'sleep 0.2; exit 3' TERM; echo ready > $OUT/ready; while :; do sleep 0.01; done";
        let mut pod = Pod::new(None, &["--", "/bin/sh", "-c", script]).await;
        pod.line_in("ready").await;
        pod.signal(Signal::SIGTERM);
        assert_eq!(pod.end().await.code(), Some(3));
    });
}

#[test]
fn a_command_that_is_killed_has_its_signal_in_the_exit_code() {
    in_a_pod(async {
        let mut pod = Pod::new(None, &["--", "/bin/sh", "-c", "sleep 0.3; kill -KILL $$"]).await;
        assert_eq!(pod.end().await.code(), Some(128 + 9));
    });
}

#[test]
fn who_waits_for_another_process_is_told_of_its_end() {
    in_a_pod(async {
        let script = "while ! test -e $OUT/go; do sleep 0.01; done";
        let mut pod = Pod::new(None, &["--", "/bin/sh", "-c", script]).await;
        let inside = pod.inside().await;
        // While the command runs, others are reaped beside it.
        let quick = soon(inside.execute(&Command::new(["/bin/sh", "-c", "exit 5"]))).await.unwrap();
        assert_eq!(quick.exit_code, 5);
        let mut other = soon(inside.start(&Command::new(["/bin/sh", "-c", "echo up; exec sleep 999"]))).await.unwrap();
        assert_eq!(soon(other.next()).await.unwrap(), Some(Event::Stdout("up\n".into())));
        std::fs::write(pod.folder.path().join("go"), "").unwrap();
        assert_eq!(soon(other.next()).await.unwrap(), Some(Event::Exit(128 + 15)));
        assert_eq!(pod.end().await.code(), Some(0));
    });
}

#[test]
fn a_command_that_cannot_be_started_is_said() {
    in_a_pod(async {
        let mut missing = std::process::Command::new(crate::scene::SANDBOXD);
        missing.args(["--no-traffic", "--serve", "--listen", "127.0.0.1", "--", "/no/such/command"]);
        let ran = missing.output().unwrap();
        assert_eq!(ran.status.code(), Some(127));
        assert!(String::from_utf8_lossy(&ran.stderr).contains("no such command: `/no/such/command`"));
    });
}

#[test]
fn without_a_command_it_serves_until_it_is_told_to_end() {
    in_a_pod(async {
        let mut pod = Pod::new(None, &[]).await;
        assert_eq!(ask(8888, Method::GET, "/", "").await.0, StatusCode::OK);
        pod.signal(Signal::SIGTERM);
        assert_eq!(pod.end().await.code(), Some(0));
    });
}
