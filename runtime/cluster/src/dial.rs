//! Connections to pods.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits;

/// Connects to a port of a pod, at an address that the API server has for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a pod's address comes from a Sandbox's status, and never from a request"
)]
pub(crate) async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(limits::DIAL_TIME, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
