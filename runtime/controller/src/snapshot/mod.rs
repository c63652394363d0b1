//! Snapshots of workspaces: each is taken once, out of the sandbox's pod into the store, and stays there as long as its object.
//!
//! ```text
//!   Observed ──▶ plan ─┬─ Do(effects): the finalizer, the status
//!                      ├─ Take ──▶ take.rs: sandboxd's archive ─▶ store ─▶ a record, which is what counts
//!                      └─ Remove ─▶ out of the store, then the finalizer
//! ```
//! The store's record is written last and once. A controller that is killed before it starts anew; one that is killed after it
//! finds it.

mod plan;
mod prune;
mod status;
mod take;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use exeat_api::{Reason, ResourceExt, SandboxSnapshot};
use tokio::time::timeout;

use self::plan::{Observed, Step, plan};
pub(crate) use self::plan::{failure, is_taken};
use self::prune::surplus;
pub(crate) use self::status::cut;
pub(crate) use self::take::inside;
use crate::calls::{Calls, Failed};
use crate::queue::Again;
use crate::sandbox::{is_ready, pod_name};
use crate::storage::Storage;
use crate::world::World;
use crate::{Key, limits};

/// What looking after snapshots needs.
#[derive(Clone)]
pub(crate) struct Snapshots {
    pub(crate) world: Arc<World>,
    pub(crate) calls: Calls,
    pub(crate) storage: Option<Arc<Storage>>,
}

/// Why a snapshot is not there.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct Untaken {
    why: String,
    /// Whether it may work the next time.
    passes: bool,
}

impl Snapshots {
    /// One look at one snapshot.
    pub(crate) async fn reconcile(self, key: Key) -> Again {
        let looked = self.look(&key).await;
        looked.unwrap_or_else(|failed| failed.again(&key, "a snapshot could not be looked after"))
    }

    async fn look(&self, key: &Key) -> Result<Again, Failed> {
        let Some(snapshot) = self.world.snapshots.get(key) else { return Ok(Again::OnChange) };
        let sandbox = self.world.sandboxes.get(&key.beside(&snapshot.spec.sandbox_name));
        let pod = sandbox.as_ref().and_then(|sandbox| self.world.pods.get(&key.beside(pod_name(sandbox))));
        let observed = Observed {
            snapshot: &snapshot,
            sandbox: sandbox.as_deref(),
            pod: pod.as_deref(),
            has_store: self.storage.is_some(),
        };
        match plan(&observed) {
            Step::Nothing => Ok(Again::OnChange),
            Step::Say(reason, why) => {
                self.say(&snapshot, reason, &why).await?;
                Ok(Again::OnChange)
            }
            Step::Do(effect) => {
                self.calls.act(&self.world, &effect).await?;
                Ok(Again::After(std::time::Duration::ZERO))
            }
            Step::Remove => self.remove(key, &snapshot).await,
            Step::Take(from) => {
                let Some(_occupied) = self.world.occupy(&key.namespace, &from.sandbox_uid) else {
                    return Ok(Again::After(limits::BUSY_LOOK));
                };
                // Why it failed stays until it does not.
                if !status::has_failed(&snapshot) {
                    self.say(&snapshot, Reason::Taking, "the workspace is being read").await?;
                }
                let taken = timeout(limits::TRANSFER_TIME, self.take(&snapshot, &from)).await;
                let late = || Untaken { why: "it took more than half an hour".to_owned(), passes: true };
                self.finish(&snapshot, &from, taken.unwrap_or_else(|_| Err(late()))).await
            }
        }
    }

    /// Takes it out of the store, then lets its object go.
    async fn remove(&self, key: &Key, snapshot: &SandboxSnapshot) -> Result<Again, Failed> {
        let Some(storage) = &self.storage else {
            tracing::warn!(snapshot = %key, "a snapshot stays: the store that it is in is not known any more");
            return Ok(Again::After(limits::RESYNC));
        };
        let removed = async { storage.namespace(&key.namespace).await?.delete(&key.name).await };
        match timeout(limits::TRANSFER_TIME, removed).await {
            Ok(Ok(_)) => {
                self.forget(key, snapshot).await?;
                self.calls.act(&self.world, &status::released(snapshot)).await?;
                Ok(Again::OnChange)
            }
            Ok(Err(error)) => Err(Failed::Other(error.to_string())),
            Err(_) => Err(Failed::Other("the store does not answer".to_owned())),
        }
    }

    /// A sandbox that runs has another last snapshot then: the one before.
    async fn forget(&self, key: &Key, snapshot: &SandboxSnapshot) -> Result<(), Failed> {
        let sandbox = self.world.sandboxes.get(&key.beside(&snapshot.spec.sandbox_name));
        let Some(sandbox) = sandbox.filter(|sandbox| is_ready(sandbox)) else { return Ok(()) };
        let parent = snapshot.status.as_ref().and_then(|status| status.parent.clone());
        let parent =
            parent.filter(|parent| self.world.snapshots.get(&key.beside(parent)).is_some_and(|it| is_taken(&it)));
        let Some(effect) = status::forgotten(&sandbox, &key.name, parent.as_deref()) else { return Ok(()) };
        match self.calls.act(&self.world, &effect).await {
            Ok(()) | Err(Failed::Stale(_)) => Ok(()),
            failed => failed,
        }
    }

    async fn finish(
        &self, snapshot: &SandboxSnapshot, from: &plan::Source, taken: Result<exeat_snapshots::Snapshot, Untaken>,
    ) -> Result<Again, Failed> {
        match taken {
            Ok(record) => {
                // The sandbox first: what is taken next follows this one.
                self.note(snapshot, from).await?;
                self.calls.act(&self.world, &status::taken(snapshot, &record)).await?;
                let all = self.world.snapshots_of(&Key::of(snapshot).beside(&snapshot.spec.sandbox_name));
                for effect in surplus(snapshot, &all) {
                    self.calls.act(&self.world, &effect).await?;
                }
                Ok(Again::OnChange)
            }
            Err(untaken) => {
                tracing::warn!(error = %untaken, snapshot = %Key::of(snapshot), "a snapshot could not be taken");
                self.say(snapshot, Reason::TakeFailed, &untaken.why).await?;
                Ok(if untaken.passes { Again::Failed } else { Again::OnChange })
            }
        }
    }

    /// Notes on the sandbox which snapshot is its last, if it is still the same one.
    async fn note(&self, snapshot: &SandboxSnapshot, from: &plan::Source) -> Result<(), Failed> {
        let key = Key::of(snapshot).beside(&snapshot.spec.sandbox_name);
        let sandbox =
            self.world.sandboxes.get(&key).filter(|sandbox| sandbox.uid().as_deref() == Some(&from.sandbox_uid));
        match sandbox.and_then(|sandbox| status::noted(&sandbox, &snapshot.name_any())) {
            Some(effect) => match self.calls.act(&self.world, &effect).await {
                // It is gone.
                Ok(()) | Err(Failed::Stale(_)) => Ok(()),
                failed => failed,
            },
            None => Ok(()),
        }
    }

    async fn say(&self, snapshot: &SandboxSnapshot, reason: Reason, why: &str) -> Result<(), Failed> {
        // It may have been changed since by ourselves.
        let known = self.world.snapshots.get(&Key::of(snapshot));
        match known.and_then(|known| status::said(&known, reason, why)) {
            Some(effect) => self.calls.act(&self.world, &effect).await,
            None => Ok(()),
        }
    }
}
