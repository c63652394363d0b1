//! `PodSnapshotManualTrigger` and `PodSnapshot`, as the SDK's `PodSnapshotSandboxClient` speaks of them
//! (<https://docs.cloud.google.com/kubernetes-engine/docs/concepts/pod-snapshots>).

use serde::{Deserialize, Serialize};

use crate::{Condition, Kind, Object};

/// Somebody wants a snapshot of a pod.
pub type PodSnapshotManualTrigger = Object<PodSnapshotManualTriggerSpec, PodSnapshotManualTriggerStatus>;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSnapshotManualTriggerSpec {
    /// The pod, by its name in the same namespace.
    pub target_pod: String,
}

impl Kind for PodSnapshotManualTriggerSpec {
    type Status = PodSnapshotManualTriggerStatus;
    const API_VERSION: &'static str = "podsnapshot.gke.io/v1";
    const KIND: &'static str = "PodSnapshotManualTrigger";
}

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotCreated {
    /// Its name.
    pub name: String,
}

/// A pod's state at one moment.
pub type PodSnapshot = Object<PodSnapshotSpec, PodSnapshotStatus>;

/// A snapshot is made by a trigger and never asked for by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodSnapshotSpec {}

impl Kind for PodSnapshotSpec {
    type Status = PodSnapshotStatus;
    const API_VERSION: &'static str = "podsnapshot.gke.io/v1";
    const KIND: &'static str = "PodSnapshot";
}

/// What a snapshot is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodSnapshotStatus {
    /// `Ready`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
