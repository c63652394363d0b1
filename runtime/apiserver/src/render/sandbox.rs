//! `Sandbox`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use exeat_api::{
    Condition, ConditionType, ObjectMeta, OperatingMode, PodTemplate, Reason, Resource, Sandbox, SandboxClaim,
    SandboxSpec, SandboxStatus, ShutdownPolicy, Time, labels, name_hash, name_selector,
};
use exeat_lifecycle::{ExpiryPolicy, Phase, Root, Spec, Why};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::Notes;

/// Everything that a sandbox is shown from.
pub(crate) struct Showing<'s> {
    pub(crate) record: &'s exeat_supervisor::Sandbox,
    pub(crate) notes: &'s Notes,
    pub(crate) claim: Option<&'s SandboxClaim>,
    /// How it was shown last.
    pub(crate) before: Option<&'s Sandbox>,
    /// Its address, where it has one of its own.
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) now: Timestamp,
}

/// A sandbox as it is.
pub(crate) fn sandbox(showing: &Showing<'_>) -> Sandbox {
    let record = showing.record;
    let shutdown = record.spec.shutdown.as_ref();
    let spec = SandboxSpec {
        pod_template: PodTemplate {
            metadata: showing.claim.map(|claim| claim.spec.additional_pod_metadata.clone()).unwrap_or_default(),
            spec: pod_spec(&record.spec).into(),
        },
        shutdown_time: shutdown.map(|shutdown| Time::of(shutdown.at)),
        shutdown_policy: shutdown.map(|shutdown| match shutdown.policy {
            ExpiryPolicy::Delete => ShutdownPolicy::Delete,
            ExpiryPolicy::Retain => ShutdownPolicy::Retain,
        }),
        operating_mode: if is_suspended(showing) { OperatingMode::Suspended } else { OperatingMode::Running },
        ..SandboxSpec::default()
    };
    let status = SandboxStatus {
        conditions: conditions(showing),
        selector: name_selector(record.name.as_str()),
        pod_ips: pod_ips(showing),
        ..SandboxStatus::default()
    };
    Sandbox { metadata: metadata(showing, &spec), spec, status: Some(status) }
}

fn metadata(showing: &Showing<'_>, spec: &SandboxSpec) -> ObjectMeta {
    let record = showing.record;
    let before = showing.before.map(|before| (before.metadata.generation.unwrap_or(1), &before.spec));
    let generation = before.map_or(1, |(generation, before)| if before == spec { generation } else { generation + 1 });
    let going = matches!(record.life.phase, Phase::Deleting);
    let since = showing.before.and_then(|before| before.metadata.deletion_timestamp.clone());
    ObjectMeta {
        name: Some(record.name.to_string()),
        namespace: Some(record.namespace.to_string()),
        uid: Some(record.id.to_string()),
        generation: Some(generation),
        creation_timestamp: Some(Time::of(record.created).into()),
        deletion_timestamp: going.then(|| since.unwrap_or_else(|| Time::of(showing.now).into())),
        labels: Some(own_labels(showing)),
        annotations: Some(showing.notes.annotations.clone()).filter(|annotations| !annotations.is_empty()),
        owner_references: showing.claim.and_then(|claim| claim.controller_owner_ref(&())).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// The labels that mean something, over those that somebody put there.
fn own_labels(showing: &Showing<'_>) -> BTreeMap<String, String> {
    let record = showing.record;
    let mut own = showing.notes.labels.clone();
    own.insert(labels::NAME_HASH.to_owned(), name_hash(record.name.as_str()));
    if let Some(claim) = &record.claim {
        own.insert(labels::CLAIM_UID.to_owned(), claim.clone());
    } else if let Some(pool) = &record.pool {
        own.insert(labels::WARM_POOL.to_owned(), name_hash(pool.as_str()));
    }
    own
}

/// What a pod of the sandbox would be.
pub(super) fn pod_spec(spec: &Spec) -> Value {
    let mut container = json!({ "name": "sandbox" });
    if let Root::Image(image) = &spec.root {
        container["image"] = json!(image);
    }
    let mut limits = serde_json::Map::new();
    if let Some(millis) = spec.resources.cpu_millis {
        limits.insert("cpu".to_owned(), json!(format!("{millis}m")));
    }
    if let Some(bytes) = spec.resources.memory_bytes {
        limits.insert("memory".to_owned(), json!(bytes.to_string()));
    }
    if !limits.is_empty() {
        container["resources"] = json!({ "limits": limits });
    }
    json!({ "containers": [container], "runtimeClassName": "gvisor" })
}

/// Whether it was asked not to run, and does not. One that paused by itself is ready: it wakes for the next request.
pub(super) fn is_suspended(showing: &Showing<'_>) -> bool {
    showing.notes.suspended && matches!(showing.record.life.phase, Phase::Resting { .. })
}

/// The addresses of its pod, while there is one.
pub(super) fn pod_ips(showing: &Showing<'_>) -> Vec<String> {
    let address = showing.address.filter(|_| !is_suspended(showing));
    address.iter().map(ToString::to_string).collect()
}

/// Whether its time is over.
fn is_over(record: &exeat_supervisor::Sandbox, now: Timestamp) -> bool {
    record.spec.shutdown.as_ref().is_some_and(|shutdown| shutdown.at <= now)
}

fn conditions(showing: &Showing<'_>) -> Vec<Condition> {
    let before: &[Condition] =
        showing.before.and_then(|before| before.status.as_ref()).map_or(&[], |status| &status.conditions);
    let now = Time::of(showing.now);
    let (ready, reason, message) = readiness(showing);
    let ready = Condition::new(ConditionType::Ready, ready, reason, message, now);
    let suspended = if is_suspended(showing) {
        Condition::new(
            ConditionType::Suspended,
            true,
            Reason::PodTerminated,
            "it is suspended; its state is saved",
            now,
        )
    } else {
        Condition::new(ConditionType::Suspended, false, Reason::NotSuspended, "it is not suspended", now)
    };
    [ready, suspended].into_iter().map(|condition| condition.since(before)).collect()
}

/// Whether a request to it would be answered.
pub(super) fn readiness(showing: &Showing<'_>) -> (bool, Reason, &'static str) {
    if is_over(showing.record, showing.now) {
        return (false, Reason::SandboxExpired, "its time is over");
    }
    if is_suspended(showing) {
        return (false, Reason::SandboxSuspended, "it is suspended; set `operatingMode` to `Running` to resume it");
    }
    match showing.record.life.phase {
        Phase::Creating { .. } => (false, Reason::DependenciesNotReady, "it is being started"),
        Phase::Deleting => (false, Reason::DependenciesNotReady, "it is being deleted"),
        Phase::Running { .. } => (true, Reason::DependenciesReady, "it runs"),
        Phase::Pausing { .. } => (true, Reason::DependenciesReady, "it is pausing, and wakes for the next request"),
        Phase::Starting { .. } => (true, Reason::DependenciesReady, "it is waking"),
        Phase::Replacing { .. } => (true, Reason::DependenciesReady, "it is being rolled back"),
        Phase::Resting { why: Why::Paused } => {
            (true, Reason::DependenciesReady, "it is paused, and wakes for the next request")
        }
        Phase::Resting { why: Why::RolledBack } => {
            (true, Reason::DependenciesReady, "it was rolled back, and starts for the next request")
        }
        Phase::Resting { why: Why::OutOfMemory } => {
            (true, Reason::DependenciesReady, "it used more memory than it may, and boots for the next request")
        }
        Phase::Resting { why: Why::Lost } => {
            (true, Reason::DependenciesReady, "its processes ended, and it boots for the next request")
        }
    }
}
