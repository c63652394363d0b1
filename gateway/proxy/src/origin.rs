//! The side towards origins: connections of one session, and the request as it is sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use exeat_core::{Authority, Cause, Scheme, limits};
use exeat_tls::OriginTls;
use http::Uri;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::dial::Dialer;
use crate::inspect::Inspected;

/// One session's connections to origins, kept alive between its requests.
pub(crate) struct Upstream {
    client: Client<Connector, Outgoing>,
    _place: OwnedSemaphorePermit,
}

impl Upstream {
    pub(crate) fn new(dialer: Arc<Dialer>, tls: OriginTls, place: OwnedSemaphorePermit) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits::IDLE_UPSTREAM_TIME)
            .pool_max_idle_per_host(limits::IDLE_UPSTREAM_CONNECTIONS)
            .http1_max_headers(limits::REQUEST_HEADERS)
            .http2_max_header_list_size(limits::REQUEST_HEAD_BYTES as u32)
            .build(Connector { dialer, tls });
        Upstream { client, _place: place }
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(
        &self, authority: &Authority, request: http::Request<Outgoing>,
    ) -> Result<http::Response<Incoming>, Cause> {
        let response = tokio::time::timeout(limits::RESPONSE_HEAD_TIME, self.client.request(request)).await;
        let bad = || Cause::BadUpstream(authority.to_string());
        response.map_err(|_| bad())?.map_err(|error| {
            tracing::debug!(%authority, %error, source = ?std::error::Error::source(&error), "the origin failed");
            cause_of(&error).unwrap_or_else(bad)
        })
    }
}

/// The cause that the connector gave, from under the client's own errors.
fn cause_of(error: &(dyn std::error::Error + 'static)) -> Option<Cause> {
    match error.downcast_ref::<Cause>() {
        Some(cause) => Some(cause.clone()),
        None => cause_of(error.source()?),
    }
}

/// Dials, and speaks TLS where the scheme asks for it.
#[derive(Clone)]
struct Connector {
    dialer: Arc<Dialer>,
    tls: OriginTls,
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<OriginStream>;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Connector { dialer, tls } = self.clone();
        Box::pin(async move { connect(&dialer, &tls, &uri).await.map(TokioIo::new) })
    }
}

async fn connect(dialer: &Dialer, tls: &OriginTls, uri: &Uri) -> Result<OriginStream, Cause> {
    let scheme = if uri.scheme_str() == Some("http") { Scheme::Http } else { Scheme::Https };
    let named = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let authority = Authority::parse(named, scheme.default_port()).map_err(exeat_core::Malformed::from)?;
    let stream = dialer.dial(&authority).await?;
    if scheme == Scheme::Http {
        return Ok(OriginStream::Plain(stream));
    }
    let unreachable = || Cause::Unreachable(authority.to_string());
    let host = authority.host.to_string();
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| unreachable())?;
    let handshake = TlsConnector::from(tls.config(&authority.host)).connect(name, stream);
    match tokio::time::timeout(limits::TLS_HANDSHAKE_TIME, handshake).await {
        Ok(Ok(stream)) => Ok(OriginStream::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::warn!(%authority, %error, "the origin did not prove its name");
            Err(unreachable())
        }
        Err(_) => Err(unreachable()),
    }
}

/// A connection to an origin.
enum OriginStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for OriginStream {
    fn connected(&self) -> Connected {
        match self {
            OriginStream::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            _ => Connected::new(),
        }
    }
}

impl AsyncRead for OriginStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            OriginStream::Plain(stream) => Pin::new(stream).poll_read(cx, out),
            OriginStream::Tls(stream) => Pin::new(stream).poll_read(cx, out),
        }
    }
}

impl AsyncWrite for OriginStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            OriginStream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            OriginStream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            OriginStream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            OriginStream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            OriginStream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            OriginStream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A request's body on its way out: first what was inspected, byte for byte, then the rest as it comes.
pub(crate) struct Outgoing {
    body: Inspected,
    sent: Arc<AtomicU64>,
}

impl Outgoing {
    /// The body, and the count of its bytes that have been handed to the connection.
    pub(crate) fn new(body: Inspected) -> (Self, Arc<AtomicU64>) {
        let sent = Arc::new(AtomicU64::new(0));
        (Outgoing { body, sent: Arc::clone(&sent) }, sent)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if !self.body.seen.is_empty() {
            let seen = std::mem::take(&mut self.body.seen);
            self.body._room = None;
            self.sent.fetch_add(seen.len() as u64, Ordering::Relaxed);
            return Poll::Ready(Some(Ok(Frame::data(seen))));
        }
        let Some(rest) = &mut self.body.rest else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(rest).poll_frame(cx));
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.sent.fetch_add(data.len() as u64, Ordering::Relaxed);
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                // Trailers end a body; those of requests are not forwarded.
                Err(_) => Poll::Ready(None),
            },
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.seen.is_empty() && self.body.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let seen = self.body.seen.len() as u64;
        let Some(rest) = &self.body.rest else { return SizeHint::with_exact(seen) };
        let (mut hint, rest) = (SizeHint::new(), rest.size_hint());
        hint.set_lower(rest.lower() + seen);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + seen);
        }
        hint
    }
}
