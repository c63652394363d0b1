//! `PodSnapshot`, and what has become of a trigger.

use exeat_api::{
    Condition, ConditionType, ObjectMeta, PodSnapshot, PodSnapshotManualTriggerStatus, PodSnapshotSpec,
    PodSnapshotStatus, Reason, SnapshotCreated, Time, annotations, labels, name_hash,
};
use exeat_lifecycle::Snapshot;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A snapshot. Its time is exact, as Kubernetes' own type cannot write it: clients find the newest one by it.
pub(crate) fn snapshot(snapshot: &Snapshot, namespace: &str) -> Value {
    let metadata = ObjectMeta {
        name: Some(snapshot.id.to_string()),
        namespace: Some(namespace.to_owned()),
        uid: Some(snapshot.id.to_string()),
        labels: Some([(labels::NAME_HASH.to_owned(), name_hash(&snapshot.sandbox_name))].into()),
        annotations: Some([(annotations::ORIGIN_POD.to_owned(), snapshot.sandbox_name.clone())].into()),
        ..ObjectMeta::default()
    };
    let now = Time::of(snapshot.created);
    let ready = Condition::new(ConditionType::Ready, true, Reason::Complete, "the snapshot is whole", now);
    let status = Some(PodSnapshotStatus { conditions: vec![ready] });
    let mut shown = json!(PodSnapshot { metadata, spec: PodSnapshotSpec {}, status });
    shown["metadata"]["creationTimestamp"] = json!(Time::exact(snapshot.created));
    shown
}

/// A trigger whose snapshot was taken.
pub(crate) fn taken_trigger(snapshot: &Snapshot) -> PodSnapshotManualTriggerStatus {
    let (now, message) = (Time::of(snapshot.created), "the snapshot was taken");
    PodSnapshotManualTriggerStatus {
        conditions: vec![Condition::new(ConditionType::Triggered, true, Reason::Complete, message, now)],
        snapshot_created: Some(SnapshotCreated { name: snapshot.id.to_string() }),
    }
}

/// A trigger whose snapshot was not.
pub(crate) fn failed_trigger(message: &str, now: Timestamp) -> PodSnapshotManualTriggerStatus {
    let failed = Condition::new(ConditionType::Triggered, false, Reason::Failed, message, Time::of(now));
    PodSnapshotManualTriggerStatus { conditions: vec![failed], snapshot_created: None }
}
