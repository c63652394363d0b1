//! A snapshot: a saved state with a name, and what was known when it was taken.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{SandboxId, Saved, SnapshotId, Spec};

/// What is kept of a sandbox at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Which one it is.
    pub id: SnapshotId,
    /// Of which sandbox.
    pub sandbox: SandboxId,
    /// What that sandbox was called.
    pub sandbox_name: String,
    /// When it was taken.
    pub created: Timestamp,
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Why it was taken.
    pub cause: Cause,
    /// With or without memory.
    pub kind: Kind,
    /// What a start from it starts from.
    pub saved: Saved,
    /// What the sandbox was to be, for those that are forked from it.
    pub spec: Spec,
    /// Bytes on disk that are this snapshot's own: what changed since the last one, and the image of the memory.
    pub bytes: u64,
    /// The journal's last sequence number when it was taken: what left later is not undone by going back.
    pub journal_sequence: u64,
}

/// With or without memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Disk, memory and processes: a start from it goes on where they were.
    Live,
    /// The disk alone: a start from it boots.
    Disk,
}

/// Why a snapshot was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Somebody asked for it.
    Asked,
    /// Its time had come.
    Scheduled,
    /// A request with this action was about to leave.
    Before(String),
}

impl Cause {
    /// Whether the retention rule may delete it.
    pub fn is_automatic(&self) -> bool {
        !matches!(self, Cause::Asked)
    }
}
