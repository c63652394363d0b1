//! The origin that is measured against: the least that an HTTPS server can do, so that the proxy's share shows.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use clap::Args;
use exeat_demo::Authority;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Result;
use crate::process::ready;

/// As large as the answer of a small API call.
const ANSWER: Bytes = Bytes::from_static(&[b'x'; 128]);

/// Asked here, the origin says what it counted, as JSON.
pub(crate) const COUNTS_PATH: &str = "/.counts";

/// What the origin is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The DNS name on its certificate.
    #[arg(long, default_value = "bench.example")]
    name: String,
    /// Where to write the certificate of its authority.
    #[arg(long)]
    ca_out: PathBuf,
    /// Answer 401 to requests whose `authorization` is another than this.
    #[arg(long)]
    authorization: Option<HeaderValue>,
    /// Offer HTTP/1.1 only, and not h2 as well.
    #[arg(long)]
    http1: bool,
}

/// What the origin counts.
#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    refused: AtomicU64,
}

/// Serves until the process ends.
pub(crate) async fn run(options: Options) -> Result<()> {
    let authority = Authority::new()?;
    std::fs::write(&options.ca_out, authority.ca_pem())?;
    let mut tls = authority.server_config(&[&options.name])?;
    if options.http1 {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    ready(listener.local_addr()?.port())?;
    let counts = Arc::new(Counts::default());
    let required: Option<Arc<HeaderValue>> = options.authorization.map(Arc::new);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, acceptor.clone(), required.clone(), Arc::clone(&counts)));
    }
}

/// Serves one connection. The load notices whatever breaks here.
async fn serve(stream: TcpStream, acceptor: TlsAcceptor, required: Option<Arc<HeaderValue>>, counts: Arc<Counts>) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| {
        let response = answer(&request, required.as_deref(), &counts);
        async move { Ok::<_, Infallible>(response) }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn answer(request: &Request<Incoming>, required: Option<&HeaderValue>, counts: &Counts) -> Response<Full<Bytes>> {
    if request.uri().path() == COUNTS_PATH {
        let [answered, refused] = [&counts.answered, &counts.refused].map(|count| count.load(Ordering::Relaxed));
        let counted = serde_json::json!({ "answered": answered, "refused": refused });
        return Response::new(Full::from(counted.to_string()));
    }
    if required.is_some_and(|required| request.headers().get(header::AUTHORIZATION) != Some(required)) {
        counts.refused.fetch_add(1, Ordering::Relaxed);
        let mut refusal = Response::new(Full::from("the request carries no, or another, `authorization`"));
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        return refusal;
    }
    counts.answered.fetch_add(1, Ordering::Relaxed);
    Response::new(Full::from(ANSWER))
}
