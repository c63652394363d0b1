//! Why a call fails, and what its client is told: a `Status` object (Kubernetes API conventions, "Response status kind").

use exeat_router::{Body, full};
use exeat_supervisor::Error;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::resource::Resource;

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("show the token: `Authorization: Bearer …`; the file `kubeconfig` in the state folder has it")]
    Unauthorized,
    #[error("there is nothing at `{0}` here; `/apis` lists what is served")]
    NoPath(String),
    #[error("{plural} \"{name}\" not found", plural = .0.plural(), name = .1)]
    NotFound(Resource, String),
    #[error("{plural} \"{name}\" already exists", plural = .0.plural(), name = .1)]
    Exists(Resource, String),
    #[error("{0}")]
    Conflict(String),
    #[error("the resource version is too old: begin anew with `resourceVersion=0`")]
    Gone,
    #[error("{0}")]
    Bad(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{plural} cannot be changed in this way here", plural = .0.plural())]
    Method(Resource),
    #[error("only a merge patch (application/merge-patch+json) is taken here")]
    MediaType,
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    #[error("{0}")]
    TooMany(String),
    #[error("{0}")]
    Full(String),
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// The status code, and Kubernetes' word for it.
    pub(crate) fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Failure::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Failure::NoPath(_) | Failure::NotFound(..) => (StatusCode::NOT_FOUND, "NotFound"),
            Failure::Exists(..) => (StatusCode::CONFLICT, "AlreadyExists"),
            Failure::Conflict(_) => (StatusCode::CONFLICT, "Conflict"),
            Failure::Gone => (StatusCode::GONE, "Expired"),
            Failure::Bad(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
            Failure::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
            Failure::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            Failure::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType"),
            Failure::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            Failure::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"),
            Failure::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage"),
            Failure::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        }
    }

    /// The `Status` object.
    pub(crate) fn status(&self) -> Value {
        let (code, reason) = self.code();
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.to_string(), "reason": reason, "code": code.as_u16(),
        });
        if let Failure::NotFound(resource, name) | Failure::Exists(resource, name) = self {
            status["details"] = details(*resource, name);
        }
        status
    }

    /// The whole answer.
    pub(crate) fn response(&self) -> Response<Body> {
        let mut response = answer(self.code().0, &self.status());
        if matches!(self, Failure::Unauthorized) {
            let value = HeaderValue::from_static("Bearer realm=\"exeat\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }

    /// What the supervisor says about a sandbox, snapshot or pool.
    pub(crate) fn of(error: Error, resource: Resource, name: &str) -> Failure {
        match error {
            Error::NotFound { .. } => Failure::NotFound(resource, name.to_owned()),
            Error::Exists(_) => Failure::Exists(resource, name.to_owned()),
            Error::Refused(_) | Error::Expired(_) => Failure::Conflict(error.to_string()),
            Error::Input(said) | Error::Unusable(said) => Failure::Invalid(said),
            Error::Full(_) => Failure::Full(error.to_string()),
            Error::Failed(said) => Failure::Internal(said),
        }
    }
}

/// What a `Status` is about.
fn details(resource: Resource, name: &str) -> Value {
    json!({ "name": name, "group": resource.group(), "kind": resource.plural() })
}

/// The `Status` of something that has gone.
pub(crate) fn deleted(resource: Resource, name: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details(resource, name),
    })
}

/// An answer in JSON.
pub(crate) fn answer(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
