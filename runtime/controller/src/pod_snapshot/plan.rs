//! What is to be done about a trigger, and what its snapshot says. Pure.

use std::sync::Arc;

use exeat_api::{
    Condition, ConditionType, PodSnapshot, PodSnapshotManualTrigger, Reason, ResourceExt, SandboxSnapshot, Time,
    annotations, labels, name_hash,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Key;
use crate::effect::{Act, Effect, Kind};
use crate::owners::reference;
use crate::snapshot::{failure, is_taken};

/// Everything that deciding about a trigger needs to know.
pub(super) struct Observed<'o> {
    pub(super) trigger: &'o PodSnapshotManualTrigger,
    /// The sandbox whose pod it names.
    pub(super) sandbox: Option<&'o str>,
    /// The snapshot of its name, and the one under it.
    pub(super) pod_snapshot: Option<Arc<PodSnapshot>>,
    pub(super) snapshot: Option<Arc<SandboxSnapshot>>,
}

/// Whether the one of a name owns the other.
pub(super) fn owns(pod_snapshot: &PodSnapshot, snapshot: &SandboxSnapshot) -> bool {
    snapshot.owner_references().iter().any(|owner| Some(&owner.uid) == pod_snapshot.metadata.uid.as_ref())
}

/// The next step. A trigger that has come to an end stays as it is.
pub(super) fn plan(observed: &Observed<'_>) -> Vec<Effect> {
    let trigger = observed.trigger;
    if trigger.metadata.deletion_timestamp.is_some() || is_over(trigger) {
        return Vec::new();
    }
    let key = Key::of(trigger);
    let Some(sandbox) = observed.sandbox else {
        let why = format!("there is no sandbox whose pod is `{}` in this namespace", trigger.spec.target_pod);
        return vec![said(trigger, false, Reason::Failed, &why)];
    };
    let Some(pod_snapshot) = &observed.pod_snapshot else {
        let body = pod_snapshot(trigger, sandbox);
        return vec![Effect { on: Kind::PodSnapshot, key, act: Act::Create(body) }];
    };
    match &observed.snapshot {
        None => vec![Effect { on: Kind::SandboxSnapshot, key, act: Act::Create(snapshot(pod_snapshot, sandbox)) }],
        Some(snapshot) if !owns(pod_snapshot, snapshot) => {
            let why = format!("there is another snapshot `{}` already: trigger one of another name", key.name);
            vec![said(trigger, false, Reason::Failed, &why), gone(pod_snapshot)]
        }
        // Whoever hears of it finds it ready.
        Some(snapshot) if is_taken(snapshot) => {
            let complete = said(trigger, true, Reason::Complete, "the snapshot is in the store");
            mirror(pod_snapshot, Some(snapshot)).into_iter().chain([complete]).collect()
        }
        // Clients wait for a trigger, so it is tried once.
        Some(snapshot) => match failure(snapshot) {
            Some(why) => vec![said(trigger, false, Reason::Failed, why), gone(pod_snapshot)],
            None => Vec::new(),
        },
    }
}

fn is_over(trigger: &PodSnapshotManualTrigger) -> bool {
    let conditions = trigger.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().any(|condition| condition.of == ConditionType::Triggered.as_str())
}

fn gone(pod_snapshot: &PodSnapshot) -> Effect {
    Effect::delete(Kind::PodSnapshot, pod_snapshot)
}

fn pod_snapshot(trigger: &PodSnapshotManualTrigger, sandbox: &str) -> Value {
    json!({
        "apiVersion": "podsnapshot.gke.io/v1", "kind": "PodSnapshot",
        "metadata": {
            "name": trigger.name_any(), "namespace": trigger.namespace(),
            "labels": { labels::NAME_HASH: name_hash(sandbox) },
            "annotations": { annotations::ORIGIN_POD: trigger.spec.target_pod },
        },
        "spec": {},
    })
}

fn snapshot(pod_snapshot: &PodSnapshot, sandbox: &str) -> Value {
    let mut owner = reference(pod_snapshot);
    owner["blockOwnerDeletion"] = json!(false);
    json!({
        "apiVersion": "exeat.dev/v1alpha1", "kind": "SandboxSnapshot",
        "metadata": {
            "name": pod_snapshot.name_any(), "namespace": pod_snapshot.namespace(), "ownerReferences": [owner],
            "labels": { labels::NAME_HASH: name_hash(sandbox) },
        },
        "spec": { "sandboxName": sandbox, "kind": "Disk" },
    })
}

fn said(trigger: &PodSnapshotManualTrigger, holds: bool, reason: Reason, why: &str) -> Effect {
    let condition = Condition::new(ConditionType::Triggered, holds, reason, why, Time::of(Timestamp::now()));
    let condition = Condition { observed_generation: trigger.metadata.generation, ..condition };
    let mut status = json!({ "conditions": [condition] });
    if holds {
        status["snapshotCreated"] = json!({ "name": trigger.name_any() });
    }
    let act = Act::MergeStatus(json!({ "status": status }));
    Effect { on: Kind::PodSnapshotManualTrigger, key: Key::of(trigger), act }
}

/// Lets a snapshot say what the one under it says; none where it does.
pub(super) fn mirror(pod_snapshot: &PodSnapshot, snapshot: Option<&SandboxSnapshot>) -> Option<Effect> {
    if pod_snapshot.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let conditions = pod_snapshot.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let under = snapshot.and_then(|snapshot| snapshot.status.as_ref()?.conditions.first().cloned());
    let condition = match (snapshot, under) {
        (Some(_), Some(under)) => under,
        // It is being made.
        (_, None) if conditions.is_empty() => return None,
        (_, _) => {
            let why = "what it stands for is not there any more";
            let gone =
                Condition::new(ConditionType::Ready, false, Reason::SnapshotNotFound, why, Time::of(Timestamp::now()));
            gone.since(conditions)
        }
    };
    let condition = Condition { observed_generation: pod_snapshot.metadata.generation, ..condition };
    let is_said = |known: &Condition| {
        (known.status, &known.reason, &known.message) == (condition.status, &condition.reason, &condition.message)
    };
    if conditions.first().is_some_and(is_said) {
        return None;
    }
    let act = Act::MergeStatus(json!({ "status": { "conditions": [condition] } }));
    Some(Effect { on: Kind::PodSnapshot, key: Key::of(pod_snapshot), act })
}
