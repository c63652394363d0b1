//! DNS on 127.0.0.1:53, UDP and TCP.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::listeners::Listeners;
use crate::names::Names;
use crate::{Forever, dns, limits, listeners};

const ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53);

/// Answers queries, and sees to it that a new address has listeners before anyone hears of it.
#[derive(Clone)]
pub(crate) struct Resolver {
    names: Rc<RefCell<Names>>,
    listeners: Listeners,
}

/// Takes both ports, so that a command never starts without them.
pub(crate) fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let udp = std::net::UdpSocket::bind(ADDRESS)?;
    udp.set_nonblocking(true)?;
    Ok((UdpSocket::from_std(udp)?, listeners::bind(ADDRESS)?))
}

impl Resolver {
    pub(crate) fn new(names: Rc<RefCell<Names>>, listeners: Listeners) -> Self {
        Resolver { names, listeners }
    }

    pub(crate) async fn serve_udp(self, socket: UdpSocket) -> Forever {
        let mut buffer = vec![0; limits::DNS_QUERY_BYTES];
        loop {
            // Errors here are those of single packets (an answer that nobody waited for): the next one may be fine.
            let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
            if let Some(answer) = self.answer(&buffer[..length]) {
                let _ = socket.send_to(&answer, client).await;
            }
        }
    }

    pub(crate) async fn serve_tcp(self, listener: TcpListener) -> Forever {
        let places = Arc::new(Semaphore::new(limits::DNS_TCP_CONNECTIONS));
        loop {
            let client = listeners::accept(&listener).await;
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { continue };
            let resolver = self.clone();
            spawn_local(async move {
                let _ = resolver.converse(client).await;
                drop(place);
            });
        }
    }

    /// Queries and answers, each behind its length (RFC 1035, section 4.2.2), until the client has no more.
    async fn converse(&self, mut client: TcpStream) -> io::Result<()> {
        let mut query = Vec::new();
        loop {
            let length = timeout(limits::DNS_TCP_IDLE_TIME, client.read_u16()).await??;
            if usize::from(length) > limits::DNS_QUERY_BYTES {
                return Ok(());
            }
            query.resize(length.into(), 0);
            timeout(limits::DNS_TCP_IDLE_TIME, client.read_exact(&mut query)).await??;
            let Some(answer) = self.answer(&query) else { return Ok(()) };
            let Ok(length) = u16::try_from(answer.len()) else { return Ok(()) };
            let mut packet = length.to_be_bytes().to_vec();
            packet.extend(answer);
            client.write_all(&packet).await?;
        }
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        dns::answer(query, |name| {
            let given = self.names.borrow_mut().address_of(name);
            if given.fresh {
                self.listeners.open(given.address, &self.names);
            }
            given.address
        })
    }
}
