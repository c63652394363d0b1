//! The service: a request finds its route, or its way into a sandbox.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use exeat_control::{Answer, Others};
use exeat_inside::Api;
use exeat_lifecycle::{SandboxId, SnapshotId, Spec};
use exeat_supervisor::{Error, Sandbox, Supervisor};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::limits;
use crate::problem::Problem;
use crate::routes::{self, Route};

/// The header that says which sandbox a request is for that is handed on: its id, its name, or `NAMESPACE/NAME`.
pub const SANDBOX: &str = "x-exeat-sandbox";

/// The API over the sandboxes of one machine.
pub struct Service {
    pub(crate) supervisor: Supervisor,
    /// Where histories are read.
    pub(crate) journal: PathBuf,
    /// What a sandbox is of which nothing is said.
    pub(crate) usual: Spec,
    routes: Vec<Route>,
}

/// What a request says besides its body.
pub(crate) struct At {
    /// What stands for `{…}` in the path.
    part: Option<String>,
    query: BTreeMap<String, String>,
}

impl Service {
    /// The API over `supervisor`, whose journal is in the folder `journal`. New sandboxes are `usual` ones where nothing
    /// is said.
    pub fn new(supervisor: Supervisor, journal: PathBuf, usual: Spec) -> Arc<Self> {
        Arc::new(Service { supervisor, journal, usual, routes: routes::all() })
    }

    /// The sandbox of a path.
    pub(crate) fn sandbox_at(&self, at: &At) -> Result<Sandbox, Problem> {
        self.sandbox(at.query("namespace").unwrap_or("default"), at.part())
    }

    /// The sandbox with this id, else with this name.
    pub(crate) fn sandbox(&self, namespace: &str, said: &str) -> Result<Sandbox, Problem> {
        match SandboxId::try_from(said.to_owned()).map(|id| self.supervisor.get(&id)) {
            Ok(Ok(found)) => Ok(found),
            _ => Ok(self.supervisor.find(namespace, said).map_err(bounded)?),
        }
    }

    /// The snapshot of a path.
    pub(crate) fn snapshot_at(&self, at: &At) -> Result<exeat_lifecycle::Snapshot, Problem> {
        let missing = || Error::NotFound { kind: "snapshot", name: at.part().to_owned() };
        let id = SnapshotId::try_from(at.part().to_owned()).map_err(|_| bounded(missing()))?;
        Ok(self.supervisor.snapshot_of(&id)?)
    }

    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<Answer> {
        if let Some(api) = request.uri().authority().and_then(|authority| Api::of(authority.host()))
            && request.version() == http::Version::HTTP_2
        {
            return self.visit(api, request).await;
        }
        self.find(request).await.unwrap_or_else(Problem::answer)
    }

    async fn find(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Answer>, Problem> {
        let path = request.uri().path().to_owned();
        let Some((route, part)) = routes::find(&self.routes, request.method(), &path)? else {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "not-found",
                "there is nothing here; see /v1/openapi.json",
            ));
        };
        let at = At { part: part.map(str::to_owned), query: query(&request, route)? };
        let body = Limited::new(request.into_body(), limits::REQUEST_BYTES).collect().await;
        let body = body.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "input", error.to_string()))?;
        (route.run)(Arc::clone(&self), at, body.to_bytes()).await
    }
}

impl Others for Service {
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> Pin<Box<dyn Future<Output = Response<Answer>> + Send>> {
        Box::pin(self.respond(request))
    }
}

impl At {
    pub(crate) fn part(&self) -> &str {
        self.part.as_deref().unwrap_or_default()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A part of the query that is `true` or `false`, or absent.
    pub(crate) fn is(&self, name: &str) -> Result<bool, Problem> {
        match self.query(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::input(format!("`{name}` is `true` or `false`"))),
        }
    }
}

/// The query, of which the route must know every part.
fn query(request: &Request<Incoming>, route: &Route) -> Result<BTreeMap<String, String>, Problem> {
    let text = request.uri().query().unwrap_or_default();
    let parts = text.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")));
    let mut query = BTreeMap::new();
    for (name, value) in parts {
        if !route.query.iter().any(|(known, _)| *known == name) {
            let name: String = name.chars().take(100).collect();
            return Err(Problem::input(format!("`{}` is no part of this query", name.escape_debug())));
        }
        query.insert(name.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned());
    }
    Ok(query)
}

/// What was asked for, in an error: words that came from outside are shown short and without control characters.
fn bounded(error: Error) -> Error {
    match error {
        Error::NotFound { kind, name } => {
            let name = name.chars().take(100).collect::<String>().escape_debug().to_string();
            Error::NotFound { kind, name }
        }
        other => other,
    }
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Answer> {
    let text = serde_json::to_string(value).unwrap_or_default() + "\n";
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
