//! Where requests come in: at the proxy itself, or through a tunnel that CONNECT opened.

use std::convert::Infallible;
use std::sync::Arc;

use exeat_core::{Authority, Cause, Malformed, Refusal, Scheme, limits};
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::canonical::{self, Arrived};
use crate::framing::{Strict, Violation};
use crate::relay::Relayed;
use crate::{Gateway, Guest, Tokens, pass, refuse, tunnel};

/// How a client is known at the proxy's own door.
#[derive(Clone)]
pub(crate) enum Identity {
    /// The socket that it came through.
    Socket(Arc<Guest>),
    /// A token that it shows.
    Tokens(Arc<Tokens>),
}

/// A way in.
#[derive(Clone)]
pub(crate) enum Door {
    /// The proxy itself: CONNECT and absolute-form.
    Proxy(Identity),
    /// A tunnel to one authority; TLS has been ended where the scheme is `https`.
    Tunnel(Arc<Guest>, Scheme, Authority),
}

/// Serves one connection, HTTP/1.1 or HTTP/2, to its end.
pub(crate) async fn serve<S>(gateway: Arc<Gateway>, stream: S, door: Door)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tunnels = Tunnels::default();
    let opened = tunnels.clone();
    // What a connection opened ends with it, also where the listener's own end drops this future.
    let _end_tunnels = tunnels.stop.clone().drop_guard();
    let service = service_fn(move |request| {
        let (gateway, door, tunnels) = (Arc::clone(&gateway), door.clone(), opened.clone());
        // Boxed: hyper keeps the future inline in each connection, and idle connections should be small.
        Box::pin(async move { Ok::<_, Infallible>(enter(gateway, door, tunnels, request).await) })
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::REQUEST_HEAD_TIME)
        .max_buf_size(4 * limits::REQUEST_HEAD_BYTES)
        .max_headers(limits::REQUEST_HEADERS);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::H2_CONCURRENT_STREAMS)
        .max_header_list_size(limits::REQUEST_HEAD_BYTES as u32)
        .keep_alive_interval(limits::REQUEST_HEAD_TIME)
        .keep_alive_timeout(limits::REQUEST_HEAD_TIME);
    let connection = server.serve_connection_with_upgrades(TokioIo::new(Strict::new(stream)), service);
    if let Err(error) = connection.await {
        tracing::debug!(error, "a connection ended early");
    }
    tunnels.open.close();
    tunnels.open.wait().await;
}

/// The tunnels of one connection: one over HTTP/1.1, several over HTTP/2.
#[derive(Clone, Default)]
struct Tunnels {
    open: TaskTracker,
    stop: CancellationToken,
}

async fn enter(
    gateway: Arc<Gateway>, door: Door, tunnels: Tunnels, request: hyper::Request<Incoming>,
) -> Response<Relayed> {
    let violation = Violation::of(request.headers());
    match door {
        Door::Tunnel(guest, scheme, authority) => match violation {
            Some(violation) => refuse::malformed(&gateway, Some(&guest), &violation).await,
            None => {
                let arrived = Arrived { scheme, authority, through_tunnel: true };
                pass::pass(&gateway, &guest, arrived, request).await
            }
        },
        Door::Proxy(identity) => {
            let guest = match &identity {
                Identity::Socket(guest) => Some(Arc::clone(guest)),
                Identity::Tokens(tokens) => tokens.identify(request.headers()),
            };
            match (violation, guest) {
                (Some(violation), guest) => refuse::malformed(&gateway, guest.as_deref(), &violation).await,
                (None, None) => refuse::outright(&gateway, None, None, Refusal::new(Cause::Unidentified)).await,
                (None, Some(guest)) => at_proxy(gateway, guest, tunnels, request).await,
            }
        }
    }
}

async fn at_proxy(
    gateway: Arc<Gateway>, guest: Arc<Guest>, tunnels: Tunnels, request: hyper::Request<Incoming>,
) -> Response<Relayed> {
    let target = match request.method() {
        &Method::CONNECT => canonical::connect_target(&request).and_then(|authority| {
            gateway.dialer.check_literal(&authority)?;
            Ok((None, authority))
        }),
        _ => canonical::absolute_target(&request).map(|(scheme, authority)| (Some(scheme), authority)),
    };
    match target {
        Ok((Some(scheme), authority)) => {
            let arrived = Arrived { scheme, authority, through_tunnel: false };
            pass::pass(&gateway, &guest, arrived, request).await
        }
        Ok((None, authority)) => {
            let tunnel = tunnel::open(gateway, guest, authority, request);
            let stop = tunnels.stop.clone();
            tunnels.open.spawn(async move { stop.run_until_cancelled_owned(tunnel).await });
            let mut established = Response::new(Relayed::empty());
            *established.status_mut() = StatusCode::OK;
            established
        }
        Err(cause) => {
            let facts = crate::record::as_received(&request);
            refuse::outright(&gateway, Some(&guest), Some(facts), Refusal::new(cause)).await
        }
    }
}

/// A request that is neither CONNECT nor in absolute-form asks the proxy itself for something, and the proxy has nothing.
pub(crate) fn not_a_proxy_request() -> Cause {
    Cause::Malformed(Malformed::Framing(
        "a proxy is asked by CONNECT or by an absolute URI (RFC 9112, section 3.2); this request is neither",
    ))
}
