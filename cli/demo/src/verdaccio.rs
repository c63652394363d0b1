//! Verdaccio as a child process behind a Unix socket: no port that another could take, or publish to.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::Command;

use crate::body::{Body, BoxError, empty, full};
use crate::child::Server;
use crate::error::Doing;
use crate::{Error, Login};

/// Verdaccio is up after about a second; a busy machine may take ten times as long, and more.
const READY_TIME: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(50);

/// Loaded into Verdaccio's Node: it ends when its owner does, however that ended, and says what it dies of, which its
/// own log loses. Not in its workers: there `exit` would end the logging only, and then the first warning the rest.
const LEASH: &str = "\
if (require('node:worker_threads').isMainThread) {
  const end = () => process.exit(0);
  process.stdin.resume().on('end', end).on('error', end);
  process.on('uncaughtExceptionMonitor', (error) => console.error(error.stack));
}
";

/// A Verdaccio with one user and nothing above it.
pub(crate) struct Verdaccio {
    // The process goes before its folder: fields are dropped in this order.
    server: Server,
    socket: PathBuf,
    _folder: TempDir,
}

/// The program, where `deploy/dev/setup` puts it or on `PATH`, or what to do to have it.
pub(crate) fn find() -> Result<PathBuf, String> {
    let on_path = |name: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
    };
    if on_path("node").is_none() {
        return Err("node is not on PATH: run `deploy/dev/setup demo`".to_owned());
    }
    let here = std::env::current_dir().unwrap_or_default();
    let mut installed = here.ancestors().map(|folder| folder.join(".tools/npm/node_modules/.bin/verdaccio"));
    // The pinned one first: another on PATH may be of any version.
    installed.find(|file| file.is_file()).or_else(|| on_path("verdaccio")).ok_or_else(|| {
        "verdaccio is neither in `.tools` of this folder or one above nor on PATH: run `deploy/dev/setup demo`"
            .to_owned()
    })
}

impl Verdaccio {
    /// Starts `program` and waits until it answers.
    pub(crate) async fn start(program: &Path) -> Result<Self, Error> {
        let folder = TempDir::with_prefix("exeat-npm-").doing("make a temporary folder")?;
        let socket = folder.path().join("socket");
        let file = |name: &str| folder.path().join(name);
        let write = |name: &str, text: String| std::fs::write(file(name), text).doing(format!("write `{name}`"));
        write("leash.cjs", LEASH.to_owned())?;
        // YAML is a superset of JSON.
        write("config.yaml", config(folder.path(), &socket).to_string())?;
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(file("config.yaml"))
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("NODE_NO_WARNINGS", "1")
            .env("NODE_OPTIONS", format!("--require \"{}\"", file("leash.cjs").display()));
        let server = Server::start(&mut command, program)?;
        let mut verdaccio = Verdaccio { server, socket, _folder: folder };
        verdaccio.wait_until_ready().await?;
        Ok(verdaccio)
    }

    /// Registers the one user that this Verdaccio takes, by the API that `npm login` uses. Gives the token.
    pub(crate) async fn register(&self, login: &Login) -> Result<String, Error> {
        let path = format!("/-/user/org.couchdb.user:{}", login.username);
        let answer = self.put(&path, None, &json!({ "name": login.username, "password": login.password })).await?;
        let token = answer.get("token").and_then(Value::as_str).map(str::to_owned);
        token.ok_or_else(|| self.failed("gave no token"))
    }

    /// Sends a JSON document and gives the JSON answer.
    pub(crate) async fn put(&self, path: &str, token: Option<&str>, document: &Value) -> Result<Value, Error> {
        let mut request = Request::builder().method(Method::PUT).uri(path).header("host", "localhost");
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(full(document.to_string())).map_err(|error| self.failed(&error.to_string()))?;
        self.ask(request).await?.ok_or_else(|| self.failed(&format!("has nothing at `{path}`")))
    }

    /// Reads a JSON document, where there is one.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Value>, Error> {
        let request = Request::builder().uri(path).header("host", "localhost").body(empty());
        self.ask(request.map_err(|error| self.failed(&error.to_string()))?).await
    }

    /// Where it takes requests.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.server.id()
    }

    async fn ask(&self, request: Request<Body>) -> Result<Option<Value>, Error> {
        let asked = format!("{} {}", request.method(), request.uri());
        let exchange = async {
            let response = send(&self.socket, request).await?;
            let status = response.status();
            Ok::<_, BoxError>((status, response.into_body().collect().await?.to_bytes()))
        };
        let (status, body): (StatusCode, Bytes) =
            exchange.await.map_err(|error| self.failed(&format!("did not answer `{asked}`: {error}")))?;
        match serde_json::from_slice(&body) {
            _ if status == StatusCode::NOT_FOUND => Ok(None),
            Ok(answer) if status.is_success() => Ok(Some(answer)),
            _ => Err(self.failed(&format!("answered `{asked}` with {status}: {}", String::from_utf8_lossy(&body)))),
        }
    }

    async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.server.ended() {
                // A moment, so that the last of its output has been read.
                tokio::time::sleep(READY_POLL).await;
                return Err(self.failed(&format!("ended at its start ({status})")));
            }
            if self.socket.exists() && self.get("/-/ping").await.is_ok() {
                return Ok(());
            }
            if start.elapsed() > READY_TIME {
                return Err(self.failed(&format!("did not answer within {} s", READY_TIME.as_secs())));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    fn failed(&self, what: &str) -> Error {
        let printed = self.server.output();
        let output = if printed.is_empty() { "(nothing)".to_owned() } else { printed };
        Error::Verdaccio { what: what.to_owned(), output }
    }
}

/// Sends one request over a connection of its own: over a Unix socket that costs next to nothing.
pub(crate) async fn send(socket: &Path, request: Request<Body>) -> Result<Response<Incoming>, BoxError> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

fn config(folder: &Path, socket: &Path) -> Value {
    json!({
        "storage": folder.join("storage"),
        "listen": format!("unix:{}", socket.display()),
        // One user: whoever finds the front can register no second.
        "auth": { "htpasswd": { "file": folder.join("htpasswd"), "max_users": 1 } },
        // Tokens of the default kind hold the password, which is then hashed for every request: 60 ms each.
        "security": { "api": { "jwt": { "sign": { "expiresIn": "30d" } } } },
        "uplinks": {},
        "packages": { "**": { "access": "$all", "publish": "$authenticated", "unpublish": "$authenticated" } },
        "web": { "enable": false },
        "max_body_size": "100mb",
        "log": { "type": "stdout", "format": "pretty", "colors": false, "level": "warn" },
    })
}
