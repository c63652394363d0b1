//! The kinds of Agent Sandbox's API as Rust types: what its clients write and read, byte for byte as on the wire.
//!
//! ```text
//!   agents.x-k8s.io/v1beta1             Sandbox
//!   extensions.agents.x-k8s.io/v1beta1  SandboxTemplate ◀── SandboxWarmPool ◀── SandboxClaim ──▶ Sandbox
//!   podsnapshot.gke.io/v1               PodSnapshotManualTrigger ──▶ PodSnapshot
//! ```
//!
//! Field names and reasons are those of Agent Sandbox's own API (`api/v1beta1` and `extensions/api/v1beta1` of
//! kubernetes-sigs/agent-sandbox) and of GKE's pod snapshots. Start with [`Object`], which every kind is; the rest of a
//! kind is its spec and its status. A pod's spec is JSON that nobody here looks into.
//!
//! Invariants: no I/O; what a client wrote and this crate does not know is dropped, as an API server does by its schema;
//! an empty field is left out.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod claim;
mod condition;
mod meta;
mod names;
mod pool;
mod sandbox;
mod snapshot;
mod template;

pub use claim::{
    BoundSandbox, ClaimLifecycle, ClaimShutdownPolicy, EnvVar, SandboxClaim, SandboxClaimSpec, SandboxClaimStatus,
    WarmPoolRef,
};
pub use condition::{Condition, ConditionStatus, ConditionType, Reason};
pub use meta::{Kind, Object, ObjectMeta, OwnerReference, Time};
pub use names::{annotations, labels, name_hash, name_selector};
pub use pool::{
    SandboxWarmPool, SandboxWarmPoolSpec, SandboxWarmPoolStatus, TemplateRef, UpdateStrategy, UpdateStrategyType,
};
pub use sandbox::{OperatingMode, PodMetadata, PodTemplate, Sandbox, SandboxSpec, SandboxStatus, ShutdownPolicy};
pub use snapshot::{
    PodSnapshot, PodSnapshotManualTrigger, PodSnapshotManualTriggerSpec, PodSnapshotManualTriggerStatus,
    PodSnapshotSpec, PodSnapshotStatus, SnapshotCreated,
};
pub use template::{InjectionPolicy, NetworkPolicyManagement, SandboxTemplate, SandboxTemplateSpec};

/// The group of [`Sandbox`].
pub const AGENTS: &str = "agents.x-k8s.io";
/// The group of [`SandboxClaim`], [`SandboxTemplate`] and [`SandboxWarmPool`].
pub const EXTENSIONS: &str = "extensions.agents.x-k8s.io";
/// The version of both groups that is served.
pub const V1BETA1: &str = "v1beta1";
/// The group of [`PodSnapshot`] and [`PodSnapshotManualTrigger`].
pub const SNAPSHOTS: &str = "podsnapshot.gke.io";
/// That group's version.
pub const V1: &str = "v1";
