//! The whole API in one table: what is dispatched, and what the document says.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use exeat_control::Answer;
use http::{Method, Response, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;
use crate::service::{At, Service, json};
use crate::{diff, fork, openapi, sandboxes, snapshots};

type Running = Pin<Box<dyn Future<Output = Result<Response<Answer>, Problem>> + Send>>;
type ShapeOf = fn(&mut SchemaGenerator) -> Schema;
type Query = &'static [(&'static str, &'static str)];

/// One line of the table.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// With at most one part in braces.
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    /// The names in its query, and what they mean. None is required.
    pub(crate) query: Query,
    pub(crate) request: Option<ShapeOf>,
    pub(crate) status: StatusCode,
    pub(crate) answer: ShapeOf,
    pub(crate) run: Box<dyn Fn(Arc<Service>, At, Bytes) -> Running + Send + Sync>,
}

impl Route {
    /// What stands for the part in braces, where the path is this route's.
    pub(crate) fn matches<'p>(&self, path: &'p str) -> Option<Option<&'p str>> {
        let (mut part, mut said) = (None, path.split('/'));
        for expected in self.path.split('/') {
            let word = said.next()?;
            match expected.starts_with('{') {
                true if !word.is_empty() => part = Some(word),
                false if word == expected => {}
                _ => return None,
            }
        }
        said.next().is_none().then_some(part)
    }

    fn query(mut self, query: Query) -> Self {
        self.query = query;
        self
    }

    fn created(mut self) -> Self {
        self.status = StatusCode::CREATED;
        self
    }
}

/// The route of a request, and what stands for the part in braces. Nothing where no route has this path.
pub(crate) fn find<'r, 'p>(
    routes: &'r [Route], method: &Method, path: &'p str,
) -> Result<Option<(&'r Route, Option<&'p str>)>, Problem> {
    let mut is_there = false;
    for route in routes {
        let Some(part) = route.matches(path) else { continue };
        if route.method == *method {
            return Ok(Some((route, part)));
        }
        is_there = true;
    }
    match is_there {
        true => Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", format!("there is no {method} here"))),
        false => Ok(None),
    }
}

/// A route whose request has no body.
fn plain<A, F, W>(method: Method, path: &'static str, summary: &'static str, handler: F) -> Route
where
    A: Serialize + JsonSchema,
    F: Fn(Arc<Service>, At) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Result<A, Problem>> + Send,
{
    let mut route = asks(method, path, summary, move |service, at, _: Nothing| handler(service, at));
    route.request = None;
    route
}

/// A route whose request has a body; an absent one is an empty object.
fn asks<Q, A, F, W>(method: Method, path: &'static str, summary: &'static str, handler: F) -> Route
where
    Q: DeserializeOwned + JsonSchema + Send,
    A: Serialize + JsonSchema,
    F: Fn(Arc<Service>, At, Q) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Result<A, Problem>> + Send,
{
    let status = StatusCode::OK;
    let run = move |service, at, body: Bytes| -> Running {
        let handler = handler.clone();
        Box::pin(async move {
            let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
            let question: Q = serde_json::from_slice(body).map_err(|error| Problem::input(error.to_string()))?;
            Ok(json(status, &handler(service, at, question).await?))
        })
    };
    let (request, answer) = (Some(shape::<Q> as ShapeOf), shape::<A> as ShapeOf);
    Route { method, path, summary, query: &[], request, status, answer, run: Box::new(run) }
}

/// No body.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const NAMESPACE: (&str, &str) = ("namespace", "The namespace of the name; `default` without it.");
const NAMED: Query = &[NAMESPACE];

/// The table.
pub(crate) fn all() -> Vec<Route> {
    let (get, post, delete, patch) = (Method::GET, Method::POST, Method::DELETE, Method::PATCH);
    vec![
        plain(get.clone(), "/v1/sandboxes", "List sandboxes", sandboxes::list)
            .query(&[("namespace", "Only this namespace.")]),
        asks(post.clone(), "/v1/sandboxes", "Create a sandbox, or fork one from a snapshot", sandboxes::create)
            .created(),
        plain(get.clone(), "/v1/sandboxes/{sandbox}", "Show a sandbox", sandboxes::show).query(NAMED),
        asks(patch, "/v1/sandboxes/{sandbox}", "Change when a sandbox's time is over", sandboxes::change).query(NAMED),
        plain(delete.clone(), "/v1/sandboxes/{sandbox}", "Delete a sandbox", sandboxes::delete)
            .query(&[NAMESPACE, ("snapshots", "`true` deletes its snapshots too.")]),
        plain(post.clone(), "/v1/sandboxes/{sandbox}/pause", "Save memory and disk, and stop", sandboxes::pause)
            .query(NAMED),
        asks(post.clone(), "/v1/sandboxes/{sandbox}/resume", "Go on where it was, or boot", sandboxes::resume)
            .query(NAMED),
        asks(post.clone(), "/v1/sandboxes/{sandbox}/rollback", "Go back to a snapshot", snapshots::rollback)
            .query(NAMED),
        asks(post.clone(), "/v1/sandboxes/{sandbox}/fork", "Start others where it is", fork::fork)
            .query(NAMED)
            .created(),
        asks(post.clone(), "/v1/sandboxes/{sandbox}/snapshots", "Take a snapshot", snapshots::take)
            .query(NAMED)
            .created(),
        plain(get.clone(), "/v1/sandboxes/{sandbox}/history", "Tell a sandbox's life", sandboxes::history).query(NAMED),
        plain(get.clone(), "/v1/snapshots", "List snapshots", snapshots::list)
            .query(&[NAMESPACE, ("sandbox", "Only those of this sandbox: its id or name.")]),
        plain(get.clone(), "/v1/snapshots/{snapshot}", "Show a snapshot", snapshots::show),
        plain(delete, "/v1/snapshots/{snapshot}", "Delete a snapshot", snapshots::delete),
        asks(post.clone(), "/v1/snapshots/{snapshot}/fork", "Start sandboxes from a snapshot", fork::fork_snapshot)
            .created(),
        plain(
            get.clone(),
            "/v1/snapshots/{snapshot}/outside",
            "Tell what going back to a snapshot would not undo",
            snapshots::outside,
        )
        .query(&[NAMESPACE, ("sandbox", "The sandbox that would go back; without it, the snapshot's own.")]),
        asks(post.clone(), "/v1/diff", "Compare two states", diff::diff),
        plain(get.clone(), "/v1/pools", "List pools", sandboxes::pools),
        asks(post, "/v1/pools/{pool}/claim", "Take a sandbox out of a pool", sandboxes::claim).created(),
        plain(get, "/v1/openapi.json", "Describe this API", openapi::serve),
    ]
}
