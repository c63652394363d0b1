//! `SandboxTemplate`: what the sandboxes of a pool are made from.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Kind, Object, PodTemplate};

/// One template. It has no status.
pub type SandboxTemplate = Object<SandboxTemplateSpec, ()>;

/// What sandboxes are made from, and what claims may change of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxTemplateSpec {
    /// What their pods are made from.
    #[serde(default)]
    pub pod_template: PodTemplate,
    /// Volumes that they keep, as JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_claim_templates: Vec<Value>,
    /// Whether each has a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<bool>,
    /// The rules of their network, as JSON, instead of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<Value>,
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

impl Kind for SandboxTemplateSpec {
    type Status = ();
    const API_VERSION: &'static str = "extensions.agents.x-k8s.io/v1beta1";
    const KIND: &'static str = "SandboxTemplate";
}

/// Who keeps a template's network policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkPolicyManagement {
    /// The controller.
    #[default]
    Managed,
    /// Somebody else.
    Unmanaged,
}

/// Whether claims may bring something of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InjectionPolicy {
    /// They may not.
    #[default]
    Disallowed,
    /// They may add.
    Allowed,
    /// They may add and replace.
    Overrides,
}
