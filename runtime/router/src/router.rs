//! The way of one request.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::Relayed;
use crate::figures::{Figures, Flight};
use crate::headers::{set_upgrade, strip, upgrade};
use crate::serve::{Peer, serve_until_done};
use crate::{Ask, Backend, Body, Doorkeeper, Refusal, Token, Visit, full, limits};

/// The way in to the sandboxes of a backend.
pub struct Router<B, D = Token> {
    backend: B,
    door: Arc<D>,
    figures: Figures,
    tunnels: TaskTracker,
}

/// Being in a sandbox, and being counted.
type Stay<V> = (V, Flight);

impl<B: Backend, D: Doorkeeper> Router<B, D> {
    /// For those whom `door` lets in.
    pub fn new(backend: B, door: Arc<D>) -> Arc<Self> {
        Arc::new(Router { backend, door, figures: Figures::default(), tunnels: TaskTracker::new() })
    }

    /// Serves until `stop`, and then for at most so long as `rest` what has begun.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken, rest: Duration) {
        let router = Arc::clone(&self);
        let answering = serve_until_done(listener, stop, rest, move |request| {
            let router = Arc::clone(&router);
            async move { router.answer(request).await }
        });
        let begun = answering.await;
        self.tunnels.close();
        let _ = timeout(rest.saturating_sub(begun), self.tunnels.wait()).await;
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let for_a_sandbox = request.headers().contains_key("x-sandbox-id");
        if request.method() == Method::GET
            && !for_a_sandbox
            && let Some(response) = self.own(request.uri().path())
        {
            return response;
        }
        let flight = self.figures.begin();
        let response = match self.judge(request.headers(), Peer::of(&request)).await {
            Ok(ask) => self.forward(&ask, request, flight).await,
            Err(refusal) => refusal.response(),
        };
        self.figures.answered(response.status());
        response
    }

    /// What is asked of the router itself, by probes and by those who collect figures.
    fn own(&self, path: &str) -> Option<Response<Body>> {
        let (status, kind, text) = match path {
            "/healthz" => (StatusCode::OK, "application/json", r#"{"status":"ok"}"#.to_owned()),
            "/readyz" if self.backend.is_ready() => {
                (StatusCode::OK, "application/json", r#"{"status":"ok"}"#.to_owned())
            }
            "/readyz" => {
                let text = r#"{"status":"the sandboxes are not known yet"}"#;
                (StatusCode::SERVICE_UNAVAILABLE, "application/json", text.to_owned())
            }
            "/metrics" => (StatusCode::OK, "application/openmetrics-text; version=1.0.0", self.figures.text()),
            _ => return None,
        };
        let mut response = Response::new(full(text));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Some(response)
    }

    /// Who asks comes before what he asks for, so that a stranger learns nothing.
    async fn judge(&self, headers: &HeaderMap, peer: Option<Peer>) -> Result<Ask, Refusal> {
        let guest = self.door.recognise(headers, peer.map(|Peer(address)| address)).await?;
        let ask = Ask::read(headers)?;
        self.door.admit(&guest, &ask.target).await?;
        Ok(ask)
    }

    /// Sends a request where it is for. Who sends it may do so.
    pub(crate) async fn forward_permitted(&self, ask: &Ask, request: Request<Incoming>) -> Response<Body> {
        let response = self.forward(ask, request, self.figures.begin()).await;
        self.figures.answered(response.status());
        response
    }

    async fn forward(&self, ask: &Ask, request: Request<Incoming>, flight: Flight) -> Response<Body> {
        match self.pass(ask, request, flight).await {
            Ok(response) => response,
            Err(refusal) => {
                tracing::debug!(%refusal, "a request goes nowhere");
                refusal.response()
            }
        }
    }

    async fn pass(&self, ask: &Ask, mut request: Request<Incoming>, flight: Flight) -> Result<Response<Body>, Refusal> {
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
        Ok(self.relay((visit, flight), response, client))
    }

    /// The sandbox's answer as the client gets it.
    fn relay(
        &self, stay: Stay<B::Visit>, mut response: Response<Incoming>, client: Option<OnUpgrade>,
    ) -> Response<Body> {
        let protocol: Option<HeaderValue> = upgrade(response.headers());
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        strip(response.headers_mut());
        let (Some(client), Some(protocol), true) = (client, protocol, upgraded) else {
            return response.map(|body| Relayed::new(body, limits::IDLE_TIME, stay).boxed_unsync());
        };
        let sandbox = on(&mut response);
        self.tunnels.spawn(tunnel(client, sandbox, stay));
        let (mut parts, _) = response.into_parts();
        set_upgrade(&mut parts.headers, protocol);
        Response::from_parts(parts, full(""))
    }
}

/// Carries what both sides say after they have changed the protocol.
async fn tunnel<V: Visit>(client: OnUpgrade, sandbox: OnUpgrade, stay: Stay<V>) {
    let Ok((client, sandbox)) = tokio::try_join!(client, sandbox) else { return };
    let (mut client, mut sandbox) = (TokioIo::new(client), TokioIo::new(sandbox));
    let bytes = limits::TUNNEL_BYTES;
    let _ = copy_bidirectional_with_sizes(&mut client, &mut sandbox, bytes, bytes).await;
    drop(stay);
}
