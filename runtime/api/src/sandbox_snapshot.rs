//! `SandboxSnapshot`: a sandbox's state at one moment.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, Time};

/// Of which sandbox, and what of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "exeat.dev",
    version = "v1alpha1",
    kind = "SandboxSnapshot",
    plural = "sandboxsnapshots",
    shortname = "xsnap",
    category = "exeat",
    namespaced,
    status = "SandboxSnapshotStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A sandbox's state at one moment, kept outside of it.",
    printcolumn(name = "Sandbox", type_ = "string", json_path = ".spec.sandboxName"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Bytes", type_ = "integer", json_path = ".status.bytes"),
    printcolumn(name = "Stored", type_ = "integer", json_path = ".status.storedBytes", priority = 1),
    printcolumn(name = "Parent", type_ = "string", json_path = ".status.parent", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    { "rule": "self == oldSelf", "message": "a snapshot cannot be changed; take another one" },
]))]
pub struct SandboxSnapshotSpec {
    /// The sandbox, by its name in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub sandbox_name: String,
    /// What is taken.
    #[serde(default)]
    pub kind: SnapshotKind,
}

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SnapshotKind {
    /// The workspace.
    #[default]
    Disk,
    /// The workspace and the memory of what runs.
    Live,
}

/// What a snapshot is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SandboxSnapshotStatus {
    /// `Ready`: whether it is taken and whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What is in it, by its hash in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How many bytes its files have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub bytes: Option<i64>,
    /// How many bytes the store grew by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub stored_bytes: Option<i64>,
    /// How many files there are in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub files: Option<i64>,
    /// When it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Time>,
    /// The snapshot before it of the same sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The UID of the sandbox that it was taken of.
    #[serde(rename = "sandboxUID", skip_serializing_if = "Option::is_none")]
    pub sandbox_uid: Option<String>,
    /// Which generation of the spec this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}
