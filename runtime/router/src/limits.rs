//! Everything that waits or grows here, and how far.

use std::time::Duration;

/// Connections to one listener. Each is a task and a descriptor, two with the one into the sandbox.
pub const CONNECTIONS: usize = 1024;
/// A request's head, and the buffer that bodies are read through: small enough for a thousand connections.
pub const HEAD_BYTES: u32 = 64 * 1024;
/// The time for a request's head once its first byte can be expected.
pub const HEAD_TIME: Duration = Duration::from_secs(30);
/// Requests at once on one HTTP/2 connection: gRPC clients keep one connection for all their calls.
pub const STREAMS: u32 = 128;
/// The time to an answer's head where the client names none: the SDK's own limit for a command.
pub const ANSWER_TIME: Duration = Duration::from_secs(180);
/// The longest time to an answer's head that a client can ask for: a command may run for a day.
pub const LONGEST_ANSWER_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// An answer that has begun, or an upgraded connection, ends after so long without a byte.
pub const IDLE_TIME: Duration = Duration::from_secs(60 * 60);
/// Sandboxes with an address of their own: each has three listeners.
pub const ADDRESSES: usize = 1024;
/// Addresses that are tried for one sandbox: two in four million rarely meet.
pub const ADDRESS_TRIES: u32 = 8;
/// Buffer of each direction of an upgraded connection.
pub const TUNNEL_BYTES: usize = 16 * 1024;
