//! Schemas of fields that are kept as JSON: references that [`crate::crd`] replaces by what Kubernetes says of them.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Stands for the schema of a pod's spec.
pub(crate) const POD_SPEC: &str = "PodSpec";
/// Stands for the schema of a volume claim's spec.
pub(crate) const VOLUME_CLAIM_SPEC: &str = "PersistentVolumeClaimSpec";
/// Stands for the schema of a rule of what may come in.
pub(crate) const INGRESS_RULE: &str = "NetworkPolicyIngressRule";
/// Stands for the schema of a rule of what may go out.
pub(crate) const EGRESS_RULE: &str = "NetworkPolicyEgressRule";

pub(crate) fn pod_spec(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "$ref": POD_SPEC })
}

pub(crate) fn volume_claim_spec(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "$ref": VOLUME_CLAIM_SPEC })
}

pub(crate) fn ingress(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "$ref": INGRESS_RULE } })
}

pub(crate) fn egress(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "$ref": EGRESS_RULE } })
}
