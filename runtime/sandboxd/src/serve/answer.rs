//! Answers: bodies, and what a refusal is in HTTP.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use exeat_inside::status::{Code, Status};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde::Serialize;

/// A body that stays on this thread.
pub(super) type Body = Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error>>>;

/// A body that is there already.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Box::pin(Full::new(bytes.into()).map_err(|never| match never {}))
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    with(status, full(Bytes::new()), None)
}

/// Words.
pub(super) fn text(status: StatusCode, words: &'static str) -> Response<Body> {
    with(status, full(words), Some("text/plain"))
}

/// JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => with(status, full(bytes), Some("application/json")),
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// A status, a body and its kind.
pub(super) fn with(status: StatusCode, body: Body, kind: Option<&'static str>) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

/// The HTTP status of a refusal.
pub(super) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::INSUFFICIENT_STORAGE,
        Code::Unimplemented => StatusCode::METHOD_NOT_ALLOWED,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Cancelled | Code::Unknown | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What the kernel said about `path`, as a refusal.
pub(super) fn refusal(error: &io::Error, path: &str) -> Status {
    use io::ErrorKind as Kind;
    let path = path.escape_debug();
    let (code, words) = match error.kind() {
        Kind::NotFound | Kind::NotADirectory => (Code::NotFound, format!("there is no `{path}`")),
        Kind::PermissionDenied => (Code::PermissionDenied, format!("`{path}` may not be touched")),
        Kind::ReadOnlyFilesystem => (Code::PermissionDenied, format!("`{path}` is on a read-only file system")),
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
            (Code::ResourceExhausted, format!("the sandbox's disk is full: `{path}` could not be written; make room"))
        }
        Kind::OutOfMemory => (Code::ResourceExhausted, format!("the sandbox is out of memory at `{path}`")),
        Kind::DirectoryNotEmpty => {
            (Code::FailedPrecondition, format!("`{path}` is a folder with entries; ask for recursive=true"))
        }
        Kind::IsADirectory => (Code::InvalidArgument, format!("`{path}` is a folder")),
        Kind::InvalidFilename | Kind::InvalidInput => (Code::InvalidArgument, format!("`{path}` is no path")),
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => {
            (Code::ResourceExhausted, "the sandbox has too many files open".to_owned())
        }
        _ => (Code::Internal, format!("`{path}`: {error}")),
    };
    Status::new(code, words)
}
