//! TCP listeners: the proxy's one, and one for each carried port on each name's address.
//!
//! An address keeps its listeners when it passes to another name: which name a connection is for is looked up when
//! it arrives. Nothing here is ever bound to 0.0.0.0, so the agent's own servers keep their ports.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_local;

use crate::gateway::Gateway;
use crate::names::Names;
use crate::{Forever, limits, tunnel};

/// Where tools find the proxy, and where its address is written: `HTTPS_PROXY` and its like.
const PROXY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 3128);

/// Opens the listeners of a name's address.
#[derive(Clone)]
pub(crate) struct Listeners {
    ports: Rc<[u16]>,
    gateway: Rc<Gateway>,
    places: Arc<Semaphore>,
}

impl Listeners {
    pub(crate) fn new(ports: Vec<u16>, gateway: Rc<Gateway>) -> Self {
        Listeners { ports: ports.into(), gateway, places: Arc::new(Semaphore::new(limits::CONNECTIONS)) }
    }

    /// How many names there can be for the number of listeners to stay within its limit.
    pub(crate) fn names_at_most(&self) -> usize {
        limits::NAMES.min(limits::LISTENERS / self.ports.len().max(1))
    }

    /// Listens on every carried port of `address`. Where the agent has taken a port for all addresses, it keeps it.
    pub(crate) fn open(&self, address: Ipv4Addr, names: &Rc<RefCell<Names>>) {
        for &port in self.ports.iter() {
            if let Ok(listener) = bind(SocketAddrV4::new(address, port)) {
                spawn_local(self.clone().serve(listener, address, port, Rc::clone(names)));
            }
        }
    }

    async fn serve(self, listener: TcpListener, address: Ipv4Addr, port: u16, names: Rc<RefCell<Names>>) -> Forever {
        loop {
            let (client, place) = admit(&listener, &self.places).await;
            let Some(name) = names.borrow_mut().name_of(address) else { continue };
            let gateway = Rc::clone(&self.gateway);
            spawn_local(async move {
                // A refusal is in the gateway's journal, and the client sees its connection end.
                let _ = tunnel::connect(client, &name, port, gateway).await;
                drop(place);
            });
        }
    }
}

/// Takes the proxy's port.
pub(crate) fn bind_proxy() -> io::Result<TcpListener> {
    bind(PROXY)
}

/// Carries bytes to the gateway as they are: which proxy request it is, the gateway reads.
pub(crate) async fn serve_proxy(listener: TcpListener, gateway: Rc<Gateway>) -> Forever {
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    loop {
        let (client, place) = admit(&listener, &places).await;
        let gateway = Rc::clone(&gateway);
        spawn_local(async move {
            let _ = tunnel::relay(client, gateway).await;
            drop(place);
        });
    }
}

/// A listener. For names and for ourselves it is on one address, never on all of them.
pub(crate) fn bind(address: impl Into<SocketAddr>) -> io::Result<TcpListener> {
    let address = address.into();
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(limits::BACKLOG)
}

/// The next connection, as soon as there is room for it.
pub(crate) async fn admit(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let client = accept(listener).await;
        if let Ok(place) = Arc::clone(places).acquire_owned().await {
            return (client, place);
        }
    }
}

/// The next connection. A connection that was reset before it was taken is no reason to stop, and where descriptors
/// run out, waiting lets others end.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
