//! Every bound of this room in one place, each with its reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Large files are cut where their content says so, into chunks of at least, usually and at most so many bytes. Smaller
/// ones cost a request each, larger ones are stored anew for each byte that changes. All three are even, which FastCDC
/// asks for. They are part of the format: with others nothing of what is stored would be found again.
pub const CHUNK_LEAST: usize = 64 * 1024;
/// See [`CHUNK_LEAST`].
pub const CHUNK_USUAL: usize = 256 * 1024;
/// See [`CHUNK_LEAST`].
pub const CHUNK_MOST: usize = 1024 * 1024;
/// A file up to this long could not be cut: it shares a chunk with its neighbours, so that 10,000 of them cost some
/// hundred requests.
pub const PACKED_BYTES: u64 = CHUNK_LEAST as u64;
/// A shared chunk ends at a file whose content says so, but not before it has so many bytes.
pub const PACK_LEAST: usize = 128 * 1024;
/// How often a file's content says so: once in so many bytes.
pub const PACK_USUAL: u64 = 512 * 1024;
/// zstd's own default: higher levels take more time than they save.
pub const ZSTD_LEVEL: i32 = 3;

/// A chunk as it is stored, in bytes: zstd adds a little to what it cannot compress.
pub const STORED_CHUNK_BYTES: u64 = CHUNK_MOST as u64 + 64 * 1024;
/// A manifest, in bytes, before and after compression: a million entries with long names. It is held in memory.
pub const MANIFEST_BYTES: u64 = 256 * 1024 * 1024;
/// A snapshot's record, in bytes. It has eight names, each short.
pub const RECORD_BYTES: u64 = 16 * 1024;

/// A path in a workspace, in bytes: Linux's `PATH_MAX`, less the closing zero byte.
pub const PATH_BYTES: usize = 4095;
/// One name of a path, in bytes: Linux's `NAME_MAX`.
pub const NAME_BYTES: usize = 255;
/// What comes with one entry beside its content (pax headers, long names, attributes), in bytes.
pub const EXTENSION_BYTES: u32 = 1024 * 1024;
/// Headers that belong to one entry.
pub const EXTENSIONS: usize = 8;
/// Regions of a sparse file. A database of some gigabytes has some thousand.
pub const SPARSE_REGIONS: usize = 16 * 1024;
/// All headers of an archive, in bytes: a million entries, each with a long name and some attributes.
pub const HEADER_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// What may follow an archive's end, in bytes: tools fill up their last record with zeros.
pub const TRAILING_BYTES: u64 = 1024 * 1024;
/// Read at a time, in bytes.
pub const BUFFER_BYTES: usize = 256 * 1024;
/// Between two pieces of an archive that comes from a sandbox.
pub const SILENCE: Duration = Duration::from_secs(120);

/// Requests to the storage at the same time, of one snapshot: with 1 MiB each they are most of the memory that it
/// takes.
pub const TRANSFERS: usize = 16;
/// Chunks that were checked before a restore and are kept for it, in bytes as stored, so that a small workspace is read
/// once.
pub const HELD_BYTES: usize = 64 * 1024 * 1024;
/// How often a request is made before its failure counts.
pub const TRIES: u32 = 5;
/// Before the second try; doubled for each further one. S3 answers 503 to who is too fast, and wants a pause.
pub const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// To a connection.
pub const CONNECT: Duration = Duration::from_secs(10);
/// To the end of a request about a chunk.
pub const CALL: Duration = Duration::from_secs(60);
/// What a request about something larger gets in addition, for each MiB.
pub const CALL_PER_MIB: Duration = Duration::from_secs(1);
/// A description of what went wrong, in bytes read, and shown.
pub const ANSWER_BYTES: u64 = 64 * 1024;
/// See [`ANSWER_BYTES`].
pub const SHOWN_BYTES: usize = 300;
/// A page of a list, in bytes: 1,000 keys.
pub const LIST_BYTES: u64 = 8 * 1024 * 1024;
/// Names in one folder of the store.
pub const LISTED: usize = 200_000;
/// Unfinished files older than this belong to nobody: no write takes so long.
pub const WORK_AGE: Duration = Duration::from_secs(60 * 60);

/// How long others respect a claim that is not renewed. The collector waits so long after a controller was killed.
pub const CLAIM: Duration = Duration::from_secs(5 * 60);
/// Between two renewals.
pub const CLAIM_RENEWED: Duration = Duration::from_secs(60);
/// How long before its end a claim is not relied upon any more, and what one deletion under it may take.
pub const CLAIM_MARGIN: Duration = Duration::from_secs(120);
/// How long a snapshot waits for a collector of its namespace, which mostly takes seconds.
pub const CLAIM_WAIT: Duration = Duration::from_secs(120);
/// Between two looks.
pub const CLAIM_PAUSE: Duration = Duration::from_millis(500);

/// Damaged objects that are told one by one, and paths that are told of each.
pub const DAMAGES: usize = 100;
/// See [`DAMAGES`].
pub const DAMAGED_PATHS: usize = 3;
/// Differing paths that a comparison tells, more than anybody reads.
pub const DIFFERENCES: usize = 300_000;

/// What one snapshot may cost, for the caller to lower or raise.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// All files of a workspace, in bytes. Holes of sparse files count: going back may fill them.
    pub bytes: u64,
    /// Files, folders and links of a workspace.
    pub entries: u64,
}

impl Default for Limits {
    /// 64 GiB, and a million entries: three times those of a complete Node.js installation.
    fn default() -> Self {
        Self { bytes: 64 * 1024 * 1024 * 1024, entries: 1_000_000 }
    }
}
