//! `Pod`: as much of one as clients read. There is no pod; this is a sandbox's running part.

use exeat_api::{Condition, ConditionType, Reason, Resource, Sandbox, Time, labels, name_hash};
use exeat_lifecycle::Phase;
use serde_json::{Value, json};

use super::sandbox::{Showing, is_suspended, pod_ips, readiness};

/// A sandbox's pod; there is none while it is suspended. Each start has a UID of its own.
pub(crate) fn pod(showing: &Showing<'_>, shown: &Sandbox) -> Option<Value> {
    let record = showing.record;
    if is_suspended(showing) {
        return None;
    }
    let creating = matches!(record.life.phase, Phase::Creating { .. });
    let metadata = &shown.spec.pod_template.metadata;
    let mut own = metadata.labels.clone();
    own.insert(labels::NAME_HASH.to_owned(), name_hash(record.name.as_str()));
    let owner = json!({
        "apiVersion": Sandbox::api_version(&()), "kind": Sandbox::kind(&()), "name": shown.metadata.name,
        "uid": shown.metadata.uid, "controller": true,
    });
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": record.name, "namespace": record.namespace, "uid": format!("{}.{}", record.id, record.life.next),
            "creationTimestamp": Time::of(record.created), "labels": own, "annotations": metadata.annotations,
            "ownerReferences": [owner],
        },
        "spec": shown.spec.pod_template.spec,
        "status": { "phase": if creating { "Pending" } else { "Running" }, "conditions": conditions(showing, shown) },
    });
    if let Some(ip) = pod_ips(showing).first() {
        pod["status"]["podIP"] = json!(ip);
        pod["status"]["podIPs"] = json!([{ "ip": ip }]);
    }
    if let Some(time) = &shown.metadata.deletion_timestamp {
        pod["metadata"]["deletionTimestamp"] = json!(time);
    }
    Some(pod)
}

fn conditions(showing: &Showing<'_>, shown: &Sandbox) -> Vec<Value> {
    let before = shown.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let now = Time::of(showing.record.created);
    let (ready, reason, message) = readiness(showing);
    let mut conditions = vec![
        Condition::new(ConditionType::PodScheduled, true, Reason::DependenciesReady, "it is on this machine", now),
        Condition::new(ConditionType::Ready, ready, reason, message, now).since(before),
    ];
    if let Some(snapshot) = &showing.notes.restored {
        let message = format!("its state is that of snapshot `{snapshot}` or later");
        conditions.push(Condition::new(ConditionType::PodRestored, true, Reason::Restored, &message, now));
    }
    conditions.into_iter().map(|condition| json!(condition)).collect()
}
