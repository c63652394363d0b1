//! An HTTP server with limits, for the router and for the API server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Body, limits};

/// Where a request comes from, in its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Peer {
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Peer> {
        request.extensions().get().copied()
    }
}

/// Answers requests in HTTP/1.1 and HTTP/2 until `stop`, then ends the connections.
pub async fn serve<Handler, Answer>(listener: TcpListener, stop: CancellationToken, handler: Handler)
where
    Handler: Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Response<Body>> + Send + 'static,
{
    serve_until_done(listener, stop, Duration::ZERO, handler).await;
}

/// The same, but connections end once they have answered what has begun, within `rest`. Says how long that took.
pub(crate) async fn serve_until_done<Handler, Answer>(
    listener: TcpListener, stop: CancellationToken, rest: Duration, handler: Handler,
) -> Duration
where
    Handler: Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let serving = connection(stream, peer, handler.clone(), stop.clone());
                    let cut = cut.clone();
                    tasks.spawn(async move {
                        tokio::select! { () = serving => {}, () = cut.cancelled() => {} }
                        drop(place);
                    });
                }
                // Out of descriptors, most likely: others must finish before one more can begin.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    tokio::select! { () = accepting => {}, () = stop.cancelled() => {} }
    drop(listener);
    let stopped = Instant::now();
    tasks.close();
    if timeout(rest, tasks.wait()).await.is_err() {
        cut.cancel();
        tasks.wait().await;
    }
    stopped.elapsed()
}

async fn connection<Handler, Answer>(stream: TcpStream, peer: SocketAddr, handler: Handler, stop: CancellationToken)
where
    Handler: Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Response<Body>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(limits::HEAD_TIME);
    server.http1().max_buf_size(limits::HEAD_BYTES as usize);
    server.http2().timer(TokioTimer::new()).max_concurrent_streams(limits::STREAMS);
    server.http2().max_header_list_size(limits::HEAD_BYTES);
    let mut serving = pin!(server.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &*error, "a connection ended early");
    }
}
