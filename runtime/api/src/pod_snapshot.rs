//! `PodSnapshotManualTrigger` and `PodSnapshot`, as the SDK's `PodSnapshotSandboxClient` speaks of them
//! (<https://docs.cloud.google.com/kubernetes-engine/docs/concepts/pod-snapshots>).

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Condition;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "podsnapshot.gke.io",
    version = "v1",
    kind = "PodSnapshotManualTrigger",
    plural = "podsnapshotmanualtriggers",
    namespaced,
    status = "PodSnapshotManualTriggerStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A wish for a snapshot of a pod, and which one was taken.",
    printcolumn(name = "Pod", type_ = "string", json_path = ".spec.targetPod"),
    printcolumn(name = "Triggered", type_ = "string", json_path = ".status.conditions[?(@.type=='Triggered')].status"),
    printcolumn(name = "Snapshot", type_ = "string", json_path = ".status.snapshotCreated.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PodSnapshotManualTriggerSpec {
    /// The pod, by its name in the same namespace.
    #[schemars(length(min = 1))]
    pub target_pod: String,
}

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSnapshotManualTriggerStatus {
    /// `Triggered`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The snapshot that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_created: Option<SnapshotCreated>,
}

/// A snapshot, by its name in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotCreated {
    /// Its name.
    pub name: String,
}

/// A snapshot is made by a trigger and never asked for by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "podsnapshot.gke.io",
    version = "v1",
    kind = "PodSnapshot",
    plural = "podsnapshots",
    namespaced,
    status = "PodSnapshotStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A pod's state at one moment.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Pod", type_ = "string", json_path = r".metadata.annotations.podsnapshot\.gke\.io/origin-pod"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct PodSnapshotSpec {}

/// What a snapshot is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PodSnapshotStatus {
    /// `Ready`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
