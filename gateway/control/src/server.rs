//! The API's server.

use std::convert::Infallible;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use exeat_policy::Policies;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::TaskTracker;

use crate::sessions::SessionGuard;
use crate::{OpenSession, SOCKET, Sessions, Status};

/// A request to the API is a few names.
const REQUEST_BYTES: usize = 64 * 1024;
/// Requests at once on one connection of HTTP/2: as many as a sandbox's own connection takes.
const STREAMS: u32 = 256;

/// What any answer's body is.
pub type Answer = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Answers the requests that are not about sessions. Another room brings it, and this one need not know that room.
pub trait Others: Send + Sync + 'static {
    /// The answer to one request.
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> Pin<Box<dyn Future<Output = Response<Answer>> + Send>>;
}

/// The API on its socket.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    connections: TaskTracker,
}

/// How many clients are connected to the API.
#[derive(Clone, Debug)]
pub struct Connections(TaskTracker);

impl Connections {
    /// How many are connected now.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// What every request needs.
struct Rooms {
    sessions: Arc<Sessions>,
    policies: Arc<Policies>,
    others: Option<Arc<dyn Others>>,
}

impl Control {
    /// Binds the socket in `state`. A socket that nobody answers at is left from a crash and replaced.
    ///
    /// # Errors
    /// `AddrInUse` where another gateway answers at it.
    pub fn bind(state: &Path) -> io::Result<Self> {
        let path = state.join(SOCKET);
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Control { listener, path, connections: TaskTracker::new() })
    }

    /// Who is connected, for as long as it serves.
    pub fn connections(&self) -> Connections {
        Connections(self.connections.clone())
    }

    /// Serves until dropped. What `others` does not answer either is not there.
    pub async fn serve(self, sessions: Arc<Sessions>, policies: Arc<Policies>, others: Option<Arc<dyn Others>>) {
        let context = Arc::new(Rooms { sessions, policies, others });
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    self.connections.spawn(connection(stream, Arc::clone(&context)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a control connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// HTTP/1.1, or HTTP/2 where the client begins so.
async fn connection(stream: UnixStream, context: Arc<Rooms>) {
    let service = service_fn(move |request| {
        let context = Arc::clone(&context);
        async move { Ok::<_, Infallible>(answer(request, &context).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(STREAMS);
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, context: &Rooms) -> Response<Answer> {
    match (request.method(), request.uri().path(), &context.others) {
        (&Method::GET, "/v1/status", _) => {
            json_line(StatusCode::OK, &status(&context.sessions, &context.policies), None)
        }
        (&Method::POST, "/v1/sessions", _) => open(request, &context.sessions).await,
        (_, _, Some(others)) => Arc::clone(others).answer(request).await,
        _ => error(StatusCode::NOT_FOUND, "there is nothing here; see docs/control-api.md"),
    }
}

async fn open(request: Request<Incoming>, sessions: &Arc<Sessions>) -> Response<Answer> {
    let body = match Limited::new(request.into_body(), REQUEST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(reason) => return error(StatusCode::BAD_REQUEST, &reason.to_string()),
    };
    let asked: OpenSession = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(reason) => return error(StatusCode::BAD_REQUEST, &reason.to_string()),
    };
    match sessions.open(asked).await {
        Ok((opened, guard)) => json_line(StatusCode::CREATED, &opened, Some(guard)),
        Err(reason) => error(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string()),
    }
}

fn status(sessions: &Sessions, policies: &Policies) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        policy_version: policies.version().to_string(),
        policies: policies.count(),
        sessions: sessions.count(),
    }
}

fn error(status: StatusCode, message: &str) -> Response<Answer> {
    json_line(status, &json!({ "error": message }), None)
}

fn json_line(status: StatusCode, value: &impl serde::Serialize, held: Option<SessionGuard>) -> Response<Answer> {
    let line = serde_json::to_string(value).unwrap_or_default() + "\n";
    let reply = Reply { line: Some(line.into()), held };
    let mut response = Response::new(reply.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/jsonl"));
    response
}

/// One line, after which the body ends, or stays open for as long as it holds a session.
struct Reply {
    line: Option<Bytes>,
    held: Option<SessionGuard>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match (self.line.take(), &self.held) {
            (Some(line), _) => Poll::Ready(Some(Ok(Frame::data(line)))),
            (None, None) => Poll::Ready(None),
            // Nothing more is ever sent: hyper drops the body, and with it the session, when the client goes away.
            (None, Some(_)) => Poll::Pending,
        }
    }
}
