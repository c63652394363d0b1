//! Accepting: over a Unix socket, whose path is the identity, and over TCP, where a token is, or a token and an address.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exeat_core::limits;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::door::{Door, serve};
use crate::identity::Identity;
use crate::{Gateway, Guest, Identify, Tokens};

/// Serves one session on its own socket until `stop`, then ends its connections.
pub async fn serve_unix(gateway: Arc<Gateway>, listener: UnixListener, guest: Arc<Guest>, stop: CancellationToken) {
    let connections = Arc::clone(&guest.connections);
    accept(
        connections,
        stop,
        || listener.accept(),
        |(stream, _)| serve(Arc::clone(&gateway), stream, Door::Proxy(Identity::Socket(Arc::clone(&guest)))),
    )
    .await;
}

/// Serves every session that has a token until `stop`.
pub async fn serve_tcp(gateway: Arc<Gateway>, listener: TcpListener, tokens: Arc<Tokens>, stop: CancellationToken) {
    let connections = Arc::new(Semaphore::new(limits::TCP_CONNECTIONS));
    accept(
        connections,
        stop,
        || listener.accept(),
        |(stream, _)| {
            let _ = stream.set_nodelay(true);
            serve(Arc::clone(&gateway), stream, Door::Proxy(Identity::Tokens(Arc::clone(&tokens))))
        },
    )
    .await;
}

/// Serves whoever `judge` knows until `stop`. An address that has too many connections already gets no more.
pub async fn serve_asking(
    gateway: Arc<Gateway>, listener: TcpListener, judge: Arc<dyn Identify>, stop: CancellationToken,
) {
    let connections = Arc::new(Semaphore::new(limits::CLUSTER_CONNECTIONS));
    let addresses = Addresses::default();
    accept(
        connections,
        stop,
        || listener.accept(),
        |(stream, peer)| {
            let (gateway, judge) = (Arc::clone(&gateway), Arc::clone(&judge));
            // An IPv4 client of a socket for both families comes as `::ffff:a.b.c.d`.
            let peer = peer.ip().to_canonical();
            let place = addresses.enter(peer);
            async move {
                let Some(_place) = place else { return };
                let _ = stream.set_nodelay(true);
                serve(gateway, stream, Door::Proxy(Identity::Asked(judge, peer))).await;
            }
        },
    )
    .await;
}

/// How many connections each address has. It knows those alone that have one.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address.
struct AddressPlace(Addresses, IpAddr);

impl Addresses {
    fn enter(&self, address: IpAddr) -> Option<AddressPlace> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= limits::CONNECTIONS_PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(AddressPlace(self.clone(), address))
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

async fn accept<T, Accepted, Served>(
    places: Arc<Semaphore>, stop: CancellationToken, mut next: impl FnMut() -> Accepted,
    mut serve: impl FnMut(T) -> Served,
) where
    Accepted: Future<Output = io::Result<T>>,
    Served: Future<Output = ()> + Send + 'static,
{
    let tasks = TaskTracker::new();
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match next().await {
                Ok(connection) => {
                    let (serving, stop) = (serve(connection), stop.clone());
                    tasks.spawn(async move {
                        tokio::select! { () = serving => {}, () = stop.cancelled() => {} }
                        drop(place);
                    });
                }
                // Out of descriptors, most likely: others must finish before one more can begin.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    tokio::select! { () = accepting => {}, () = stop.cancelled() => {} }
    tasks.close();
    tasks.wait().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_its_places_come_back() {
        let (addresses, pod) = (Addresses::default(), IpAddr::from([10, 0, 0, 1]));
        let mut places: Vec<_> = (0..limits::CONNECTIONS_PER_ADDRESS).map(|_| addresses.enter(pod).unwrap()).collect();
        assert!(addresses.enter(pod).is_none());
        assert!(addresses.enter(IpAddr::from([10, 0, 0, 2])).is_some());
        places.pop();
        assert!(addresses.enter(pod).is_some());
        places.clear();
        assert!(addresses.0.lock().unwrap().is_empty());
    }
}
