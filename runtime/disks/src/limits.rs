//! Every limit of this crate, with its reason.

use std::time::Duration;

/// How many folders deep a tree may be. A path of the longest length that Linux takes (4096 bytes) has no more than 2048
/// parts; a hostile sandbox can go deeper step by step, and gets an error.
pub(crate) const DEPTH: usize = 2048;

/// How many names one folder, and how many paths one walk, may hold. A folder's names are in memory at once: 4 million
/// of them are a few hundred megabytes at worst, and more than any real folder has.
pub(crate) const NAMES: usize = 4_000_000;

/// Bytes of all extended attributes' names of one file, and of one value: Linux's own limit (`XATTR_SIZE_MAX`).
pub(crate) const ATTRIBUTE: usize = 65_536;

/// How many symlinks a resolution inside a tree follows: Linux's own limit (`MAXSYMLINKS`).
pub(crate) const SYMLINKS: usize = 40;

/// Bytes of a path that can be asked for at once: Linux's own limit (`PATH_MAX`), less the end mark.
pub(crate) const PATH: usize = 4095;

/// How many layers a tree may have. The kernel mounts no more than 500 (`OVL_MAX_STACK`).
pub(crate) const LAYERS: usize = 500;

/// Bytes of an index. 10 million files take less than 1 GiB; a larger one is treated as missing.
pub(crate) const INDEX: u64 = 1 << 30;

/// A file whose status changed so shortly before a capture may change again without its timestamps showing it: they
/// move with the kernel's tick, up to 10 ms, and 50 ms leave room for a busy machine.
pub(crate) const RACY: Duration = Duration::from_millis(50);
