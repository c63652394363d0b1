//! Why a request goes nowhere, and what its client is told.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{Body, full};

/// Why a request goes nowhere.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody knows who sends it. Says how to show who one is.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// Who sends it may not enter the sandbox.
    #[error("{0}")]
    Forbidden(String),
    /// A page in a browser sends it.
    #[error("pages in a browser are not let into sandboxes")]
    Page,
    /// It does not say which sandbox it is for.
    #[error("the header `X-Sandbox-ID` is missing: name the sandbox that the request is for")]
    NoId,
    /// A header makes no sense.
    #[error("the header `{name}` makes no sense: {why}")]
    Header {
        /// Which.
        name: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// There is no such sandbox.
    #[error("there is no sandbox `{id}` in namespace `{namespace}`")]
    Unknown {
        /// Its namespace.
        namespace: String,
        /// Its name.
        id: String,
    },
    /// The sandbox of this name is not the one that the client means.
    #[error("the sandbox `{id}` is another one than the client means: its UID is `{uid}`")]
    OtherUid {
        /// Its name.
        id: String,
        /// The UID of the one that is there.
        uid: String,
    },
    /// The sandbox's time is over.
    #[error("{0}")]
    Expired(String),
    /// The sandbox refuses the request, now and later.
    #[error("{0}")]
    Never(String),
    /// The sandbox does not run, and somebody has to do something about that.
    #[error("{0}")]
    Stopped(String),
    /// The sandbox cannot take the request now.
    #[error("{0}")]
    Busy(String),
    /// The sandbox did not take the request, or its server broke off.
    #[error("{0}")]
    Failed(String),
    /// Nothing listens at the port.
    #[error("nothing answers at port {port} of the sandbox: {why}")]
    Unreachable {
        /// The port.
        port: u16,
        /// The system's word.
        why: String,
    },
    /// gRPC over HTTP/1.1.
    #[error("port {0} speaks gRPC, which needs HTTP/2")]
    NeedsHttp2(u16),
    /// The answer did not come in time.
    #[error("the sandbox has not answered within {0} seconds")]
    TimedOut(u64),
}

impl Refusal {
    /// The status that a client is told.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Refusal::NoId | Refusal::Header { .. } | Refusal::NeedsHttp2(_) | Refusal::Never(_) => {
                StatusCode::BAD_REQUEST
            }
            Refusal::Page | Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::Unknown { .. } => StatusCode::NOT_FOUND,
            Refusal::OtherUid { .. } | Refusal::Stopped(_) => StatusCode::CONFLICT,
            Refusal::Expired(_) => StatusCode::GONE,
            Refusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Failed(_) | Refusal::Unreachable { .. } => StatusCode::BAD_GATEWAY,
            Refusal::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The whole answer.
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(full(json!({ "detail": self.to_string() }).to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if matches!(self, Refusal::Unauthorized(_)) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"exeat\""));
        }
        response
    }
}
