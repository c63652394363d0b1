//! Pieces of work: whether they may go on, and their budgets, which several gateways take from at once.
//!
//! A gateway takes a block of requests out of the budget before it uses any: it adds the block to `status.requests`, under the
//! condition that nobody else has changed the object meanwhile. So what is used is never more than what is written, and what is
//! written never more than the budget. A gateway that is killed loses the rest of its block, which nobody uses any more; one that
//! stops, or does not need it for a while, puts it back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exeat_api::{Workflow, WorkflowSpec, WorkflowStatus};
use exeat_core::{Cause, Halt, limits};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::Mutex as AsyncMutex;

use crate::facts::Key;
use crate::view::View;

/// Who keeps `status.requests`.
const MANAGER: &str = "exeat-gateway";
/// The most that is taken at once: what a crash can lose. One question to the API server for so many requests.
const BLOCK: u64 = 64;
/// A block is at most this part of what is left, so that near its end a budget is not lying about in several gateways.
const SHARE: u64 = 8;
/// How often somebody else may be faster before a request is refused.
const TRIES: u32 = 16;
/// How long what has been taken is kept without use.
const REST: Duration = Duration::from_secs(5);

/// A `Workflow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkflowFacts {
    pub(crate) uid: String,
    pub(crate) suspended: bool,
    pub(crate) deadline: Option<Timestamp>,
    /// None where it may use any number of requests.
    pub(crate) budget: Option<u64>,
    /// Those used, and those that gateways have taken to use.
    pub(crate) taken: u64,
}

impl WorkflowFacts {
    pub(crate) fn of(workflow: &Workflow) -> Self {
        let WorkflowSpec { suspended, deadline, budget } = &workflow.spec;
        let status = workflow.status.as_ref();
        WorkflowFacts {
            uid: workflow.uid().unwrap_or_default(),
            suspended: *suspended,
            deadline: deadline.map(|deadline| deadline.timestamp()),
            budget: budget.as_ref().and_then(|budget| budget.requests).map(|most| u64::try_from(most).unwrap_or(0)),
            taken: status.map_or(0, |status: &WorkflowStatus| u64::try_from(status.requests).unwrap_or(0)),
        }
    }

    /// Why nothing of it may leave at this time, where the gateway has `kept` of what is taken.
    pub(crate) fn halted(&self, now: Timestamp, kept: u64) -> Option<Halt> {
        if self.suspended {
            return Some(Halt::Suspended);
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Some(Halt::Overdue);
        }
        match self.budget {
            // A budget that was cut below what is taken is used up, whoever has the rest.
            Some(most) if self.taken > most || (self.taken == most && kept == 0) => Some(Halt::Spent(most)),
            _ => None,
        }
    }
}

/// How many requests to take where so many are taken; none where the budget is used up.
fn block(budget: Option<u64>, taken: u64) -> u64 {
    match budget {
        None => BLOCK,
        Some(most) if taken >= most => 0,
        Some(most) => ((most - taken) / SHARE).clamp(1, BLOCK),
    }
}

/// One piece of work, as this gateway takes part in it.
pub(crate) struct Work {
    key: Key,
    view: Arc<View>,
    api: Api<Workflow>,
    /// What this gateway has taken and not used. One asks for more; the others wait for the answer.
    kept: AsyncMutex<Kept>,
    /// The same number, for those who only look.
    shown: AtomicU64,
    used_lately: AtomicBool,
}

#[derive(Default)]
struct Kept {
    /// Of which object: one of the same name that came after it is another.
    uid: String,
    left: u64,
}

impl Work {
    /// Whether it may go on.
    ///
    /// # Errors
    /// [`Cause::WorkflowHalted`].
    pub(crate) fn check(&self) -> Result<(), Cause> {
        let facts = self.facts().ok_or_else(|| self.halt(Halt::Missing))?;
        match facts.halted(Timestamp::now(), self.shown.load(Ordering::Relaxed)) {
            None => Ok(()),
            Some(halt) => Err(self.halt(halt)),
        }
    }

    /// Uses one request of the budget, which has been taken durably when this returns.
    ///
    /// # Errors
    /// [`Cause::WorkflowHalted`] where there is none left, [`Cause::BudgetUnavailable`] where nobody says.
    pub(crate) async fn spend(&self) -> Result<(), Cause> {
        let mut kept = self.kept.lock().await;
        let facts = self.facts().ok_or_else(|| self.halt(Halt::Missing))?;
        if kept.uid != facts.uid {
            *kept = Kept { uid: facts.uid.clone(), left: 0 };
        }
        if let Some(halt) = facts.halted(Timestamp::now(), u64::MAX) {
            return Err(self.halt(halt));
        }
        if kept.left == 0 {
            let taken = tokio::time::timeout(limits::API_SERVER_TIME, self.take(&kept.uid)).await;
            kept.left = taken.unwrap_or_else(|_| Err(self.unavailable("it does not answer")))?;
        }
        kept.left -= 1;
        self.shown.store(kept.left, Ordering::Relaxed);
        self.used_lately.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Takes a block out of the budget. Where the answer is lost, so may the block be.
    async fn take(&self, uid: &str) -> Result<u64, Cause> {
        let mut wanted = 0;
        let change = |now: &WorkflowFacts| {
            wanted = block(now.budget, now.taken);
            match now.halted(Timestamp::now(), u64::MAX) {
                Some(halt) => Err(halt),
                None if wanted == 0 => Err(Halt::Spent(now.taken)),
                None => Ok(now.taken + wanted),
            }
        };
        self.write(uid, change).await?;
        Ok(wanted)
    }

    /// Puts back what is not used. Where that fails it counts as used.
    async fn put_back(&self) {
        let mut kept = self.kept.lock().await;
        let left = std::mem::take(&mut kept.left);
        self.shown.store(0, Ordering::Relaxed);
        if left == 0 {
            return;
        }
        let written = self.write(&kept.uid, |now| Ok(now.taken.saturating_sub(left)));
        if let Ok(Err(cause)) = tokio::time::timeout(limits::API_SERVER_TIME, written).await {
            tracing::warn!(workflow = %self.key, requests = left, %cause, "requests that were not used could not be put back");
        }
    }

    /// Writes another number of requests that are taken, if nobody was faster; otherwise looks again.
    async fn write(&self, uid: &str, mut change: impl FnMut(&WorkflowFacts) -> Result<u64, Halt>) -> Result<(), Cause> {
        for _ in 0..TRIES {
            let found = match self.api.get(&self.key.name).await {
                Ok(found) if found.uid().as_deref() == Some(uid) => found,
                Ok(_) => return Err(self.halt(Halt::Missing)),
                Err(kube::Error::Api(status)) if status.code == 404 => return Err(self.halt(Halt::Missing)),
                Err(error) => return Err(self.unavailable(&error.to_string())),
            };
            let taken = change(&WorkflowFacts::of(&found)).map_err(|halt| self.halt(halt))?;
            let patch = json!({
                "metadata": { "resourceVersion": found.resource_version(), "uid": uid },
                "status": { "requests": taken },
            });
            let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            match self.api.patch_status(&self.key.name, &params, &Patch::Merge(&patch)).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(self.unavailable(&error.to_string())),
            }
        }
        Err(self.unavailable("others are faster each time"))
    }

    fn facts(&self) -> Option<WorkflowFacts> {
        self.view.look(|objects| objects.workflows.get(&self.key).map(|workflow| workflow.facts.clone()))
    }

    fn halt(&self, halt: Halt) -> Cause {
        Cause::WorkflowHalted(self.key.to_string(), halt)
    }

    fn unavailable(&self, why: &str) -> Cause {
        tracing::warn!(workflow = %self.key, why, "the API server does not let a budget be changed");
        Cause::BudgetUnavailable(self.key.to_string())
    }
}

/// The pieces of work that sessions of this gateway are part of.
pub(crate) struct Works {
    client: Client,
    view: Arc<View>,
    all: Mutex<HashMap<Key, Arc<Work>>>,
}

impl Works {
    pub(crate) fn new(client: Client, view: Arc<View>) -> Self {
        Works { client, view, all: Mutex::default() }
    }

    /// The piece of work of this name. Whether there is one, it says itself.
    pub(crate) fn of(&self, key: Key) -> Arc<Work> {
        let make = || {
            Arc::new(Work {
                api: Api::namespaced(self.client.clone(), &key.namespace),
                view: Arc::clone(&self.view),
                kept: AsyncMutex::default(),
                shown: AtomicU64::new(0),
                used_lately: AtomicBool::new(false),
                key: key.clone(),
            })
        };
        Arc::clone(self.lock().entry(key.clone()).or_insert_with(make))
    }

    /// Puts back what is not used and forgets what nobody is part of, for as long as it is polled.
    pub(crate) async fn tend(&self) {
        loop {
            tokio::time::sleep(REST).await;
            let idle = |work: &Arc<Work>| !work.used_lately.swap(false, Ordering::Relaxed);
            let resting: Vec<_> = self.lock().values().filter(|work| idle(work)).cloned().collect();
            for work in resting {
                work.put_back().await;
            }
            // Whoever is part of it holds it; nobody gets hold of it while this is locked.
            self.lock().retain(|_, work| Arc::strong_count(work) > 1 || work.shown.load(Ordering::Relaxed) > 0);
        }
    }

    /// Puts back everything. Nobody may spend any more.
    pub(crate) async fn close(&self) {
        let all: Vec<_> = self.lock().values().cloned().collect();
        for work in all {
            work.put_back().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Work>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(budget: Option<u64>, taken: u64) -> WorkflowFacts {
        WorkflowFacts { uid: "uid".to_owned(), suspended: false, deadline: None, budget, taken }
    }

    #[test]
    fn what_halts_a_piece_of_work() {
        let (then, now): (Timestamp, Timestamp) =
            ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-01T00:00:01Z".parse().unwrap());
        let suspended = WorkflowFacts { suspended: true, ..facts(None, 0) };
        let overdue = WorkflowFacts { deadline: Some(now), ..facts(None, 0) };
        let rows = [
            ("nothing", facts(None, 9), then, 0, None),
            ("somebody", suspended, then, 0, Some(Halt::Suspended)),
            ("its deadline, not yet", overdue.clone(), then, 0, None),
            ("its deadline", overdue, now, 0, Some(Halt::Overdue)),
            ("a budget of nothing", facts(Some(0), 0), then, 0, Some(Halt::Spent(0))),
            ("its budget, not yet", facts(Some(5), 4), then, 0, None),
            ("its budget, but this gateway has some of it", facts(Some(5), 5), then, 1, None),
            ("its budget", facts(Some(5), 5), then, 0, Some(Halt::Spent(5))),
            ("its budget, which was cut", facts(Some(3), 5), then, 2, Some(Halt::Spent(3))),
        ];
        for (what, facts, now, kept, halt) in rows {
            assert_eq!(facts.halted(now, kept), halt, "{what}");
        }
    }

    proptest! {
        /// Several gateways take blocks, use them, put them back and are killed, in any order: never more is used than the budget,
        /// and what a kill loses is one block.
        #[test]
        fn a_budget_is_never_exceeded(budget in 0_u64..500, steps in proptest::collection::vec((0_usize..4, 0_u8..10), 0..2_000)) {
            let (mut taken, mut used, mut lost) = (0, 0, 0);
            let mut kept = [0_u64; 4];
            for (gateway, step) in steps {
                match step {
                    0 => taken -= std::mem::take(&mut kept[gateway]),
                    1 => lost += std::mem::take(&mut kept[gateway]),
                    _ => {
                        if kept[gateway] == 0 {
                            let block = block(Some(budget), taken);
                            prop_assert!(block <= BLOCK);
                            (taken, kept[gateway]) = (taken + block, block);
                        }
                        if kept[gateway] > 0 {
                            (kept[gateway], used) = (kept[gateway] - 1, used + 1);
                        }
                    }
                }
                prop_assert!(used <= budget);
                prop_assert_eq!(taken, used + lost + kept.iter().sum::<u64>());
                prop_assert!(taken <= budget);
            }
            // Whoever asks on gets all the rest.
            let rest: u64 = kept.iter().sum();
            taken -= rest;
            while taken < budget {
                let block = block(Some(budget), taken);
                prop_assert!(block > 0);
                taken += block;
            }
            prop_assert_eq!(block(Some(budget), taken), 0);
        }
    }
}
