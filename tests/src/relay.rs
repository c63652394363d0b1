//! Carries connections from one address to another, and can be cut.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// It carries until it is cut, and again when it is mended. It ends with this value.
pub struct Relay {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    _carrying: JoinSet<()>,
}

impl Relay {
    /// Listens on a free port of `here`, and carries what comes to `there`.
    pub async fn start(here: IpAddr, there: SocketAddr) -> Relay {
        let listener = TcpListener::bind((here, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_cut, seen) = watch::channel(false);
        let mut carrying = JoinSet::new();
        carrying.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut seen = seen.clone();
                open.spawn(async move {
                    let socket = if there.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
                    let Ok(mut far) = socket.unwrap().connect(there).await else { return };
                    let carry = tokio::io::copy_bidirectional(&mut near, &mut far);
                    tokio::select! { _ = carry => {}, _ = seen.wait_for(|is_cut| *is_cut) => {} }
                });
            }
        });
        Relay { address, is_cut, _carrying: carrying }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends what it carries, and carries nothing new.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Carries again.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}
