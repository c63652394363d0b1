//! The way of one request.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::body::Relayed;
use crate::headers::{set_upgrade, strip, upgrade};
use crate::{Ask, Backend, Body, Refusal, Token, Visit, full, limits, serve};

/// The way in to the sandboxes of a backend.
pub struct Router<B> {
    backend: B,
    token: Arc<Token>,
}

impl<B: Backend> Router<B> {
    /// For those who have the token.
    pub fn new(backend: B, token: Arc<Token>) -> Arc<Self> {
        Arc::new(Router { backend, token })
    }

    /// Serves until `stop`.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        serve(listener, stop, move |request| {
            let router = Arc::clone(&self);
            async move { router.answer(request).await }
        })
        .await;
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if request.method() == Method::GET && request.uri().path() == "/healthz" {
            return Response::new(full(r#"{"status":"ok"}"#));
        }
        if !self.token.permits(request.headers()) {
            return Refusal::Unauthorized.response();
        }
        match Ask::read(request.headers()) {
            Ok(ask) => self.forward(&ask, request).await,
            Err(refusal) => refusal.response(),
        }
    }

    /// Sends a request where it is for. Who sends it may do so.
    pub(crate) async fn forward(&self, ask: &Ask, request: Request<Incoming>) -> Response<Body> {
        match self.pass(ask, request).await {
            Ok(response) => response,
            Err(refusal) => {
                tracing::debug!(%refusal, "a request goes nowhere");
                refusal.response()
            }
        }
    }

    async fn pass(&self, ask: &Ask, mut request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let protocol = upgrade(request.headers());
        let client = protocol.is_some().then(|| on(&mut request));
        strip(request.headers_mut());
        if let Some(protocol) = protocol {
            set_upgrade(request.headers_mut(), protocol);
        }
        let exchange = async {
            let visit = self.backend.enter(&ask.target).await?;
            let response = visit.send(ask.port, request).await?;
            Ok((visit, response))
        };
        let late = |_| Refusal::TimedOut(ask.timeout.as_secs());
        let (visit, response) = timeout(ask.timeout, exchange).await.map_err(late)??;
        Ok(relay(visit, response, client))
    }
}

/// The sandbox's answer as the client gets it.
fn relay<V: Visit>(visit: V, mut response: Response<Incoming>, client: Option<OnUpgrade>) -> Response<Body> {
    let protocol: Option<HeaderValue> = upgrade(response.headers());
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    strip(response.headers_mut());
    let (Some(client), Some(protocol), true) = (client, protocol, upgraded) else {
        return response.map(|body| Relayed::new(body, limits::IDLE_TIME, visit).boxed_unsync());
    };
    let sandbox = on(&mut response);
    tokio::spawn(tunnel(client, sandbox, visit));
    let (mut parts, _) = response.into_parts();
    set_upgrade(&mut parts.headers, protocol);
    Response::from_parts(parts, full(""))
}

/// Carries what both sides say after they have changed the protocol.
async fn tunnel<V: Visit>(client: OnUpgrade, sandbox: OnUpgrade, visit: V) {
    let Ok((client, sandbox)) = tokio::try_join!(client, sandbox) else { return };
    let (mut client, mut sandbox) = (TokioIo::new(client), TokioIo::new(sandbox));
    let bytes = limits::TUNNEL_BYTES;
    let _ = copy_bidirectional_with_sizes(&mut client, &mut sandbox, bytes, bytes).await;
    drop(visit);
}
