//! A sandboxd that serves, outside of any sandbox.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use exeat_inside::Api;
use exeat_inside::client::{Command, Error, Event, Inside, Output, Process};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::process::{Child, Command as Program};
use tokio::time::timeout;

/// Nothing here takes longer, on the slowest machine.
const LONGEST: Duration = Duration::from_secs(30);

const SANDBOXD: &str = env!("CARGO_BIN_EXE_exeat-sandboxd");

pub(crate) struct Scene {
    pub(crate) inside: Inside,
    pub(crate) sandboxd: Child,
    listener: UnixListener,
    wire: std::os::unix::net::UnixStream,
    folder: TempDir,
}

impl Scene {
    /// sandboxd with a root and a home of its own, connected.
    pub(crate) async fn new() -> Self {
        Scene::of(Program::new(SANDBOXD)).await
    }

    /// The same with a disk of a mebibyte at its root, where mounts can be made.
    pub(crate) async fn with_little_room() -> Option<Self> {
        let script = "mount -t tmpfs -o size=1m none \"$ROOT\" && cd / && exec \"$0\" \"$@\"";
        let unshare = |words: &[&str]| {
            let mut program = Program::new("unshare");
            program.args(["--user", "--map-root-user", "--mount"]).args(words);
            program
        };
        let mounts = unshare(&["mount", "-t", "tmpfs", "none", "/mnt"]).stderr(Stdio::null()).status().await;
        if !mounts.is_ok_and(|status| status.success()) {
            skip("mounts in a user namespace");
            return None;
        }
        Some(Scene::of(unshare(&["sh", "-c", script, SANDBOXD])).await)
    }

    async fn of(mut program: Program) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root", "home"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let socket = folder.path().join("runtime.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let sandboxd = program
            .args(["--serve", "--no-traffic", "--runtime-socket"])
            .arg(&socket)
            .arg("--root")
            .arg(folder.path().join("root"))
            .env("HOME", folder.path().join("home"))
            .env("ROOT", folder.path().join("root"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (inside, wire) = accept(&listener).await;
        Scene { inside, sandboxd, listener, wire, folder }
    }

    /// Breaks the connection as gVisor does at a checkpoint, and takes the one that sandboxd dials next.
    pub(crate) async fn reconnect(&mut self) {
        self.wire.shutdown(std::net::Shutdown::Both).unwrap();
        soon(self.inside.closed()).await;
        (self.inside, self.wire) = accept(&self.listener).await;
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Runs a shell's script to its end.
    pub(crate) async fn sh(&self, script: &str) -> Output {
        soon(self.inside.execute(&shell(script))).await.unwrap()
    }

    /// A request to one of the APIs for SDKs: status and body.
    pub(crate) async fn ask(
        &self, api: Api, method: Method, path: &str, body: impl Into<Bytes>,
    ) -> (StatusCode, Bytes) {
        self.ask_as("application/json", api, method, path, body).await
    }

    pub(crate) async fn ask_as(
        &self, kind: &str, api: Api, method: Method, path: &str, body: impl Into<Bytes>,
    ) -> (StatusCode, Bytes) {
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let request = request.body(Full::new(body.into())).unwrap();
        let response = soon(self.inside.forward(api, request)).await.unwrap();
        let status = response.status();
        (status, soon(response.into_body().collect()).await.unwrap().to_bytes())
    }

    /// sandboxd's most resident memory so far, in bytes.
    pub(crate) fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.sandboxd.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Scene {
    /// sandboxd takes its processes with it, which a kill would leave behind.
    fn drop(&mut self) {
        if let Some(pid) = self.sandboxd.id() {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
        }
    }
}

async fn accept(listener: &UnixListener) -> (Inside, std::os::unix::net::UnixStream) {
    let (stream, _) = soon(listener.accept()).await.unwrap();
    let stream = stream.into_std().unwrap();
    let wire = stream.try_clone().unwrap();
    let inside = Inside::over(tokio::net::UnixStream::from_std(stream).unwrap());
    (soon(inside).await.unwrap(), wire)
}

/// Says that a test does not run here, and counts it in the file that `EXEAT_SKIPS` names.
fn skip(needed: &str) {
    // Not by `eprintln!`, which the harness hides where a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: needs {needed}");
    if let Some(file) = std::env::var_os("EXEAT_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{needed}").unwrap();
    }
}

pub(crate) fn shell(script: &str) -> Command {
    Command::new(["/bin/sh", "-c", script])
}

/// What must come, and does not take for ever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(LONGEST, future).await.expect("this did not end")
}

/// The next event.
pub(crate) async fn next(process: &mut Process) -> Option<Event> {
    soon(process.next()).await.unwrap()
}

/// All that a process still writes to standard output and error, and its exit code.
pub(crate) async fn rest(process: &mut Process) -> (Vec<u8>, Vec<u8>, i32) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(event) = next(process).await {
        match event {
            Event::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            Event::Stderr(bytes) => stderr.extend_from_slice(&bytes),
            Event::Exit(code) => return (stdout, stderr, code),
        }
    }
    panic!("no exit event");
}

/// Standard output until it contains `text`.
pub(crate) async fn until(process: &mut Process, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        match next(process).await {
            Some(Event::Stdout(bytes)) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            other => panic!("{other:?} came before `{text}`, after `{seen}`"),
        }
    }
    seen
}

/// Waits for what shows on the disk.
pub(crate) async fn appears(file: &Path) -> String {
    soon(async {
        loop {
            match std::fs::read_to_string(file) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await
}

/// The code of a refusal.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> exeat_inside::status::Code {
    result.unwrap_err().code().unwrap()
}
