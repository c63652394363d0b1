//! `Workflow`: one piece of work, which several sandboxes may share.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, Time};

/// What one piece of work may use.
///
/// Its short name is not `wf`, which is that of Argo's kind of the same name: where two groups have one, `kubectl get wf`
/// shows either, as their names sort.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "exeat.dev",
    version = "v1alpha1",
    kind = "Workflow",
    plural = "workflows",
    shortname = "xwf",
    category = "exeat",
    namespaced,
    status = "WorkflowStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "One piece of work, which several sandboxes may share, and what it may use.",
    printcolumn(name = "Active", type_ = "string", json_path = ".status.conditions[?(@.type=='Active')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Active')].reason"),
    printcolumn(name = "Requests", type_ = "integer", json_path = ".status.requests"),
    printcolumn(name = "Budget", type_ = "integer", json_path = ".spec.budget.requests"),
    printcolumn(name = "Sandboxes", type_ = "integer", json_path = ".status.sandboxes"),
    printcolumn(name = "Deadline", type_ = "string", json_path = ".spec.deadline", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowSpec {
    /// Whether it shall do nothing for now: the requests of its sandboxes are refused.
    #[serde(default)]
    pub suspended: bool,
    /// From when on the requests of its sandboxes are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// What its sandboxes may use together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<WorkflowBudget>,
}

/// What the sandboxes of a piece of work may use together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowBudget {
    /// How many requests. Without a number, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub requests: Option<i64>,
}

/// What a piece of work has used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowStatus {
    /// How many requests have been let out.
    #[schemars(range(min = 0))]
    pub requests: i64,
    /// How many sandboxes belong to it.
    #[schemars(range(min = 0))]
    pub sandboxes: i32,
    /// `Active`: whether its sandboxes may send requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Which generation of the spec this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}
