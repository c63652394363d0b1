//! Which sandboxes are a pool's, and what is to become of them. Pure.

use std::sync::Arc;
use std::time::Duration;

use exeat_api::{
    Sandbox, SandboxTemplate, SandboxWarmPool, SandboxWarmPoolStatus, UpdateStrategyType, labels, name_hash,
};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::sandbox::is_of_template;
use crate::Key;
use crate::effect::{Act, Effect, Kind};
use crate::owners::{controller, created, reference};
use crate::sandbox::is_ready;

/// A pool's sandboxes by what becomes of them.
#[derive(Default)]
pub(super) struct Members {
    /// They count.
    pub(super) keep: Vec<Arc<Sandbox>>,
    /// They count, and get the pool as their owner first.
    pub(super) adopt: Vec<Arc<Sandbox>>,
    /// They are stuck, or not what the template says any more.
    pub(super) delete: Vec<Arc<Sandbox>>,
    /// When the first of those that are not ready will have been so for too long.
    pub(super) next_look: Option<Duration>,
}

/// Sorts those that have the pool's label.
pub(super) fn sort(
    pool: &SandboxWarmPool, labelled: Vec<Arc<Sandbox>>, template: Option<&SandboxTemplate>, now: Timestamp,
    grace: Duration,
) -> Members {
    let recreates =
        pool.spec.update_strategy.as_ref().is_some_and(|strategy| strategy.way == UpdateStrategyType::Recreate);
    let mut members = Members::default();
    for sandbox in labelled.into_iter().filter(|sandbox| sandbox.metadata.deletion_timestamp.is_none()) {
        let owner = controller(&sandbox.metadata);
        if owner.is_some_and(|owner| Some(&owner.uid) != pool.metadata.uid.as_ref()) {
            continue;
        }
        let is_orphan = owner.is_none();
        let is_stale = template.is_some_and(|template| (recreates || is_orphan) && !is_of_template(&sandbox, template));
        let left = grace.checked_sub(age(&sandbox, now)).filter(|left| !left.is_zero());
        if is_stale || (!is_ready(&sandbox) && left.is_none()) {
            members.delete.push(sandbox);
            continue;
        }
        if !is_ready(&sandbox) {
            members.next_look = members.next_look.into_iter().chain(left).min();
        }
        if is_orphan {
            members.adopt.push(Arc::clone(&sandbox));
        }
        members.keep.push(sandbox);
    }
    members
}

fn age(sandbox: &Sandbox, now: Timestamp) -> Duration {
    let made = created(sandbox).unwrap_or(now);
    Duration::try_from(now.duration_since(made)).unwrap_or_default()
}

/// So many of them that are not needed: those that are not ready, then the newest.
pub(super) fn surplus(members: &[Arc<Sandbox>], count: usize) -> Vec<Arc<Sandbox>> {
    let mut members = members.to_vec();
    members.sort_by_key(|sandbox| (is_ready(sandbox), std::cmp::Reverse(created(&**sandbox))));
    members.truncate(count);
    members
}

/// Makes the pool the owner of one that has none.
pub(super) fn adoption(pool: &SandboxWarmPool, sandbox: &Sandbox) -> Effect {
    let patch = json!({ "metadata": {
        "resourceVersion": sandbox.resource_version(), "ownerReferences": [reference(pool)],
        "labels": { labels::LAUNCH_TYPE: "warm" },
    } });
    Effect { on: Kind::Sandbox, key: Key::of(sandbox), act: Act::Merge(patch) }
}

/// What the pool's status is with these.
pub(super) fn status(pool: &SandboxWarmPool, members: &[Arc<Sandbox>]) -> SandboxWarmPoolStatus {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    SandboxWarmPoolStatus {
        replicas: count(members.len()),
        ready_replicas: count(members.iter().filter(|sandbox| is_ready(sandbox)).count()),
        selector: format!("{}={}", labels::WARM_POOL, name_hash(&pool.name_any())),
        observed_generation: pool.metadata.generation,
    }
}
