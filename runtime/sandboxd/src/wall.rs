//! Waiting until the network policy holds.
//!
//! A pod that starts is in nobody's rules yet: for up to a second it can reach everything (measured with kube-router; other
//! networks say no more than "eventually"). So before anything of the agent's runs, an address is tried that a sandbox must
//! not reach, until it cannot. Where it always can, the cluster's network enforces no policies, and the pod does not start.

use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;

use crate::limits;

/// Waits until nothing answers at this address.
pub(crate) fn wait(address: SocketAddr) -> Result<(), Open> {
    let mut closed = 0;
    for _ in 0..limits::WALL_TRIES {
        let answers = TcpStream::connect_timeout(&address, limits::WALL_ANSWER_TIME).is_ok();
        closed = if answers { 0 } else { closed + 1 };
        if closed == limits::WALL_CLOSED {
            return Ok(());
        }
        sleep(limits::WALL_PAUSE);
    }
    Err(Open(address))
}

/// The address can be reached all the time.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` can be reached from this pod: the cluster's network does not enforce its network policy, so it does not start"
)]
pub(crate) struct Open(SocketAddr);
