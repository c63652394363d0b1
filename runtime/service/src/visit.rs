//! Requests that are handed on to a sandbox's own sandboxd: commands, files, ports. The sandbox is woken by it, and
//! stays awake until the last byte of the answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use exeat_control::Answer;
use exeat_inside::framing::{Unframe, frame};
use exeat_inside::process::{ExecuteRequest, ProcessConfig, StartRequest, path};
use exeat_inside::{Api, limits as inside};
use exeat_lifecycle::SandboxId;
use exeat_supervisor::Visit;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use prost::Message;

use crate::problem::Problem;
use crate::service::{SANDBOX, Service};

impl Service {
    /// Hands a request on. Whoever speaks to this socket owns the sandboxes, so no API of theirs is closed to it.
    pub(crate) async fn visit(&self, api: Api, request: Request<Incoming>) -> Response<Answer> {
        self.hand_on(api, request).await.unwrap_or_else(|problem| match api {
            Api::Grpc | Api::Exeat => problem.grpc(),
            Api::Rest | Api::Legacy => problem.answer(),
        })
    }

    async fn hand_on(&self, api: Api, mut request: Request<Incoming>) -> Result<Response<Answer>, Problem> {
        let said = request.headers_mut().remove(SANDBOX);
        let said = said.as_ref().and_then(|said| said.to_str().ok());
        let said = said.ok_or_else(|| Problem::input(format!("the header `{SANDBOX}` does not say which sandbox")))?;
        let (namespace, name) = said.split_once('/').unwrap_or(("default", said));
        let id = self.sandbox(namespace, name)?.id;
        let visit = self.supervisor.enter(&id).await?;
        if request.method() == Method::CONNECT {
            return connect(visit, request).await;
        }
        let answer = match (api, request.uri().path()) {
            (Api::Grpc, path::START) => self.run::<StartRequest>(&visit, &id, request).await?,
            (Api::Grpc, path::EXECUTE) => self.run::<ExecuteRequest>(&visit, &id, request).await?,
            _ => visit.forward(api, request).await?,
        };
        Ok(answer.map(|body| Held { body, _visit: visit }.map_err(Into::into).boxed_unsync()))
    }

    /// Hands on a command, after its words have been written down.
    async fn run<M: Runs>(
        &self, visit: &Visit, id: &SandboxId, request: Request<Incoming>,
    ) -> Result<Response<Incoming>, Problem> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, inside::MESSAGE_BYTES + 5).collect().await;
        let body = body.map_err(|error| Problem::input(format!("the command cannot be read: {error}")))?;
        let mut unframe = Unframe::default();
        unframe.push(&body.to_bytes());
        let misframed = |error: exeat_inside::framing::Misframed| Problem::input(error.to_string());
        let message: M = unframe.take().map_err(misframed)?.ok_or_else(|| Problem::input("no command is given"))?;
        let words = message.config().map(|config| config.command.as_slice()).unwrap_or_default();
        self.supervisor.record_exec(id, words).await?;
        // What goes in is what was read, and nothing that stood behind it.
        Ok(visit.forward(Api::Grpc, Request::from_parts(head, Full::new(frame(&message)))).await?)
    }
}

/// A message that runs a command.
trait Runs: Message + Default {
    fn config(&self) -> Option<&ProcessConfig>;
}

impl Runs for StartRequest {
    fn config(&self) -> Option<&ProcessConfig> {
        self.config.as_ref()
    }
}

impl Runs for ExecuteRequest {
    fn config(&self) -> Option<&ProcessConfig> {
        self.config.as_ref()
    }
}

/// Raw bytes between the client and a port inside.
async fn connect(visit: Visit, request: Request<Incoming>) -> Result<Response<Answer>, Problem> {
    let port = request.uri().port_u16().ok_or_else(|| Problem::input("no port is given to connect to"))?;
    let mut inner = visit.connect(port).await?;
    tokio::spawn(async move {
        if let Ok(outer) = hyper::upgrade::on(request).await {
            // How it ended, both ends see for themselves.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(outer), &mut inner).await;
        }
        drop(visit);
    });
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

/// An answer's body that keeps its sandbox awake.
struct Held {
    body: Incoming,
    _visit: Visit,
}

impl Body for Held {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>, context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }
}
