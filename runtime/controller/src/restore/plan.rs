//! What is to be read back, and what is said of it. Pure.

use std::net::IpAddr;

use exeat_api::{ConditionType, Reason, Time, annotations};
use kube::ResourceExt;
use serde_json::json;

use crate::Key;
use crate::effect::{Act, Effect, Kind};
use crate::owners::is_owned;
use crate::sandbox::{Observed, restored, workspace};

/// A workspace that is to be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) snapshot: String,
    pub(super) digest: String,
    pub(super) address: IpAddr,
    /// What is said of it once it is done. Clients look for the snapshot's name in it.
    pub(super) message: String,
    pub(super) is_rollback: bool,
    /// Whether the pod ran before: then the sandbox waits for it by its own annotation, else by its pod's.
    in_place: bool,
    pod: Key,
    pod_uid: String,
}

/// What is to be read back now.
pub(super) fn plan(observed: &Observed<'_>) -> Option<Work> {
    let sandbox = observed.sandbox;
    let pod = observed.pod.as_deref()?;
    let uid = sandbox.uid()?;
    if !is_owned(&pod.metadata, &uid) || !pod.runs() || sandbox.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let snapshot = workspace::pending(sandbox, pod)?;
    observed.usable(snapshot).ok()?;
    let status = observed.snapshots.get(snapshot)?.status.clone()?;
    let in_place = workspace::noted(sandbox, annotations::RESTORING).is_some();
    let is_rollback = in_place && workspace::noted(sandbox, annotations::ROLLBACK_TO) == Some(snapshot);
    let mut message = format!("restored from the snapshot `{snapshot}`");
    if let Some(before) = workspace::noted(sandbox, annotations::BEFORE_ROLLBACK).filter(|_| is_rollback) {
        message += &format!("; what was there is in the snapshot `{before}`");
    } else if let Some(parent) = &status.parent {
        message += &format!(", which follows `{parent}`");
    }
    Some(Work {
        snapshot: snapshot.to_owned(),
        digest: status.digest?,
        address: pod.address()?,
        message,
        is_rollback,
        in_place,
        pod: Key::of(pod),
        pod_uid: pod.uid()?,
    })
}

/// What is written once it is done. The last write is the one that the sandbox waits for; killed before it, all is done anew.
pub(super) fn done(observed: &Observed<'_>, work: &Work) -> Vec<Effect> {
    let sandbox = observed.sandbox;
    let noted = restored(observed, &work.snapshot);
    let patch = json!({ "metadata": { "uid": sandbox.uid(), "annotations": noted } });
    let note = Effect { on: Kind::Sandbox, key: Key::of(sandbox), act: Act::Merge(patch) };
    let said = condition(work, "True", Reason::Restored, &work.message, observed);
    if work.in_place { vec![said, note] } else { vec![note, said] }
}

/// What is written where it failed; nothing where that is said already.
pub(super) fn failed(observed: &Observed<'_>, work: &Work, why: &str) -> Option<Effect> {
    let message = format!("not restored from the snapshot `{}` yet: {}", work.snapshot, crate::snapshot::cut(why));
    let known = observed.pod.as_deref().and_then(|pod| pod.condition(ConditionType::PodRestored.as_str()));
    let is_known = known.is_some_and(|known| known.message.as_deref() == Some(&message));
    (!is_known).then(|| condition(work, "False", Reason::RestoreFailed, &message, observed))
}

fn condition(work: &Work, status: &str, reason: Reason, message: &str, observed: &Observed<'_>) -> Effect {
    let condition = json!({
        "type": ConditionType::PodRestored.as_str(), "status": status, "reason": reason.as_str(), "message": message,
        "lastTransitionTime": Time::of(observed.now),
    });
    let act = Act::Condition { uid: work.pod_uid.clone(), condition };
    Effect { on: Kind::Pod, key: work.pod.clone(), act }
}
