//! Every bound of sandboxd in one place, each with its reason.

use std::time::Duration;

/// Names with an address of their own at once. A large `npm install` asks for some tens.
pub(crate) const NAMES: usize = 8_192;
/// Listening sockets at once, over all names and ports: half of the descriptors that a sandbox may have.
pub(crate) const LISTENERS: usize = 32_768;
/// Ports that are carried for a name.
pub(crate) const PORTS: usize = 64;
/// Connections carried at once. More wait in their listener's queue. The gateway has the same limit for a session.
pub(crate) const CONNECTIONS: usize = 512;
/// Connections that wait in one listener's queue.
pub(crate) const BACKLOG: u32 = 1_024;
/// The gateway's answer to CONNECT, in bytes.
pub(crate) const CONNECT_ANSWER_BYTES: usize = 8 * 1024;
/// Headers in the gateway's answer to CONNECT.
pub(crate) const CONNECT_ANSWER_HEADERS: usize = 64;
/// The gateway must answer CONNECT within this time. It decides before it dials, so this covers no slow origin.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(60);
/// One of the two buffers of a carried connection, in bytes: with 512 connections they take 32 MiB at most.
pub(crate) const BUFFER_BYTES: usize = 32 * 1024;
/// A DNS query, in bytes: larger than any that a stub resolver sends.
pub(crate) const DNS_QUERY_BYTES: usize = 4 * 1024;
/// DNS over TCP, connections at once.
pub(crate) const DNS_TCP_CONNECTIONS: usize = 64;
/// A DNS connection that asks nothing for this long is closed.
pub(crate) const DNS_TCP_IDLE_TIME: Duration = Duration::from_secs(10);
/// How long a client may keep an answer, in seconds. Short beside the life of an address in a full table.
pub(crate) const DNS_TTL_SECONDS: u32 = 60;
