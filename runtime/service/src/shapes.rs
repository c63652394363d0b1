//! What goes in and out, as JSON.

use std::collections::BTreeMap;

use exeat_lifecycle::{Cause, Kind, Life, Name, Phase, SandboxId, Shutdown, SnapshotId, Spec, Why};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request that was not done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorAnswer {
    /// What, where and what to do, in words.
    pub error: String,
    /// The cause in a word that programs can rely on: `not-found`, `exists`, `busy`, `deleting`, `running`,
    /// `not-running`, `expired`, `input`, `unusable`, `full`, `sandbox`, `failed`.
    pub code: String,
}

/// A sandbox.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Sandbox {
    /// Which one it is, for ever, and its session's id in the journal.
    pub id: SandboxId,
    /// The namespace of its name.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Where it is in its life.
    pub state: State,
    /// When it was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created: Timestamp,
    /// What it shall be.
    pub spec: Spec,
    /// The pool in which it waits to be claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Name>,
    /// The claim whose sandbox it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The snapshot that it was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<SnapshotId>,
}

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its first start has begun.
    Creating,
    /// A start from its saved state has begun.
    Starting,
    /// It runs.
    Running,
    /// Its state is being saved, after which it rests.
    Pausing,
    /// Another state is being started in its place.
    RollingBack,
    /// It rests, and goes on where it was.
    Paused,
    /// It rests, because its processes ended by themselves or with the machine; it boots from its disk.
    Stopped,
    /// It rests, because it used more memory than it may; it boots from its disk.
    OutOfMemory,
    /// It rests in the state of a snapshot.
    RolledBack,
    /// It is being removed.
    Deleting,
}

impl State {
    /// Its name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Creating => "creating",
            State::Starting => "starting",
            State::Running => "running",
            State::Pausing => "pausing",
            State::RollingBack => "rolling-back",
            State::Paused => "paused",
            State::Stopped => "stopped",
            State::OutOfMemory => "out-of-memory",
            State::RolledBack => "rolled-back",
            State::Deleting => "deleting",
        }
    }

    fn of(life: &Life) -> Self {
        match life.phase {
            Phase::Creating { .. } => State::Creating,
            Phase::Starting { .. } => State::Starting,
            Phase::Running { .. } => State::Running,
            Phase::Pausing { .. } => State::Pausing,
            Phase::Replacing { .. } => State::RollingBack,
            Phase::Resting { why: Why::Paused } => State::Paused,
            Phase::Resting { why: Why::Lost } => State::Stopped,
            Phase::Resting { why: Why::OutOfMemory } => State::OutOfMemory,
            Phase::Resting { why: Why::RolledBack } => State::RolledBack,
            Phase::Deleting => State::Deleting,
        }
    }
}

impl From<exeat_supervisor::Sandbox> for Sandbox {
    fn from(sandbox: exeat_supervisor::Sandbox) -> Self {
        let state = State::of(&sandbox.life);
        let exeat_supervisor::Sandbox { id, namespace, name, created, spec, pool, claim, origin, .. } = sandbox;
        Sandbox { id, namespace, name, state, created, spec, pool, claim, origin }
    }
}

/// All sandboxes that were asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Sandboxes {
    /// The oldest first.
    pub sandboxes: Vec<Sandbox>,
}

/// A new sandbox.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Create {
    /// The namespace of its name.
    pub namespace: Name,
    /// Its name; without it, one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// What it shall be; without it, what `[sandbox]` in `exeat.toml` says. From a snapshot it takes root, workspace and
    /// resources in any case, and without a specification everything but the time when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// The snapshot to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<SnapshotId>,
}

/// A sandbox of a pool, to have at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Claim {
    /// The namespace of the pool.
    pub namespace: Name,
    /// More variables for what runs inside.
    pub environment: BTreeMap<String, String>,
    /// When its time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<Shutdown>,
}

/// Sandboxes from the present state of one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fork {
    /// How many, at most 100.
    pub count: u32,
    /// Their names are this, `-` and a number from 1; without it, the sandbox's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Name>,
}

impl Default for Fork {
    fn default() -> Self {
        Fork { count: 1, prefix: None }
    }
}

/// What a fork made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Forked {
    /// The snapshot that they all started from. It stays until it is deleted.
    pub snapshot: SnapshotId,
    /// The new sandboxes.
    pub sandboxes: Vec<Sandbox>,
}

/// How a sandbox that rests is started.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resume {
    /// Where it was; `false` boots it from its disk alone.
    pub memory: bool,
}

impl Default for Resume {
    fn default() -> Self {
        Resume { memory: true }
    }
}

/// When a sandbox's time is over.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When, and what then; never for `null`.
    pub shutdown: Option<Shutdown>,
}

/// Back to a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Which.
    pub snapshot: SnapshotId,
    /// With its memory, where it has one; `false` boots its disk.
    #[serde(default = "yes")]
    pub memory: bool,
}

fn yes() -> bool {
    true
}

/// A sandbox that was rolled back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RolledBack {
    /// As it is now.
    pub sandbox: Sandbox,
    /// What was done outside since the snapshot. It stays done.
    pub outside: Vec<Outside>,
}

/// Something that was changed outside and that going back does not undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outside {
    /// `github:pulls/create`
    pub action: String,
    /// The action's group: `mutate`, `publish`, ….
    pub group: String,
    /// How often.
    pub count: u64,
    /// What it was done to, each once.
    pub resources: Vec<String>,
}

impl From<exeat_supervisor::Outside> for Outside {
    fn from(outside: exeat_supervisor::Outside) -> Self {
        let exeat_supervisor::Outside { action, group, count, resources } = outside;
        Outside { action, group, count, resources }
    }
}

/// What going back to a snapshot would not undo.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OutsideSince {
    /// By action.
    pub outside: Vec<Outside>,
}

/// A snapshot to be taken.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Take {
    /// What its owner calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// With or without memory.
    pub kind: Kind,
}

impl Default for Take {
    fn default() -> Self {
        Take { label: None, kind: Kind::Live }
    }
}

/// What is kept of a sandbox at one moment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// Which one it is.
    pub id: SnapshotId,
    /// Of which sandbox.
    pub sandbox: SandboxId,
    /// What that sandbox was called.
    pub sandbox_name: String,
    /// When it was taken.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created: Timestamp,
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Why it was taken.
    pub cause: Cause,
    /// With or without memory.
    pub kind: Kind,
    /// Bytes on disk that are its own: what changed since the last one, and the image of the memory.
    pub bytes: u64,
    /// The journal's last sequence number when it was taken.
    pub journal_sequence: u64,
}

impl From<exeat_lifecycle::Snapshot> for Snapshot {
    fn from(snapshot: exeat_lifecycle::Snapshot) -> Self {
        let exeat_lifecycle::Snapshot {
            id,
            sandbox,
            sandbox_name,
            created,
            label,
            cause,
            kind,
            bytes,
            journal_sequence,
            ..
        } = snapshot;
        Snapshot { id, sandbox, sandbox_name, created, label, cause, kind, bytes, journal_sequence }
    }
}

/// All snapshots that were asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Snapshots {
    /// The oldest first.
    pub snapshots: Vec<Snapshot>,
}

/// A sandbox's life.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The oldest first.
    pub happenings: Vec<Happening>,
}

/// One thing in a sandbox's life.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Happening {
    /// The record's number in the journal.
    pub sequence: u64,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// `create`, `exec`, `snapshot`, `request`, `refused`, ….
    pub act: String,
    /// More about it, in words.
    pub about: String,
}

impl From<exeat_supervisor::Happening> for Happening {
    fn from(happening: exeat_supervisor::Happening) -> Self {
        let exeat_supervisor::Happening { sequence, time, act, about } = happening;
        Happening { sequence, time, act, about }
    }
}

/// All pools.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Pools {
    /// As in `exeat.toml`.
    pub pools: Vec<Pool>,
}

/// Sandboxes that run before anybody asks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Pool {
    /// The namespace of its sandboxes.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// How many sandboxes shall wait in it.
    pub replicas: u32,
    /// How many do, and run.
    pub ready: u32,
    /// What its sandboxes are.
    pub spec: Spec,
}

impl From<exeat_supervisor::Pool> for Pool {
    fn from(pool: exeat_supervisor::Pool) -> Self {
        let exeat_supervisor::Pool { namespace, name, replicas, ready, spec } = pool;
        Pool { namespace, name, replicas, ready, spec }
    }
}

/// Two states to compare: each a snapshot, or a sandbox, whose present state is meant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// The earlier one: a snapshot's id, a sandbox's id or its name.
    pub before: String,
    /// The later one.
    pub after: String,
    /// The namespace of the names.
    #[serde(default)]
    pub namespace: Name,
    /// Whether every path is listed, also caches and packages' own files.
    #[serde(default)]
    pub all: bool,
}

/// What differs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// For programs: see `docs/changes.md`.
    pub changes: serde_json::Value,
    /// The same for people; nothing in it steers a terminal.
    pub text: String,
}
