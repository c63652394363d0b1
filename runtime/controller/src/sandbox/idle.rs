//! Sandboxes that nobody uses are suspended, where they ask for it; the router resumes them.

use exeat_api::{Sandbox, annotations, labels};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::json;

use super::pod::asks;
use super::{Observed, is_ready, is_suspended, status};
use crate::Key;
use crate::effect::{Act, Effect, Kind};

/// Suspends what has been idle for too long, and takes the note away from what runs again.
pub(super) fn plan(observed: &Observed<'_>) -> Vec<Effect> {
    let sandbox = observed.sandbox;
    let by_itself = sandbox.annotations().contains_key(annotations::SUSPENDED_BY);
    if by_itself && !is_suspended(sandbox) {
        return vec![Effect::annotate(sandbox, json!({ annotations::SUSPENDED_BY: null }))];
    }
    if due(observed).is_none_or(|due| due > observed.now) {
        return Vec::new();
    }
    // Whoever has used it since has changed it.
    let patch = json!({
        "metadata": {
            "resourceVersion": sandbox.resource_version(), "annotations": { annotations::SUSPENDED_BY: "idle" },
        },
        "spec": { "operatingMode": "Suspended" },
    });
    vec![Effect { on: Kind::Sandbox, key: Key::of(sandbox), act: Act::Merge(patch) }]
}

/// When a sandbox that runs will have been idle for too long. One that waits in a pool is not idle.
pub(super) fn due(observed: &Observed<'_>) -> Option<Timestamp> {
    let sandbox = observed.sandbox;
    if is_suspended(sandbox) || !is_ready(sandbox) || sandbox.labels().contains_key(labels::WARM_POOL) {
        return None;
    }
    let seconds: i64 = asks(sandbox, annotations::IDLE_SECONDS)?.parse().ok().filter(|seconds| *seconds > 0)?;
    let since = last_active(sandbox).max(status::ready_since(sandbox))?;
    since.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn last_active(sandbox: &Sandbox) -> Option<Timestamp> {
    sandbox.annotations().get(annotations::LAST_ACTIVE)?.parse().ok()
}
