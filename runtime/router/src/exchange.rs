//! One exchange with a server in a sandbox.

use http::{HeaderValue, Request, Response, Uri, Version, header, uri};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Refusal, limits};

/// Addresses a request to a port of the sandbox's loopback, with the path as it was written.
pub fn address<B>(request: &mut Request<B>, port: u16) {
    let host = format!("localhost:{port}");
    let mut parts = uri::Parts::default();
    parts.path_and_query = request.uri().path_and_query().cloned();
    let (Ok(authority), Ok(value)) = (host.parse(), HeaderValue::from_str(&host)) else { return };
    if request.version() == Version::HTTP_2 {
        parts.scheme = Some(uri::Scheme::HTTP);
        parts.authority = Some(authority);
        request.headers_mut().remove(header::HOST);
    } else {
        request.headers_mut().insert(header::HOST, value);
    }
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Sends a request over a connection of its own, in the request's version of HTTP.
///
/// # Errors
/// The server at `port` broke off.
pub async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, port: u16, request: Request<Incoming>,
) -> Result<Response<Incoming>, Refusal> {
    let broke_off =
        |error: hyper::Error| Refusal::Failed(format!("the server at port {port} of the sandbox broke off: {error}"));
    send(stream, request).await.map_err(broke_off)
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, request: Request<Incoming>,
) -> Result<Response<Incoming>, hyper::Error> {
    let io = TokioIo::new(stream);
    if request.version() == Version::HTTP_2 {
        let mut client = http2::Builder::new(TokioExecutor::new());
        client.max_header_list_size(limits::HEAD_BYTES);
        let (mut sender, connection) = client.handshake(io).await?;
        tokio::spawn(connection);
        return sender.send_request(request).await;
    }
    let mut client = http1::Builder::new();
    client.max_buf_size(limits::HEAD_BYTES as usize);
    let (mut sender, connection) = client.handshake(io).await?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await
}
