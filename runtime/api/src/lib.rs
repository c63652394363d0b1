//! The kinds of Agent Sandbox's API as Rust types: what its clients write and read, byte for byte as on the wire.
//!
//! ```text
//!   agents.x-k8s.io/v1beta1             Sandbox
//!   extensions.agents.x-k8s.io/v1beta1  SandboxTemplate ◀── SandboxWarmPool ◀── SandboxClaim ──▶ Sandbox
//!   podsnapshot.gke.io/v1               PodSnapshotManualTrigger ──▶ PodSnapshot
//!   exeat.dev/v1alpha1                  EgressPolicy   Credential   Workflow   SandboxSnapshot ──▶ Sandbox
//! ```
//!
//! Field names and reasons are those of Agent Sandbox's own API (`api/v1beta1` and `extensions/api/v1beta1` of
//! kubernetes-sigs/agent-sandbox) and of GKE's pod snapshots; the last group is our own. A kind is the struct of its spec:
//! kube makes the object around it, and the definition that a cluster needs. A pod's spec is [`Json`] that nobody here
//! looks into.
//!
//! Invariants: no I/O; what a client wrote and this crate does not know is dropped, as an API server does by its schema;
//! an empty field is left out.

#![allow(clippy::duplicated_attributes, reason = "columns have a type each, which clippy takes for one attribute")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says what went wrong by failing"))]

mod claim;
mod condition;
pub mod conversion;
pub mod crd;
mod credential;
mod egress_policy;
mod json;
mod names;
mod pod_snapshot;
mod pool;
mod sandbox;
mod sandbox_snapshot;
mod schema;
mod template;
mod time;
mod workflow;

pub use claim::{
    BoundSandbox, ClaimLifecycle, ClaimShutdownPolicy, EnvVar, SandboxClaim, SandboxClaimSpec, SandboxClaimStatus,
    WarmPoolRef,
};
pub use condition::{Condition, ConditionStatus, ConditionType, Reason};
pub use credential::{Credential, CredentialSpec, CredentialStatus, Inject, SecretRef};
pub use egress_policy::{CEDAR_BYTES, EgressPolicy, EgressPolicySpec, EgressPolicyStatus};
pub use json::Json;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
pub use kube::{CustomResourceExt, Resource, ResourceExt};
pub use names::{annotations, finalizers, labels, name_hash, name_selector};
pub use pod_snapshot::{
    PodSnapshot, PodSnapshotManualTrigger, PodSnapshotManualTriggerSpec, PodSnapshotManualTriggerStatus,
    PodSnapshotSpec, PodSnapshotStatus, SnapshotCreated,
};
pub use pool::{
    SandboxWarmPool, SandboxWarmPoolSpec, SandboxWarmPoolStatus, TemplateRef, UpdateStrategy, UpdateStrategyType,
};
pub use sandbox::{
    OperatingMode, PodMetadata, PodTemplate, Sandbox, SandboxSpec, SandboxStatus, ShutdownPolicy, VolumeClaimTemplate,
    VolumeMetadata,
};
pub use sandbox_snapshot::{SandboxSnapshot, SandboxSnapshotSpec, SandboxSnapshotStatus, SnapshotKind};
pub use template::{InjectionPolicy, NetworkPolicyManagement, NetworkRules, SandboxTemplate, SandboxTemplateSpec};
pub use time::Time;
pub use workflow::{Workflow, WorkflowBudget, WorkflowSpec, WorkflowStatus};

/// The group of [`Sandbox`].
pub const AGENTS: &str = "agents.x-k8s.io";
/// The group of [`SandboxClaim`], [`SandboxTemplate`] and [`SandboxWarmPool`].
pub const EXTENSIONS: &str = "extensions.agents.x-k8s.io";
/// The version of both groups that is stored.
pub const V1BETA1: &str = "v1beta1";
/// The group of [`PodSnapshot`] and [`PodSnapshotManualTrigger`].
pub const SNAPSHOTS: &str = "podsnapshot.gke.io";
/// That group's version.
pub const V1: &str = "v1";
/// The group of our own kinds.
pub const EXEAT: &str = "exeat.dev";
/// That group's version.
pub const V1ALPHA1: &str = "v1alpha1";
