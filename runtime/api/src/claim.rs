//! `SandboxClaim`: somebody wants a sandbox out of a pool.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, PodMetadata, Time, VolumeClaimTemplate};

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "extensions.agents.x-k8s.io",
    version = "v1beta1",
    kind = "SandboxClaim",
    plural = "sandboxclaims",
    shortname = "sandboxclaim",
    namespaced,
    status = "SandboxClaimStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A wish for a sandbox out of a pool, and which one it got.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Sandbox", type_ = "string", json_path = ".status.sandbox.name"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Pool", type_ = "string", json_path = ".spec.warmPoolRef.name", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct SandboxClaimSpec {
    /// Out of which pool.
    pub warm_pool_ref: WarmPoolRef,
    /// For how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<ClaimLifecycle>,
    /// Labels and annotations for the pod.
    #[serde(default, skip_serializing_if = "PodMetadata::is_empty")]
    pub additional_pod_metadata: PodMetadata,
    /// Variables for what runs inside. With any, the sandbox does not come out of the pool but is made for the claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub env: Vec<EnvVar>,
    /// Volumes. With any, the sandbox does not come out of the pool but is made for the claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub volume_claim_templates: Vec<VolumeClaimTemplate>,
}

/// A pool, by its name in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WarmPoolRef {
    /// The pool's name.
    pub name: String,
}

/// For how long a sandbox is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimLifecycle {
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown_time: Option<Time>,
    /// So many seconds after it has finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_seconds_after_finished: Option<i32>,
    /// What becomes of the claim then.
    pub shutdown_policy: ClaimShutdownPolicy,
}

/// What becomes of a claim whose time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClaimShutdownPolicy {
    /// It goes, and its sandbox with it.
    Delete,
    /// The same, and it is seen until the sandbox has gone.
    DeleteForeground,
    /// It stays; its sandbox does not run.
    #[default]
    Retain,
}

impl ClaimShutdownPolicy {
    /// Whether the claim goes.
    pub fn deletes(self) -> bool {
        self != ClaimShutdownPolicy::Retain
    }
}

/// A variable for what runs inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The container that it is for; the first one without it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container_name: String,
}

/// What has become of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SandboxClaimStatus {
    /// What is the case with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Its sandbox.
    #[serde(skip_serializing_if = "BoundSandbox::is_empty")]
    pub sandbox: BoundSandbox,
}

/// A claim's sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BoundSandbox {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its pod's addresses.
    #[serde(rename = "podIPs", skip_serializing_if = "Vec::is_empty")]
    pub pod_ips: Vec<String>,
}

impl BoundSandbox {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.name.is_empty()
    }
}
