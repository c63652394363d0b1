//! Every bound of this room in one place, each with its reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A manifest or an index, in bytes: what registries accept at most (OCI distribution specification, "Pushing
/// Manifests", asks them for 4 MiB at least).
pub const MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// An image's configuration, in bytes. The history of a hundred layers takes some ten thousand.
pub const CONFIG_BYTES: u64 = 4 * 1024 * 1024;
/// Layers of an image: as many as Docker stacks, and far below overlayfs' 500.
pub const LAYERS: usize = 127;
/// An index in an index in an index; in the wild there is one.
pub const INDEX_DEPTH: usize = 3;
/// A layer as it is stored, in bytes. A CUDA layer has some 5 GiB.
pub const BLOB_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// All blobs of an image, in bytes.
pub const IMAGE_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// A path in a layer, in bytes: Linux's `PATH_MAX`.
pub const PATH_BYTES: usize = 4096;
/// One name of a path, in bytes: Linux's `NAME_MAX`.
pub const NAME_BYTES: usize = 255;
/// Folders in folders. Removing a tree holds this many open, below the 1024 that a process may have open by default.
pub const PATH_DEPTH: usize = 200;
/// What comes with one entry beside its content (pax headers, long names, attributes), in bytes.
pub const EXTENSION_BYTES: u32 = 1024 * 1024;
/// Headers that belong to one entry.
pub const EXTENSIONS: usize = 8;
/// What unpacking remembers of all folders of a layer until its end, in bytes: 300,000 folders with long names.
pub const FOLDER_BYTES: usize = 64 * 1024 * 1024;
/// The memory that a zstd frame may ask for, as a power of two: 128 MiB, what its own tools accept without being told.
pub const ZSTD_WINDOW: u32 = 27;
/// Read at a time, in bytes.
pub const BUFFER_BYTES: usize = 128 * 1024;
/// Files of an archive that holds an image: some five for each layer.
pub const ARCHIVE_FILES: usize = 4096;

/// Blobs fetched from a registry at the same time: more slow each other down.
pub const DOWNLOADS: usize = 3;
/// How often a request to a registry is made before its failure counts.
pub const TRIES: u32 = 4;
/// Before the second try; doubled for each further one.
pub const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// To a registry's answer, and between two pieces of a body: a slow registry under load.
pub const SILENCE: Duration = Duration::from_secs(60);
/// To a connection.
pub const CONNECT: Duration = Duration::from_secs(15);
/// Redirects on the way to a blob; registries need one or two.
pub const REDIRECTS: usize = 5;
/// A token service's answer, a credential helper's, or Docker's configuration file, in bytes.
pub const ANSWER_BYTES: u64 = 256 * 1024;
/// A registry's description of what went wrong, in bytes shown.
pub const SHOWN_BYTES: usize = 300;
/// A credential helper's work: some ask a cloud service.
pub const HELPER: Duration = Duration::from_secs(30);
/// Waiting for another process that unpacks the same layer, or that collects: a large image on a slow disk.
pub const LOCK_WAIT: Duration = Duration::from_secs(30 * 60);
/// Between two looks at a lock.
pub const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What one layer may cost, for the caller to lower or raise.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// A layer after decompression, in bytes.
    pub layer_bytes: u64,
    /// What a layer makes: files, folders (those too that are only implied), links and whiteouts.
    pub entries: u64,
}

impl Default for Limits {
    /// 32 GiB, twice the largest layers of machine-learning images, and a million entries, three times those of a
    /// complete Node.js or TeX installation.
    fn default() -> Self {
        Self { layer_bytes: 32 * 1024 * 1024 * 1024, entries: 1_000_000 }
    }
}
