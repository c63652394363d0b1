//! `EgressPolicy`: what sandboxes of a namespace may do outside.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Condition;

/// The most bytes of Cedar in one policy object: an object has to fit into etcd with its history of fields.
pub const CEDAR_BYTES: usize = 256 << 10;

/// What sandboxes may do outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "exeat.dev",
    version = "v1alpha1",
    kind = "EgressPolicy",
    plural = "egresspolicies",
    shortname = "egress",
    category = "exeat",
    namespaced,
    status = "EgressPolicyStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "Policies in Cedar that say what the sandboxes of this namespace may do outside.",
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type=='Accepted')].status"),
    printcolumn(name = "Profiles", type_ = "string", json_path = ".spec.profiles"),
    printcolumn(name = "Policies", type_ = "integer", json_path = ".status.policies"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct EgressPolicySpec {
    /// The profiles that it is for. Without any it is for every sandbox of the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub profiles: Vec<String>,
    /// The policies, as the text of a Cedar file.
    #[schemars(length(min = 1, max = CEDAR_BYTES))]
    pub cedar: String,
}

/// What has become of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EgressPolicyStatus {
    /// `Accepted`: whether it is in force, and what Cedar says where it is not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The version of the set of policies that it was put in force with; the journal names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    /// How many policies there are in the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub policies: Option<i32>,
    /// Which generation of the spec this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}
