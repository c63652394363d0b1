//! An HTTP server with limits, for the router and for the API server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Body, limits};

/// Answers requests in HTTP/1.1 and HTTP/2 until `stop`, then ends the connections.
pub async fn serve<Handler, Answer>(listener: TcpListener, stop: CancellationToken, handler: Handler)
where
    Handler: Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let tasks = TaskTracker::new();
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (serving, stop) = (connection(stream, handler.clone()), stop.clone());
                    tasks.spawn(async move {
                        tokio::select! { () = serving => {}, () = stop.cancelled() => {} }
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
    tasks.close();
    tasks.wait().await;
}

async fn connection<Handler, Answer>(stream: TcpStream, handler: Handler)
where
    Handler: Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Response<Body>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(limits::HEAD_TIME);
    server.http1().max_buf_size(limits::HEAD_BYTES as usize);
    server.http2().timer(TokioTimer::new()).max_concurrent_streams(limits::STREAMS);
    server.http2().max_header_list_size(limits::HEAD_BYTES);
    if let Err(error) = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(error = &*error, "a connection ended early");
    }
}
