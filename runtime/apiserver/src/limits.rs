//! Everything that waits or grows here, and how far.

use std::time::Duration;

/// A request's body: a claim with its labels, annotations and variables. Kubernetes takes 3 MiB; a claim is 1 KiB.
pub(crate) const BODY_BYTES: usize = 256 * 1024;
/// The time for a request's body.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);
/// Changes that are remembered for those who watch. Who lags further behind is told to begin anew.
pub(crate) const EVENTS: usize = 4096;
/// Events that a watch takes at once, so that a slow reader holds little.
pub(crate) const WATCH_BATCH: usize = 64;
/// Watches at once: each has a connection, and some of those must stay free for calls.
pub(crate) const WATCHES: usize = 768;
/// How long a watch lasts where its client says nothing, and at most.
pub(crate) const WATCH_TIME: Duration = Duration::from_secs(60 * 60);
/// Claims at once: each is a file and an object in memory.
pub(crate) const CLAIMS: usize = 10_000;
/// Triggers at once; clients delete theirs.
pub(crate) const TRIGGERS: usize = 10_000;
/// Claims that are being bound at once; the others wait. The machine makes sandboxes no faster for more.
pub(crate) const BINDING: usize = 32;
/// Between two tries to bind a claim, the first time; it doubles up to [`BIND_AGAIN_LONGEST`].
pub(crate) const BIND_AGAIN: Duration = Duration::from_millis(500);
/// The longest time between two tries.
pub(crate) const BIND_AGAIN_LONGEST: Duration = Duration::from_secs(30);
/// How long an operation waits for another one on the same sandbox, such as a snapshot that has begun.
pub(crate) const BUSY_TIME: Duration = Duration::from_secs(60);
/// Between two looks whether it has ended.
pub(crate) const BUSY_AGAIN: Duration = Duration::from_millis(50);
/// Between two looks at the clock for claims whose time is over.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);
