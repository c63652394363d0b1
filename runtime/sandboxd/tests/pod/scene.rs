//! A network in which nothing else listens, and sandboxd in it.

use std::future::Future;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use exeat_inside::Api;
use exeat_inside::client::Inside;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::gateway::Gateway;

/// Nothing here takes longer, on the slowest machine.
const LONGEST: Duration = Duration::from_secs(60);
/// Says that a test runs in a network of its own already.
const ALONE: &str = "EXEAT_TEST_ALONE";

pub(crate) const SANDBOXD: &str = env!("CARGO_BIN_EXE_exeat-sandboxd");

/// Runs a test in a network of its own, as a pod has one: by this same program, started anew for this one test.
pub(crate) fn in_a_pod(test: impl Future<Output = ()>) {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(test);
    }
    let own = || {
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
        unshare
    };
    let may = own().arg("true").stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        return skip("networks in a user namespace");
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let mut again = own();
    again.arg(std::env::current_exe().unwrap()).args(["--exact", &name, "--nocapture"]).env(ALONE, "1");
    let ran = again.output().unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// sandboxd, with folders of its own.
pub(crate) struct Pod {
    pub(crate) sandboxd: Child,
    pub(crate) folder: TempDir,
}

impl Pod {
    /// With a way out to `gateway`, serving, with `arguments` behind.
    pub(crate) async fn new(gateway: Option<&Gateway>, arguments: &[&str]) -> Pod {
        let folder = tempfile::tempdir().unwrap();
        let mut program = Command::new(SANDBOXD);
        match gateway {
            None => program.arg("--no-traffic"),
            Some(gateway) => program.args(["--ports", "80,443", "--gateway", &gateway.address.to_string()]),
        };
        if let Some(gateway) = gateway {
            program.arg("--token-file").arg(gateway.token_file());
        }
        program.args(["--serve", "--listen", "127.0.0.1", "--root"]).arg(folder.path()).args(arguments);
        program.env("OUT", folder.path()).stdin(Stdio::null());
        let pod = Pod { sandboxd: program.spawn().unwrap(), folder };
        soon(async {
            while connect(Api::Exeat.port()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        pod
    }

    pub(crate) async fn inside(&self) -> Inside {
        soon(Inside::over(connect(Api::Exeat.port()).await.unwrap())).await.unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.sandboxd.id().unwrap().cast_signed()), signal).unwrap();
    }

    pub(crate) async fn end(&mut self) -> ExitStatus {
        soon(self.sandboxd.wait()).await.unwrap()
    }

    /// What a process wrote into a file of the folder, once it has written a line.
    pub(crate) async fn line_in(&self, file: &str) -> String {
        let file: PathBuf = self.folder.path().join(file);
        soon(async {
            loop {
                match std::fs::read_to_string(&file) {
                    Ok(text) if text.ends_with('\n') => return text,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
        .await
    }
}

impl Drop for Pod {
    /// sandboxd takes its processes with it, which a kill would leave behind.
    fn drop(&mut self) {
        if let Some(pid) = self.sandboxd.id() {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
        }
    }
}

pub(crate) async fn connect(port: u16) -> std::io::Result<TcpStream> {
    connect_to((Ipv4Addr::LOCALHOST, port).into()).await
}

pub(crate) async fn connect_to(address: SocketAddr) -> std::io::Result<TcpStream> {
    TcpSocket::new_v4()?.connect(address).await
}

/// A request over HTTP/1.1 and a connection of its own: status and body.
pub(crate) async fn ask(port: u16, method: Method, path: &str, body: &'static str) -> (StatusCode, Bytes) {
    let response = send(port, method, path, body).await;
    let status = response.status();
    (status, soon(response.into_body().collect()).await.unwrap().to_bytes())
}

pub(crate) async fn send(port: u16, method: Method, path: &str, body: &'static str) -> Response<Incoming> {
    let stream = connect(port).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", "sandbox");
    let request = request.header("content-type", "application/json").body(Full::new(Bytes::from(body))).unwrap();
    soon(sender.send_request(request)).await.unwrap()
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

/// What must come, and does not take for ever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(LONGEST, future).await.expect("this did not end")
}
