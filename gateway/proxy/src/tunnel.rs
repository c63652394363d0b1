//! What CONNECT opens: TLS that ends here, or plain HTTP. Nothing else leaves through it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use exeat_core::{Authority, Cause, Refusal, Scheme, limits};
use exeat_tls::TerminateError;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::door::{Door, serve};
use crate::{Gateway, Guest, record, refuse};

/// The first byte of a TLS record that holds a handshake message (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves the tunnel to `authority`, once the client has been told that it stands.
///
/// The type is written out because a tunnel serves requests, and requests open tunnels.
pub(crate) fn open(
    gateway: Arc<Gateway>, guest: Arc<Guest>, authority: Authority, request: hyper::Request<Incoming>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let connect = record::as_received(&request);
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut stream = TokioIo::new(upgraded);
        let first = tokio::time::timeout(limits::REQUEST_HEAD_TIME, stream.read_u8()).await;
        let Ok(Ok(first)) = first else { return };
        let stream = Unread { first: Some(first), rest: stream };
        if first != TLS_HANDSHAKE {
            return serve(gateway, stream, Door::Tunnel(guest, Scheme::Http, authority)).await;
        }
        match gateway.termination.accept(stream, &authority.host).await {
            Ok(stream) => serve(gateway, stream, Door::Tunnel(guest, Scheme::Https, authority)).await,
            Err(TerminateError::Misdirected(sni)) => {
                let cause = Cause::Misdirected(authority.to_string(), sni);
                // There is no HTTP to answer in: the connection just ends, and the journal says why.
                refuse::outright(&gateway, Some(&guest), Some(connect), Refusal::new(cause)).await;
            }
            Err(error) => tracing::debug!(%authority, %error, "a tunnel's TLS was not ended"),
        }
    })
}

/// Serves `door` in a tunnel, once the client has been told that it stands.
pub(crate) fn to_ourselves(
    gateway: Arc<Gateway>, door: Door, request: hyper::Request<Incoming>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            serve(gateway, TokioIo::new(upgraded), door).await;
        }
    })
}

/// A stream of which one byte has been read to see what it carries.
struct Unread<S> {
    first: Option<u8>,
    rest: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Unread<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if out.remaining() > 0
            && let Some(first) = self.first.take()
        {
            out.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.rest).poll_read(cx, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unread<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.rest).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_shutdown(cx)
    }
}
