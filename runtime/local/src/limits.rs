//! Every bound of this room in one place, each with its reason.

use std::time::Duration;

/// An order or a report between the processes of one sandbox, in bytes: a long command line with room to spare.
pub(crate) const MESSAGE_BYTES: u32 = 8 * 1024 * 1024;
/// How much of runsc's log is read for an error, in bytes.
pub(crate) const LOG_BYTES: u64 = 16 * 1024;
/// How many errors of runsc's log go into one of ours.
pub(crate) const LOG_LINES: usize = 5;
/// Open files of a process inside: what container engines give, and sandboxd's listeners fit twice.
pub(crate) const OPEN_FILES: u64 = 65_536;
/// Ports that sandboxd carries for a name; sandboxd has the same limit.
pub(crate) const PORTS: usize = 64;
/// A signal that comes before the command runs is tried again for this long: a slow start on a busy machine.
pub(crate) const SIGNAL_TIME: Duration = Duration::from_secs(30);
/// Between two tries.
pub(crate) const SIGNAL_PAUSE: Duration = Duration::from_millis(50);
/// How long the kernel may take to end a killed sandbox: its memory has to be given back first.
pub(crate) const END_TIME: Duration = Duration::from_secs(30);
