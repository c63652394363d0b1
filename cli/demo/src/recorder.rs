//! The TLS front of every origin: it ends TLS, writes down each request, and passes it to a handler.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::body::{Body, full};
use crate::error::Doing;
use crate::seen::Log;
use crate::{Authority, Error, Seen};

/// What answers the requests that a recorder passes on.
pub(crate) type Handler =
    Arc<dyn Fn(Request<Body>) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Send + Sync>;

/// After a failed `accept` (too many open files, say) the listener rests, so that it does not spin.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A TLS server on loopback that records every request before a handler answers it.
///
/// It speaks HTTP/1.1 and h2, as the client chooses, and streams in both directions.
pub struct Recorder {
    address: SocketAddr,
    log: Log,
    connections: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Recorder {
    /// Listens on a free port of 127.0.0.1 with a certificate for `names`, inside the current tokio runtime.
    ///
    /// # Errors
    /// If there is no certificate for the names, or no port.
    pub async fn start<F, A>(authority: &Authority, names: &[&str], handler: F) -> Result<Self, Error>
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let acceptor = TlsAcceptor::from(Arc::new(authority.server_config(names)?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.doing("listen on loopback")?;
        let address = listener.local_addr().doing("listen on loopback")?;
        let log = Log::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        let front = Front { acceptor, log: log.clone(), handler };
        let accepting = tokio::spawn(accept(listener, front, Arc::clone(&connections))).abort_handle();
        Ok(Recorder { address, log, connections, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request since the start or the last [`clear`](Self::clear), in the order of arrival. A request is here
    /// from its head on; [`Seen::complete`] says whether its body has been read.
    pub fn seen(&self) -> Vec<Seen> {
        self.log.seen()
    }

    /// How many TCP connections it has taken since the start, whether or not a request came over them: a test that
    /// says "nothing went out" asks this too.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Forgets what was seen.
    pub fn clear(&self) {
        self.log.clear();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The task owns the connections, so they end with it.
        self.accepting.abort();
    }
}

/// What each connection needs.
#[derive(Clone)]
struct Front {
    acceptor: TlsAcceptor,
    log: Log,
    handler: Handler,
}

async fn accept(listener: TcpListener, front: Front, count: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    count.fetch_add(1, Ordering::Relaxed);
                    connections.spawn(front.clone().serve(stream));
                }
                Err(_) => tokio::time::sleep(ACCEPT_REST).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Front {
    /// Serves one connection. What goes wrong on it (a client that trusts another authority, one that hangs up) is
    /// the client's to report.
    async fn serve(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Ok(stream) = self.acceptor.accept(stream).await else { return };
        let server_name: Option<Arc<str>> = stream.get_ref().1.server_name().map(Arc::from);
        let service = service_fn(move |request| {
            let (front, server_name) = (self.clone(), server_name.clone());
            async move { Ok::<_, Infallible>(front.record(request, server_name.as_deref()).await) }
        });
        let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    }

    async fn record(&self, request: Request<Incoming>, server_name: Option<&str>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        match self.log.open(&parts, body, server_name) {
            Some(body) => (self.handler)(Request::from_parts(parts, body.boxed_unsync())).await,
            None => answer(StatusCode::SERVICE_UNAVAILABLE, "the recorder is full: call `clear()` between steps\n"),
        }
    }
}

/// A short answer in plain text.
pub(crate) fn answer(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(full(text.into()));
    *response.status_mut() = status;
    response
}
