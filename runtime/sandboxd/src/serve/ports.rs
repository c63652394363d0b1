//! `CONNECT exeat:PORT`: raw bytes to a port on loopback, for servers that run inside.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use exeat_inside::status::{Code, Status};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::spawn_local;

use super::answer::{self, Body};
use crate::limits;

pub(super) async fn connect(request: Request<Incoming>) -> Response<Body> {
    let Some(port) = request.uri().port_u16().filter(|port| *port != 0) else {
        return refuse(StatusCode::BAD_REQUEST, &Status::new(Code::InvalidArgument, "the port is none"));
    };
    let server = match dial(port).await {
        Ok(server) => server,
        Err(error) => {
            let status = Status::new(Code::Unavailable, format!("nobody answers on port {port} inside: {error}"));
            return refuse(StatusCode::SERVICE_UNAVAILABLE, &status);
        }
    };
    spawn_local(carry(request, server));
    answer::empty(StatusCode::OK)
}

async fn carry(request: Request<Incoming>, mut server: TcpStream) -> io::Result<()> {
    let raw = hyper::upgrade::on(request).await.map_err(io::Error::other)?;
    server.set_nodelay(true)?;
    let size = limits::BUFFER_BYTES;
    copy_bidirectional_with_sizes(&mut TokioIo::new(raw), &mut server, size, size).await.map(|_| ())
}

/// Loopback in both families: servers listen on either.
async fn dial(port: u16) -> io::Result<TcpStream> {
    let to = |address: IpAddr| SocketAddr::new(address, port);
    match TcpSocket::new_v4()?.connect(to(Ipv4Addr::LOCALHOST.into())).await {
        Ok(server) => Ok(server),
        Err(error) => match TcpSocket::new_v6() {
            Ok(socket) => socket.connect(to(Ipv6Addr::LOCALHOST.into())).await.map_err(|_| error),
            Err(_) => Err(error),
        },
    }
}

fn refuse(code: StatusCode, status: &Status) -> Response<Body> {
    let mut response = answer::empty(code);
    response.headers_mut().extend(status.trailers());
    response
}
