//! A folder with a workspace and a gateway of the test's own, and sandboxes that run in it.
//!
//! Runs as root and as anybody else: `cargo test -p exeat-local`, or a test's binary under `setpriv`.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "shared by several tests, none of which uses all"
)]

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// What a command that was stopped from outside has to have ended within.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    requests: Arc<Mutex<Vec<String>>>,
}

/// A scene, or nothing where this machine has no runsc.
pub(crate) fn scene() -> Option<Scene> {
    if let Err(error) = exeat_local::find_runsc(None) {
        // Not by `eprintln!`, which the harness hides where a test passes.
        let _ = writeln!(io::stderr(), "skipped: needs runsc ({error})");
        return None;
    }
    let folder = tempfile::Builder::new().prefix("exeat-test-").tempdir().unwrap();
    for name in ["workspace", "gateway"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("gateway/ca.pem"), "THE GATEWAY'S CA\n").unwrap();
    let requests = Arc::default();
    open_gateway(&folder.path().join("gateway/gateway.sock"), Arc::clone(&requests));
    Some(Scene { folder, requests })
}

impl Scene {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn workspace(&self, file: &str) -> PathBuf {
        self.path().join("workspace").join(file)
    }

    /// The request lines that the gateway has seen.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A sandbox that runs `words`, not started yet.
    pub(crate) fn sandbox(&self, words: &[&str]) -> Command {
        let sandboxd = sandboxd();
        let mut command = Command::new(program("examples/sandbox"));
        command.arg(self.path().join("workspace")).arg(self.path().join("gateway")).args(words);
        command.env("EXEAT_SANDBOXD", sandboxd).stdin(Stdio::null());
        command
    }

    pub(crate) fn shell(&self, script: &str) -> Output {
        self.sandbox(&["bash", "-c", script]).output().unwrap()
    }

    /// What `script` prints; it must succeed.
    pub(crate) fn says(&self, script: &str) -> String {
        let output = self.shell(script);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Processes that have this scene in their command line: the caller, its helper, runsc and gVisor's own.
    pub(crate) fn processes(&self) -> usize {
        let marker = self.path().as_os_str().as_encoded_bytes();
        let is_ours = |entry: io::Result<fs::DirEntry>| {
            let line = fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
            line.windows(marker.len()).any(|part| part == marker)
        };
        fs::read_dir("/proc").unwrap().map(is_ours).filter(|ours| *ours).count()
    }

    /// What is in the scene's folder besides the workspace and the gateway: the sandbox's own folder, while it runs.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let names = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "workspace" && name != "gateway").collect()
    }

    pub(crate) fn is_mounted_somewhere(&self) -> bool {
        fs::read_to_string("/proc/self/mountinfo").unwrap().contains(self.path().to_str().unwrap())
    }
}

/// Waits for `condition`; false where it does not come true soon.
pub(crate) fn soon(mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < SOON {
        if condition() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// A gateway that notes what it is asked for. It refuses names under `denied`, echoes in tunnels, and answers plain
/// proxy requests with a greeting.
fn open_gateway(socket: &Path, requests: Arc<Mutex<Vec<String>>>) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let requests = Arc::clone(&requests);
            thread::spawn(move || drop(answer(client, &requests)));
        }
    });
}

fn answer(mut client: UnixStream, requests: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    requests.lock().unwrap().push(line.clone());
    if line.contains("denied") {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    }
    if !line.starts_with("CONNECT ") {
        return client.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 6\r\n\r\nhello\n");
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    io::copy(&mut client.try_clone()?, &mut client)?;
    client.shutdown(std::net::Shutdown::Write)
}

/// A program of this build: tests run in `deps`, which is beside it.
fn program(name: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    deps.parent().unwrap().parent().unwrap().join(name)
}

/// Where sandboxd is. It is another package's program, and the example is one that `cargo test --test …` does not
/// build: without EXEAT_SANDBOXD, both are built here, so that no test runs yesterday's.
fn sandboxd() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let built = program("exeat-sandboxd");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--bins", "--example", "sandbox"]);
        cargo
            .args(["-p", "exeat-sandboxd", "-p", "exeat-local", "--target-dir"])
            .arg(built.ancestors().nth(3).unwrap());
        let done = cargo.status().expect("cargo, or EXEAT_SANDBOXD");
        assert!(done.success() && built.exists(), "build it, or name one in EXEAT_SANDBOXD");
        built
    };
    std::env::var_os("EXEAT_SANDBOXD").map(PathBuf::from).unwrap_or_else(|| BUILT.get_or_init(build).clone())
}
