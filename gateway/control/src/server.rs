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
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};

use crate::sessions::SessionGuard;
use crate::{OpenSession, SOCKET, Sessions, Status};

/// A request to the API is a few names.
const REQUEST_BYTES: usize = 64 * 1024;

/// The API on its socket.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
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
        Ok(Control { listener, path })
    }

    /// Serves until dropped.
    pub async fn serve(self, sessions: Arc<Sessions>, policies: Arc<Policies>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, Arc::clone(&sessions), Arc::clone(&policies)));
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

async fn connection(stream: UnixStream, sessions: Arc<Sessions>, policies: Arc<Policies>) {
    let service = service_fn(move |request| {
        let (sessions, policies) = (Arc::clone(&sessions), Arc::clone(&policies));
        async move { Ok::<_, Infallible>(answer(request, &sessions, &policies).await) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, sessions: &Arc<Sessions>, policies: &Policies) -> Response<Reply> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/status") => json_line(StatusCode::OK, &status(sessions, policies), None),
        (&Method::POST, "/v1/sessions") => open(request, sessions).await,
        _ => error(StatusCode::NOT_FOUND, "there is nothing here; see docs/control-api.md"),
    }
}

async fn open(request: Request<Incoming>, sessions: &Arc<Sessions>) -> Response<Reply> {
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

fn error(status: StatusCode, message: &str) -> Response<Reply> {
    json_line(status, &json!({ "error": message }), None)
}

fn json_line(status: StatusCode, value: &impl serde::Serialize, held: Option<SessionGuard>) -> Response<Reply> {
    let line = serde_json::to_string(value).unwrap_or_default() + "\n";
    let mut response = Response::new(Reply { line: Some(line.into()), held });
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
