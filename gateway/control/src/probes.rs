//! What those who watch a gateway ask it: `/healthz`, `/readyz` and `/metrics`, over plain HTTP, and nothing else.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Those who watch are few.
const CONNECTIONS: usize = 64;
/// How long a question may take to arrive, and a connection may be idle.
const TIME: Duration = Duration::from_secs(30);

/// Who is watched.
pub trait Probed: Send + Sync + 'static {
    /// Whether it should be given work.
    ///
    /// # Errors
    /// Why not, in a line.
    fn ready(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;

    /// What it counts, as Prometheus reads it.
    fn metrics(&self) -> String;
}

/// Answers until dropped.
pub async fn serve_probes(listener: TcpListener, probed: Arc<dyn Probed>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let probed = Arc::clone(&probed);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let probed = Arc::clone(&probed);
                async move { Ok::<_, Infallible>(answer(&request, probed.as_ref()).await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(TIME);
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

async fn answer(request: &Request<Incoming>, probed: &dyn Probed) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" => match probed.ready().await {
            Ok(()) => text(StatusCode::OK, "text/plain", "ok\n".to_owned()),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{why}\n")),
        },
        "/metrics" => text(StatusCode::OK, "text/plain; version=0.0.4", probed.metrics()),
        _ => text(StatusCode::NOT_FOUND, "text/plain", "there are /healthz, /readyz and /metrics\n".to_owned()),
    }
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
