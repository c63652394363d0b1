//! What a snapshot's object says. Pure.

use exeat_api::{
    Condition, ConditionType, Reason, ResourceExt, Sandbox, SandboxSnapshot, Time, annotations, finalizers,
};
use exeat_snapshots::Snapshot;
use jiff::Timestamp;
use serde_json::json;

use crate::effect::{Act, Effect, Kind};
use crate::{Key, limits};

/// Says why it is not taken; none where that is said already.
pub(super) fn said(snapshot: &SandboxSnapshot, reason: Reason, why: &str) -> Option<Effect> {
    let known = snapshot.status.as_ref().and_then(|status| status.conditions.first());
    let why = cut(why);
    if known.is_some_and(|known| known.reason == reason.as_str() && known.message == why) {
        return None;
    }
    let status = json!({ "status": {
        "conditions": [ready(snapshot, false, reason, why)], "observedGeneration": snapshot.metadata.generation,
    } });
    Some(Effect { on: Kind::SandboxSnapshot, key: Key::of(snapshot), act: Act::MergeStatus(status) })
}

/// Says that it is taken, and what it holds.
pub(super) fn taken(snapshot: &SandboxSnapshot, record: &Snapshot) -> Effect {
    let status = json!({ "status": {
        "conditions": [ready(snapshot, true, Reason::Taken, "the snapshot is in the store")],
        "digest": record.digest.to_string(), "bytes": record.bytes, "storedBytes": record.stored_bytes,
        "files": record.files, "takenAt": Time::of(record.taken), "parent": record.parent,
        "sandboxUID": record.sandbox_uid, "observedGeneration": snapshot.metadata.generation,
    } });
    Effect { on: Kind::SandboxSnapshot, key: Key::of(snapshot), act: Act::MergeStatus(status) }
}

/// Lets its object go.
pub(super) fn released(snapshot: &SandboxSnapshot) -> Effect {
    let held: Vec<_> = snapshot.finalizers().iter().filter(|held| *held != finalizers::STORED).collect();
    let patch = json!({ "metadata": { "resourceVersion": snapshot.resource_version(), "finalizers": held } });
    Effect { on: Kind::SandboxSnapshot, key: Key::of(snapshot), act: Act::Merge(patch) }
}

/// Whether it was tried already.
pub(super) fn has_failed(snapshot: &SandboxSnapshot) -> bool {
    let conditions = snapshot.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().any(|condition| condition.reason == Reason::TakeFailed.as_str())
}

/// Notes another one as the sandbox's last, or none, where it was this one.
pub(super) fn forgotten(sandbox: &Sandbox, name: &str, parent: Option<&str>) -> Option<Effect> {
    is_last(sandbox, name).then(|| Effect::annotate(sandbox, json!({ annotations::LAST_SNAPSHOT: parent })))
}

/// Notes it as the sandbox's last; none where it is.
pub(super) fn noted(sandbox: &Sandbox, name: &str) -> Option<Effect> {
    (!is_last(sandbox, name)).then(|| Effect::annotate(sandbox, json!({ annotations::LAST_SNAPSHOT: name })))
}

fn is_last(sandbox: &Sandbox, name: &str) -> bool {
    sandbox.annotations().get(annotations::LAST_SNAPSHOT).is_some_and(|known| known == name)
}

fn ready(snapshot: &SandboxSnapshot, holds: bool, reason: Reason, message: &str) -> Condition {
    let before = snapshot.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let said = Condition::new(ConditionType::Ready, holds, reason, message, Time::of(Timestamp::now())).since(before);
    Condition { observed_generation: snapshot.metadata.generation, ..said }
}

/// As much of a message as an object takes.
pub(crate) fn cut(message: &str) -> &str {
    message.get(..message.floor_char_boundary(limits::MESSAGE_BYTES)).unwrap_or(message)
}
