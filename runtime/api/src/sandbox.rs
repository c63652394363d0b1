//! `Sandbox`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::meta::map_or_null;
use crate::{Condition, Kind, Object, Time};

/// One sandbox.
pub type Sandbox = Object<SandboxSpec, SandboxStatus>;

/// What a sandbox shall be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxSpec {
    /// What its pod is made from.
    #[serde(default)]
    pub pod_template: PodTemplate,
    /// Volumes that it keeps, as JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_claim_templates: Vec<Value>,
    /// Whether it has a Service of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<bool>,
    /// When its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_time: Option<Time>,
    /// What becomes of the object then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_policy: Option<ShutdownPolicy>,
    /// Whether it shall run.
    #[serde(default)]
    pub operating_mode: OperatingMode,
}

impl Kind for SandboxSpec {
    type Status = SandboxStatus;
    const API_VERSION: &'static str = "agents.x-k8s.io/v1beta1";
    const KIND: &'static str = "Sandbox";
}

/// What a pod is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodTemplate {
    /// The pod's labels and annotations.
    #[serde(default, skip_serializing_if = "PodMetadata::is_empty")]
    pub metadata: PodMetadata,
    /// The pod's spec, as JSON.
    #[serde(default)]
    pub spec: Value,
}

/// Labels and annotations of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodMetadata {
    /// Its labels.
    #[serde(deserialize_with = "map_or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(deserialize_with = "map_or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl PodMetadata {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// Whether a sandbox shall run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperatingMode {
    /// It shall.
    #[default]
    Running,
    /// It shall not.
    Suspended,
}

/// What becomes of a sandbox whose time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShutdownPolicy {
    /// It goes.
    Delete,
    /// It stays, and does not run.
    #[default]
    Retain,
}

/// What a sandbox is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
