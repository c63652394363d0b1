//! Nothing waits or grows without one of these.

use std::time::Duration;

/// How long a key waits after its first failure in a row; each one more doubles it.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such wait.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// UIDs of deleted objects that are remembered, so that an answer which is late does not bring one back.
pub(crate) const GONE: usize = 4096;
/// How long a claim looks for a sandbox in its pool before one is made for it.
pub(crate) const ADOPTION_TIME: Duration = Duration::from_secs(2);
/// How long after a claim the next one is expected, and what nobody waits for held back.
pub(crate) const LULL: Duration = Duration::from_millis(150);
/// The longest that anything is held back, however fast claims come.
pub(crate) const HELD_BACK: Duration = Duration::from_secs(5);
/// Events that wait to be written; more are not said.
pub(crate) const EVENTS: usize = 4096;
/// Events that are written at once.
pub(crate) const EVENTS_AT_ONCE: usize = 8;
/// How long a sandbox may be on its way to Ready before its status says that it is not yet.
pub(crate) const QUIET_START: Duration = Duration::from_secs(2);
/// How often an object is looked at that is in a sandbox's way and not watched.
pub(crate) const STRANGERS: Duration = Duration::from_secs(15);
/// How long one call of the API server may take.
pub(crate) const CALL_TIME: Duration = Duration::from_secs(30);
/// How often what has no event of its own is looked at again.
pub(crate) const RESYNC: Duration = Duration::from_secs(600);
/// Claims whose way to Ready is measured at once; more are looked after and not measured.
pub(crate) const CLAIMS_MEASURED: usize = 16_384;
/// Snapshots that are taken or removed at once. Each holds some tens of MiB in memory.
pub(crate) const TAKES: usize = 8;
/// Workspaces that are read back at once.
pub(crate) const RESTORES: usize = 8;
/// Of both together for one namespace, so that slow sandboxes of one hold up nobody else's.
pub(crate) const NAMESPACE_TRANSFERS: usize = 4;
/// Snapshots that nobody has asked for and that are kept of one sandbox, for each of their occasions.
pub(crate) const AUTOMATIC: usize = 5;
/// How long it may take until sandboxd in a pod takes a connection.
pub(crate) const DIAL_TIME: Duration = Duration::from_secs(10);
/// How long taking one snapshot, or going back to one, may take: 16 GiB at 10 MiB a second.
pub(crate) const TRANSFER_TIME: Duration = Duration::from_secs(30 * 60);
/// All files of a workspace that is kept, in bytes.
pub(crate) const WORKSPACE_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// Files, folders and links of a workspace that is kept.
pub(crate) const WORKSPACE_ENTRIES: u64 = 1_000_000;
/// How soon it is looked again whether a sandbox is free that is being taken or restored.
pub(crate) const BUSY_LOOK: Duration = Duration::from_secs(1);
/// How often what no snapshot needs any more is removed from the store.
pub(crate) const COLLECT_EVERY: Duration = Duration::from_secs(60 * 60);
/// What a condition says of what went wrong, in bytes.
pub(crate) const MESSAGE_BYTES: usize = 1024;
