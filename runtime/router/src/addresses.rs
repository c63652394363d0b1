//! An address of loopback for each sandbox, for clients that connect to a pod's address instead of a router.
//!
//! There is no token here: whoever can connect to loopback can enter. So nobody has an address unless the configuration
//! says so. Pages in a browser can connect to loopback too; what they send says so in `Origin`, and is refused.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener as Listener};
use std::sync::{Arc, Mutex, PoisonError};

use http::header;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Ask, Backend, Refusal, Router, Target, limits, serve};

/// The ports of a sandbox's own APIs.
const PORTS: [u16; 3] = [8888, 8080, 9090];

/// The addresses that sandboxes have.
pub struct Addresses<B> {
    router: Arc<Router<B>>,
    given: Mutex<HashMap<String, Address>>,
}

struct Address {
    address: Ipv4Addr,
    _serving: DropGuard,
}

impl<B: Backend> Addresses<B> {
    /// None yet.
    pub fn new(router: Arc<Router<B>>) -> Self {
        Addresses { router, given: Mutex::default() }
    }

    /// The sandbox's address, which it keeps until [`take_back`](Self::take_back). None where there are too many, or its
    /// ports are somebody else's. Must be called in a runtime.
    pub fn give(&self, namespace: &str, id: &str, uid: &str) -> Option<Ipv4Addr> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = given.get(uid) {
            return Some(known.address);
        }
        if given.len() >= limits::ADDRESSES {
            return None;
        }
        let target = Target { namespace: namespace.to_owned(), id: id.to_owned(), uid: Some(uid.to_owned()) };
        match self.open(&target, uid) {
            Ok(open) => {
                let address = open.address;
                given.insert(uid.to_owned(), open);
                Some(address)
            }
            Err(error) => {
                tracing::warn!(%error, uid, "a sandbox gets no address of its own");
                None
            }
        }
    }

    /// Ends what is served at the sandbox's address.
    pub fn take_back(&self, uid: &str) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    fn open(&self, target: &Target, uid: &str) -> io::Result<Address> {
        let (address, listeners) = bind(uid)?;
        let stop = CancellationToken::new();
        for (listener, port) in listeners.into_iter().zip(PORTS) {
            listener.set_nonblocking(true)?;
            let (router, target) = (Arc::clone(&self.router), target.clone());
            tokio::spawn(serve(TcpListener::from_std(listener)?, stop.clone(), move |request| {
                let (router, target) = (Arc::clone(&router), target.clone());
                async move {
                    if request.headers().contains_key(header::ORIGIN) {
                        return Refusal::Page.response();
                    }
                    router.forward_permitted(&Ask { target, port, timeout: limits::LONGEST_ANSWER_TIME }, request).await
                }
            }));
        }
        Ok(Address { address, _serving: stop.drop_guard() })
    }
}

/// Binds every port at one address in 127.64.0.0/10, which the UID chooses, or one of the next where it is taken.
fn bind(uid: &str) -> io::Result<(Ipv4Addr, Vec<Listener>)> {
    // FNV-1a: any even spread will do.
    let hash = uid.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut last = None;
    for next in 0..limits::ADDRESS_TRIES {
        let [_, a, b, c] = hash.wrapping_add(next).to_be_bytes();
        let address = Ipv4Addr::new(127, 64 | (a & 63), b, c);
        let listeners: io::Result<Vec<Listener>> = PORTS.iter().map(|&port| Listener::bind((address, port))).collect();
        match listeners {
            Ok(listeners) => return Ok((address, listeners)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}
