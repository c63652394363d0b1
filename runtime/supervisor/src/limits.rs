//! Every bound of this room in one place, each with its reason.

use std::time::Duration;

/// How long a started sandbox may take until its sandboxd answers: a busy machine that restores much memory.
pub(crate) const READY_TIME: Duration = Duration::from_secs(60);
/// How long sandboxd may take to write everything to the disk before a snapshot.
pub(crate) const SYNC_TIME: Duration = Duration::from_secs(30);
/// How long sandboxd may take to dial again after a live snapshot, which breaks its connection.
pub(crate) const REDIAL_TIME: Duration = Duration::from_secs(10);
/// How often the clock looks at what is due.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// Layers of one disk: beyond, those that are nobody else's become one. The kernel takes 500, and each costs a lookup.
pub(crate) const LAYERS: usize = 32;
/// A record: a few kilobytes, with room for a large environment.
pub(crate) const RECORD_BYTES: u64 = 4 * 1024 * 1024;
/// Sandboxes on one machine. Each that runs is some processes, each that rests a folder.
pub(crate) const SANDBOXES: usize = 10_000;
/// Starts at the same time: more only wait for each other's memory and processors.
pub(crate) const STARTS: usize = 4;
/// Changes that a slow watcher may be behind.
pub(crate) const CHANGES: usize = 1024;
/// Records of the journal that one history shows.
pub(crate) const HISTORY: usize = 10_000;
/// What the journal keeps of a command's words, in bytes: enough to know it again, and a script in it is cut.
pub(crate) const RECORDED_WORDS_BYTES: usize = 2048;
