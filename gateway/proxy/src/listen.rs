//! Accepting: over a Unix socket, whose path is the identity, and over TCP, where a token is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use exeat_core::limits;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::door::{Door, Identity, serve};
use crate::{Gateway, Guest, Tokens};

/// Serves one session on its own socket until `stop`, then ends its connections.
pub async fn serve_unix(gateway: Arc<Gateway>, listener: UnixListener, guest: Arc<Guest>, stop: CancellationToken) {
    let connections = Arc::clone(&guest.connections);
    accept(
        connections,
        stop,
        || listener.accept(),
        |(stream, _)| serve(Arc::clone(&gateway), stream, Door::Proxy(Identity::Socket(Arc::clone(&guest)))),
    )
    .await;
}

/// Serves every session that has a token until `stop`.
pub async fn serve_tcp(gateway: Arc<Gateway>, listener: TcpListener, tokens: Arc<Tokens>, stop: CancellationToken) {
    let connections = Arc::new(Semaphore::new(limits::TCP_CONNECTIONS));
    accept(
        connections,
        stop,
        || listener.accept(),
        |(stream, _)| {
            let _ = stream.set_nodelay(true);
            serve(Arc::clone(&gateway), stream, Door::Proxy(Identity::Tokens(Arc::clone(&tokens))))
        },
    )
    .await;
}

async fn accept<T, Accepted, Served>(
    places: Arc<Semaphore>, stop: CancellationToken, mut next: impl FnMut() -> Accepted,
    mut serve: impl FnMut(T) -> Served,
) where
    Accepted: Future<Output = io::Result<T>>,
    Served: Future<Output = ()> + Send + 'static,
{
    let tasks = TaskTracker::new();
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match next().await {
                Ok(connection) => {
                    let (serving, stop) = (serve(connection), stop.clone());
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
