//! What can go wrong, and whose fault it is.

use http::{HeaderMap, StatusCode};

use crate::framing::Misframed;
use crate::status::{Code, Status};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection is gone: the sandbox ended or was snapshotted. sandboxd dials again; what it was doing goes on.
    #[error("the connection to the sandbox is lost: {0}")]
    Lost(String),
    /// sandboxd said no.
    #[error("the sandbox refused: {0}")]
    Refused(Status),
    /// What came is not what sandboxd sends. Somebody inside may have replaced it.
    #[error("the sandbox's end broke the rules: {0}")]
    Broken(String),
    /// The caller asked for what cannot be.
    #[error("{0}")]
    Misused(&'static str),
}

impl Error {
    /// gRPC's code, where sandboxd refused.
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Refused(status) => Some(status.code),
            _ => None,
        }
    }

    pub(super) fn of_connection(error: &hyper::Error) -> Self {
        // hyper's own words are "http2 error"; the cause says which rule.
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        if error.is_parse() || cause.contains("detected") { Error::Broken(cause) } else { Error::Lost(cause) }
    }

    /// An answer without gRPC's status where one was due, or an HTTP status that says no.
    pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap) -> Self {
        match Status::from_trailers(headers) {
            Some(said) if said.code != Code::Ok => Error::Refused(said),
            _ => Error::Broken(format!("it answered with HTTP status {}", status.as_u16())),
        }
    }
}

impl From<Misframed> for Error {
    fn from(error: Misframed) -> Self {
        Error::Broken(error.to_string())
    }
}
