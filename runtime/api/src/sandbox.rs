//! `Sandbox`.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Condition, Json, Time, schema};

/// What a sandbox shall be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "agents.x-k8s.io",
    version = "v1beta1",
    kind = "Sandbox",
    plural = "sandboxes",
    shortname = "sandbox",
    namespaced,
    status = "SandboxStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "An isolated environment that keeps its identity and its disk.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.operatingMode", priority = 1),
    printcolumn(
        name = "Profile",
        type_ = "string",
        json_path = r".spec.podTemplate.metadata.labels.exeat\.dev/profile",
        priority = 1
    ),
    printcolumn(name = "Owner", type_ = "string", json_path = ".metadata.ownerReferences[0].name", priority = 1),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.nodeName", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{ "rule": VOLUMES_STAY, "message": "volumeClaimTemplates is immutable" }]))]
pub struct SandboxSpec {
    /// What its pod is made from. A pod that is there already is not changed by it.
    pub pod_template: PodTemplate,
    /// Volumes that it keeps, also while it does not run. Cannot be changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub volume_claim_templates: Vec<VolumeClaimTemplate>,
    /// Whether it has a headless Service of its own. Without an answer, one that is there stays and none is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<bool>,
    /// When its time is over: its pod and its Service go then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_time: Option<Time>,
    /// What becomes of this object when its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Retain"))]
    pub shutdown_policy: Option<ShutdownPolicy>,
    /// Whether it shall run. A suspended sandbox has no pod and keeps its volumes.
    #[serde(default)]
    pub operating_mode: OperatingMode,
}

const VOLUMES_STAY: &str = "has(self.volumeClaimTemplates) == has(oldSelf.volumeClaimTemplates) && \
    (!has(self.volumeClaimTemplates) || self.volumeClaimTemplates == oldSelf.volumeClaimTemplates)";

/// What a pod is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PodTemplate {
    /// The pod's labels and annotations.
    #[serde(default, skip_serializing_if = "PodMetadata::is_empty")]
    pub metadata: PodMetadata,
    /// The pod's spec.
    #[schemars(schema_with = "schema::pod_spec")]
    pub spec: Json,
}

/// Labels and annotations of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PodMetadata {
    /// Its labels.
    #[serde(default, deserialize_with = "map_or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default, deserialize_with = "map_or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl PodMetadata {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// A volume that a sandbox keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeClaimTemplate {
    /// Its name in the pod's spec, its labels and annotations.
    #[serde(default)]
    pub metadata: VolumeMetadata,
    /// The spec of its claim.
    #[schemars(schema_with = "schema::volume_claim_spec")]
    pub spec: Json,
}

/// Name, labels and annotations of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeMetadata {
    /// Its name in the pod's spec.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "map_or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default, deserialize_with = "map_or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Go's clients write an empty map as `null`.
fn map_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Whether a sandbox shall run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OperatingMode {
    /// It shall.
    #[default]
    Running,
    /// It shall not.
    Suspended,
}

/// What becomes of a sandbox whose time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ShutdownPolicy {
    /// It goes.
    Delete,
    /// It stays, and does not run.
    #[default]
    Retain,
}

/// What a sandbox is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SandboxStatus {
    /// Its Service's full name.
    #[serde(rename = "serviceFQDN", skip_serializing_if = "String::is_empty")]
    pub service_fqdn: String,
    /// Its Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// What is the case with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What selects its pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// Its pod's addresses.
    #[serde(rename = "podIPs", skip_serializing_if = "Vec::is_empty")]
    pub pod_ips: Vec<String>,
    /// The machine that its pod is on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node_name: String,
}
