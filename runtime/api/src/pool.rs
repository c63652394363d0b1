//! `SandboxWarmPool`: sandboxes that are ready before somebody wants one.

use serde::{Deserialize, Serialize};

use crate::{Kind, Object};

/// One pool.
pub type SandboxWarmPool = Object<SandboxWarmPoolSpec, SandboxWarmPoolStatus>;

/// What a pool shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SandboxWarmPoolSpec {
    /// How many are to be ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// What they are made from.
    pub sandbox_template_ref: TemplateRef,
    /// What becomes of them when the template is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_strategy: Option<UpdateStrategy>,
}

impl Kind for SandboxWarmPoolSpec {
    type Status = SandboxWarmPoolStatus;
    const API_VERSION: &'static str = "extensions.agents.x-k8s.io/v1beta1";
    const KIND: &'static str = "SandboxWarmPool";
}

/// A template, by its name in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateRef {
    /// The template's name.
    pub name: String,
}

/// What becomes of ready sandboxes when their template is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateStrategy {
    /// Which way.
    #[serde(rename = "type")]
    pub way: UpdateStrategyType,
}

/// Which way ready sandboxes are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStrategyType {
    /// At once.
    Recreate,
    /// As they are used up.
    #[default]
    OnReplenish,
}

/// What a pool is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SandboxWarmPoolStatus {
    /// How many there are.
    pub replicas: i32,
    /// How many of them are ready.
    pub ready_replicas: i32,
    /// What selects them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// Which generation of the spec this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
