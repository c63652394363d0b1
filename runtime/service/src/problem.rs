//! The one place where what went wrong becomes an answer.

use bytes::Bytes;
use exeat_control::Answer;
use exeat_inside::client;
use exeat_inside::status::{Code, Status};
use exeat_lifecycle::Refused;
use exeat_supervisor::Error;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};

use crate::shapes::ErrorAnswer;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Problem { status, code, message: message.into() }
    }

    /// What was asked for cannot be.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "input", message)
    }

    /// What should have worked did not.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", message)
    }

    /// As an answer in JSON.
    pub(crate) fn answer(self) -> Response<Answer> {
        let said = ErrorAnswer { error: self.message, code: self.code.to_owned() };
        crate::service::json(self.status, &said)
    }

    /// As an answer to a gRPC call, which has its status in the headers where there is no body.
    pub(crate) fn grpc(self) -> Response<Answer> {
        let code = match self.status {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => Code::InvalidArgument,
            StatusCode::CONFLICT | StatusCode::GONE => Code::FailedPrecondition,
            StatusCode::INSUFFICIENT_STORAGE => Code::ResourceExhausted,
            StatusCode::BAD_GATEWAY => Code::Unavailable,
            _ => Code::Internal,
        };
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        response.headers_mut().extend(Status::new(code, self.message).trailers());
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = match &error {
            Error::NotFound { .. } => (StatusCode::NOT_FOUND, "not-found"),
            Error::Exists(_) => (StatusCode::CONFLICT, "exists"),
            Error::Refused(Refused::Busy) => (StatusCode::CONFLICT, "busy"),
            Error::Refused(Refused::Deleting) => (StatusCode::CONFLICT, "deleting"),
            Error::Refused(Refused::Running) => (StatusCode::CONFLICT, "running"),
            Error::Refused(Refused::NotRunning) => (StatusCode::CONFLICT, "not-running"),
            Error::Expired(_) => (StatusCode::GONE, "expired"),
            Error::Input(_) => (StatusCode::UNPROCESSABLE_ENTITY, "input"),
            Error::Unusable(_) => (StatusCode::CONFLICT, "unusable"),
            Error::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "full"),
            Error::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        Problem::new(status, code, error.to_string())
    }
}

impl From<client::Error> for Problem {
    fn from(error: client::Error) -> Self {
        Problem::new(StatusCode::BAD_GATEWAY, "sandbox", error.to_string())
    }
}
