//! What a sandbox shall be.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Keep;

/// What a sandbox is made of and for whom it works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// What its root file system is made of.
    #[serde(default)]
    pub root: Root,
    /// What kind of agent it is, for policies.
    pub profile: String,
    /// For whom it works, for policies.
    pub user: String,
    /// The teams that the user is in.
    #[serde(default)]
    pub teams: Vec<String>,
    /// Variables for what runs inside.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// A folder of the host at `/workspace`. Without it `/workspace` is on the sandbox's own disk, and part of its snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<PathBuf>,
    /// What it may use of the machine.
    #[serde(default)]
    pub resources: Resources,
    /// After how many seconds without use it pauses by itself; never without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<u64>,
    /// When its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<Shutdown>,
    /// Which snapshots are taken by themselves, and how many are kept.
    #[serde(default)]
    pub snapshots: Schedule,
}

/// What a root file system is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// This machine's own tools, read-only, below a disk of the sandbox's own.
    #[default]
    Host,
    /// An OCI image, by its reference.
    Image(String),
}

/// What a sandbox may use of the machine. No limit where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Memory in bytes, gVisor's own included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processor time, in thousandths of one processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
    /// Processes and threads on the host, gVisor's own included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
}

/// When a sandbox's time is over, and what then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("format" = "date-time")))]
    pub at: Timestamp,
    /// What then.
    #[serde(default)]
    pub policy: ExpiryPolicy,
}

/// What becomes of a sandbox whose time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ExpiryPolicy {
    /// It is paused and never resumes by itself; its disk and snapshots stay.
    #[default]
    Retain,
    /// It is deleted with everything.
    Delete,
}

/// Which snapshots are taken by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Every so many seconds while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<u64>,
    /// Before a request of these groups of actions leaves: `destroy`, `publish`, ….
    pub before: Vec<String>,
    /// Which of those are kept. Snapshots that a person took are kept until a person deletes them.
    pub keep: Keep,
}
