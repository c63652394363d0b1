//! `SandboxTemplate`: what the sandboxes of a pool are made from.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Json, PodTemplate, VolumeClaimTemplate, schema};

/// What sandboxes are made from, and what claims may change of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "extensions.agents.x-k8s.io",
    version = "v1beta1",
    kind = "SandboxTemplate",
    plural = "sandboxtemplates",
    shortname = "sandboxtemplate",
    namespaced,
    derive = "Default",
    derive = "PartialEq",
    doc = "What the sandboxes of a pool are made from.",
    printcolumn(
        name = "Profile",
        type_ = "string",
        json_path = r".spec.podTemplate.metadata.labels.exeat\.dev/profile"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct SandboxTemplateSpec {
    /// What their pods are made from.
    pub pod_template: PodTemplate,
    /// Volumes that they keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub volume_claim_templates: Vec<VolumeClaimTemplate>,
    /// Whether each has a headless Service. Without an answer, one that is there stays and none is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<bool>,
    /// The rules of their network, instead of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkRules>,
    /// Who keeps their network policy.
    #[serde(default)]
    pub network_policy_management: NetworkPolicyManagement,
    /// Whether claims may bring variables.
    #[serde(default)]
    pub env_vars_injection_policy: InjectionPolicy,
    /// Whether claims may bring volumes.
    #[serde(default)]
    pub volume_claim_templates_policy: InjectionPolicy,
}

/// The rules of a network, as those of a NetworkPolicy. What no rule lets through is kept out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NetworkRules {
    /// What may come in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::ingress")]
    pub ingress: Vec<Json>,
    /// What may go out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::egress")]
    pub egress: Vec<Json>,
}

/// Who keeps a template's network policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NetworkPolicyManagement {
    /// The controller.
    #[default]
    Managed,
    /// Somebody else.
    Unmanaged,
}

/// Whether claims may bring something of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InjectionPolicy {
    /// They may not.
    #[default]
    Disallowed,
    /// They may add.
    Allowed,
    /// They may add and replace.
    Overrides,
}
