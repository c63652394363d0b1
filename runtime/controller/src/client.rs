//! A client of the API server: all calls on one connection (HTTP/2), and no faster than it is told to.
//!
//! kube's own speaks HTTP/1.1, where every call that is under way has a connection: a burst of claims would begin with as many
//! TLS handshakes, which cost both sides more than the calls.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};
use tower::{BoxError, Layer, Service, ServiceBuilder};

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// How often a connection is asked whether it is still there while something is under way: a watch can be silent for long.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long it may take to answer that.
const PING_TIME: Duration = Duration::from_secs(15);
/// What the API server may send of one answer, and of all together, before it is read.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// A client of the cluster that `KUBECONFIG` names, or that this process runs in. `qps` below 0 sets no limit; else so many
/// calls a second, and `burst` of them at once.
///
/// # Errors
/// No cluster is named, or what names it makes no sense.
pub async fn client(qps: f32, burst: u32) -> Result<Client, kube::Error> {
    // Whoever else in this process has chosen one has chosen the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    let pace = (qps > 0.0).then(|| Pace::new(qps, burst));
    let service = ServiceBuilder::new()
        .layer(tower::util::option_layer(pace))
        .layer(config.base_uri_layer())
        .layer(tower::util::option_layer(config.auth_layer()?))
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http(connector(&config)?));
    Ok(Client::new(service, config.default_namespace))
}

fn http(connector: HttpsConnector<HttpConnector>) -> legacy::Client<HttpsConnector<HttpConnector>, Body> {
    legacy::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_TIME)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .build(connector)
}

fn connector(config: &Config) -> Result<HttpsConnector<HttpConnector>, kube::Error> {
    if let Some(proxy) = &config.proxy_url {
        return Err(kube::Error::ProxyProtocolUnsupported { proxy_url: Box::new(proxy.clone()) });
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Also of a connection that speaks HTTP/1.1, where nothing can be asked.
    tcp.set_keepalive(Some(PING_EVERY));
    tcp.set_keepalive_interval(Some(PING_TIME));
    tcp.set_keepalive_retries(Some(3));
    tcp.set_connect_timeout(config.connect_timeout.or(Some(CONNECT_TIME)));
    let mut tls = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into().map_err(|error| kube::Error::Service(Box::new(error)))?;
        tls = tls.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(tls.enable_all_versions().wrap_connector(tcp))
}

/// Lets so many calls through in a second.
#[derive(Clone)]
struct Pace {
    between: Duration,
    burst: u32,
    /// When the next call would go if calls had always come as fast as they may.
    next: Arc<Mutex<Instant>>,
}

impl Pace {
    fn new(qps: f32, burst: u32) -> Self {
        Pace {
            between: Duration::from_secs_f32(1.0 / qps),
            burst: burst.max(1),
            next: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Waits until one more call may go (generic cell rate algorithm).
    async fn wait(&self) {
        let at = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let at = (*next).max(now);
            *next = at + self.between;
            at.checked_sub(self.between * (self.burst - 1)).unwrap_or(now)
        };
        sleep_until(at).await;
    }
}

impl<S> Layer<S> for Pace {
    type Service = Paced<S>;

    fn layer(&self, inner: S) -> Paced<S> {
        Paced { pace: self.clone(), inner }
    }
}

/// A service that is called no faster than it may be.
#[derive(Clone)]
struct Paced<S> {
    pace: Pace,
    inner: S,
}

impl<S, R> Service<R> for Paced<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // Nothing is sent before this is awaited.
        let (pace, calling) = (self.pace.clone(), self.inner.call(request));
        Box::pin(async move {
            pace.wait().await;
            calling.await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_pace() {
        let pace = Pace::new(10.0, 3);
        let began = Instant::now();
        let mut went = Vec::new();
        for _ in 0..5 {
            pace.wait().await;
            // Timers go off up to a millisecond late.
            went.push(began.elapsed().as_millis() / 10 * 10);
        }
        assert_eq!(went, [0, 0, 0, 100, 200]);
    }
}
