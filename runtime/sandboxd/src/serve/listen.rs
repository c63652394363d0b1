//! In a pod: each API has the port that Agent Sandbox gives it, and ours has the next one.
//!
//! A connection that breaks is a caller who has left, also for what he was waiting for: nothing here breaks connections
//! that both sides still want.
//!
//! Who can connect may do everything. That is no less than what the agent may, who is root here; that no other pod can
//! connect is the cluster's business (its NetworkPolicy).

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use exeat_inside::{Api, limits as shared};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;

use super::answer::Body;
use super::{Context, Here, Sandbox, builder, route};
use crate::{Forever, limits, listeners};

/// The ports that are listened at.
pub(crate) struct Ports(Vec<(Api, TcpListener)>);

impl Ports {
    /// Takes all ports but those that are left to others.
    pub(super) fn open(address: IpAddr, without: &[u16]) -> io::Result<Self> {
        let apis = Api::ALL.into_iter().filter(|api| !without.contains(&api.port()));
        let open = |api: Api| {
            let place = SocketAddr::new(address, api.port());
            let listener = listeners::bind(place).map_err(|error| io::Error::other(format!("at {place}: {error}")))?;
            Ok((api, listener))
        };
        apis.map(open).collect::<io::Result<_>>().map(Ports)
    }

    pub(super) async fn serve(self, sandbox: Rc<Sandbox>) -> Forever {
        for (api, listener) in self.0 {
            spawn_local(serve(Rc::clone(&sandbox), api, listener));
        }
        std::future::pending().await
    }
}

async fn serve(sandbox: Rc<Sandbox>, api: Api, listener: TcpListener) -> Forever {
    let places = Arc::new(Semaphore::new(limits::CLIENTS));
    loop {
        let (client, place) = listeners::admit(&listener, &places).await;
        let sandbox = Rc::clone(&sandbox);
        spawn_local(async move {
            let _ = client.set_nodelay(true);
            serve_connection(sandbox, api, client).await;
            drop(place);
        });
    }
}

async fn serve_connection(sandbox: Rc<Sandbox>, api: Api, client: TcpStream) {
    // Ours is the same as over a connection that we dial, the other three included.
    let only = (api != Api::Exeat).then_some(api);
    let context = Context { sandbox, only, lost: Rc::default() };
    let service = service_fn(move |request: Request<Incoming>| {
        let context = context.clone();
        async move { Ok::<Response<Body>, Infallible>(route(context, request).await) }
    });
    let client = TokioIo::new(client);
    // How it ends makes no difference.
    if matches!(api, Api::Grpc | Api::Exeat) {
        let mut server = builder();
        server.timer(TokioTimer::new()).keep_alive_interval(limits::PING_TIME).keep_alive_timeout(limits::PING_TIME);
        let _ = server.serve_connection(client, service).await;
    } else {
        let _ = either().serve_connection(client, service).await;
    }
}

/// HTTP/1.1, or HTTP/2 where a client begins with it.
fn either() -> auto::Builder<Here> {
    let mut server = auto::Builder::new(Here);
    server.http1().timer(TokioTimer::new()).header_read_timeout(limits::HEAD_TIME);
    server.http1().max_buf_size(shared::HEADER_BYTES as usize);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits::PING_TIME)
        .keep_alive_timeout(limits::PING_TIME)
        .max_concurrent_streams(shared::STREAMS)
        .max_header_list_size(shared::HEADER_BYTES)
        .max_send_buf_size(shared::SEND_BUFFER_BYTES);
    server
}
