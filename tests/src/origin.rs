//! A host that is out there: one origin by TLS and one by plain HTTP, whose answers one handler gives.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use exeat_demo::{Authority, Body, Recorder, Seen, full};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// What answers.
pub type Handler = Arc<dyn Fn(Request<Body>) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Send + Sync>;

/// A handler from an async closure.
pub fn handler<F, A>(answer: F) -> Handler
where
    F: Fn(Request<Body>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    Arc::new(move |request| Box::pin(answer(request)))
}

/// A handler that reads what it is sent and answers with `text`.
pub fn text(text: &'static str) -> Handler {
    handler(move |request| async move {
        let _ = request.into_body().collect().await;
        Response::new(full(text))
    })
}

/// An origin. It ends when it is dropped.
pub struct Origin {
    tls: Recorder,
    plain: Plain,
}

impl Origin {
    /// Starts to answer as `host`.
    pub async fn start(authority: &Authority, host: &str, handler: Handler) -> Self {
        let plain = Plain::start(Arc::clone(&handler)).await;
        let tls = Recorder::start(authority, &[host], move |request| handler(request)).await.unwrap();
        Origin { tls, plain }
    }

    /// Where it speaks TLS.
    pub fn tls(&self) -> SocketAddr {
        self.tls.address()
    }

    /// Where it speaks plain HTTP.
    pub fn plain(&self) -> SocketAddr {
        self.plain.address
    }

    /// Every request that came, by TLS and then plain.
    pub fn seen(&self) -> Vec<Seen> {
        let plain = self.plain.seen.lock().unwrap();
        self.tls.seen().into_iter().chain(plain.iter().cloned()).collect()
    }

    /// How many connections it took, whether or not a request came over them.
    pub fn connections(&self) -> usize {
        self.tls.connections() + self.plain.connections.load(Ordering::SeqCst)
    }
}

/// HTTP/1.1 without TLS. It reads each request whole, so that one which breaks off is seen too.
struct Plain {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Plain {
    async fn start(handler: Handler) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(stream, Arc::clone(&handler), Arc::clone(&log)));
            }
        });
        Plain { address, seen, connections, accepting: accepting.abort_handle() }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, handler: Handler, log: Arc<Mutex<Vec<Seen>>>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, log) = (Arc::clone(&handler), Arc::clone(&log));
        async move {
            let (parts, body) = request.into_parts();
            let collected = body.collect().await;
            let complete = collected.is_ok();
            let body = collected.map(|whole| whole.to_bytes()).unwrap_or_default();
            log.lock().unwrap().push(seen(&parts, &body, complete));
            Ok::<_, Infallible>(handler(Request::from_parts(parts, full(body))).await)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn seen(parts: &http::request::Parts, body: &Bytes, complete: bool) -> Seen {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let written = parts.uri.authority().map(ToString::to_string);
    Seen {
        method: parts.method.to_string(),
        version: format!("{:?}", parts.version),
        server_name: None,
        authority: written.or_else(|| parts.headers.get("host").map(text)).unwrap_or_default(),
        target: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body_length: body.len() as u64,
        body_sha256: hex::encode(<sha2::Sha256 as sha2::Digest>::digest(body)),
        body: body.clone(),
        complete,
    }
}

/// A body whose chunks a test sends when it likes. It ends when the sender is dropped.
pub fn fed() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Fed(receiver).boxed_unsync())
}

struct Fed(mpsc::Receiver<Bytes>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
