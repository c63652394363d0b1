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
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::canonical::{self, Arrived};
use crate::framing::{Strict, Violation};
use crate::identity::Identity;
use crate::relay::Relayed;
use crate::{Gateway, Guest, pass, refuse, tunnel};

/// What a client CONNECTs to that introduces itself: this proxy. It is no host; sandboxd has the same word
/// ([decision 12](../../../docs/decisions/0012-a-connection-introduces-itself.md)).
const PROXY: &str = "exeat.local:3128";

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
    let opened = Opened::default();
    // What a connection opened ends with it, also where the listener's own end drops this future.
    let _end_tunnels = opened.stop.clone().drop_guard();
    let entered = opened.clone();
    let service = service_fn(move |request| {
        let (gateway, door, opened) = (Arc::clone(&gateway), door.clone(), entered.clone());
        // Boxed: hyper keeps the future inline in each connection, and idle connections should be small.
        Box::pin(async move { Ok::<_, Infallible>(enter(gateway, door, opened, request).await) })
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
    let whole = async {
        if let Err(error) = connection.await {
            tracing::debug!(error, "a connection ended early");
        }
        opened.tunnels.close();
        opened.tunnels.wait().await;
    };
    tokio::select! { () = whole => {}, () = opened.owner_has_ended() => {} }
}

/// What one connection has opened: its tunnels, one over HTTP/1.1, several over HTTP/2. It knows whose it is where that can end.
#[derive(Clone, Default)]
struct Opened {
    owner: Arc<SetOnce<Arc<Guest>>>,
    tunnels: TaskTracker,
    stop: CancellationToken,
}

impl Opened {
    /// Keeps a connection to the guest who spoke first on it: it ends when that guest's session does.
    fn belong_to(&self, guest: &Arc<Guest>) -> Result<(), Cause> {
        if self.owner.set(Arc::clone(guest)).is_ok() || self.owner.get().is_some_and(|owner| Arc::ptr_eq(owner, guest))
        {
            return Ok(());
        }
        Err(Cause::Unrecognised("this connection is another session's; open a new one".to_owned()))
    }

    async fn owner_has_ended(&self) {
        self.owner.wait().await.ended.cancelled().await;
    }
}

async fn enter(
    gateway: Arc<Gateway>, door: Door, opened: Opened, request: hyper::Request<Incoming>,
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
            let mut known = identity.of(request.headers()).await;
            if matches!(identity, Identity::Asked(..)) {
                known = known.and_then(|guest| opened.belong_to(&guest).map(|()| guest));
            }
            match (violation, known) {
                (Some(violation), known) => refuse::malformed(&gateway, known.ok().as_deref(), &violation).await,
                (None, Err(cause)) => refuse::outright(&gateway, None, None, Refusal::new(cause)).await,
                (None, Ok(guest)) if introduces(&identity, &request) => {
                    let proxy = Door::Proxy(Identity::Socket(Arc::clone(&guest)));
                    establish(opened, tunnel::to_ourselves(gateway, proxy, request))
                }
                (None, Ok(guest)) => at_proxy(gateway, guest, opened, request).await,
            }
        }
    }
}

/// Whether a client says who it is for all that follows in the tunnel. Who came through a socket has no need to, and
/// introductions do not nest.
fn introduces<B>(identity: &Identity, request: &hyper::Request<B>) -> bool {
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    request.method() == Method::CONNECT && target == Some(PROXY) && !matches!(identity, Identity::Socket(_))
}

/// Lets a tunnel run beside the connection's requests, and tells the client that it stands.
fn establish(opened: Opened, tunnel: impl Future<Output = ()> + Send + 'static) -> Response<Relayed> {
    let stop = opened.stop;
    opened.tunnels.spawn(async move { stop.run_until_cancelled_owned(tunnel).await });
    let mut established = Response::new(Relayed::empty());
    *established.status_mut() = StatusCode::OK;
    established
}

async fn at_proxy(
    gateway: Arc<Gateway>, guest: Arc<Guest>, opened: Opened, request: hyper::Request<Incoming>,
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
        Ok((None, authority)) => establish(opened, tunnel::open(gateway, guest, authority, request)),
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
