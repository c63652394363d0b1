//! Workspaces that are read back into a running pod: at its start, out of a pool, or when its sandbox goes back.
//!
//! The store checks everything before the first byte. sandboxd empties the workspace and marks it until it is whole, so a
//! controller that is killed in between starts it anew, and whoever runs behind the mark has not begun.

mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use exeat_api::{Reason, ResourceExt, Sandbox};
use tokio::time::timeout;

use self::plan::{Work, plan};
use crate::calls::{Calls, Failed};
use crate::events::Events;
use crate::queue::Again;
use crate::sandbox::observe;
use crate::snapshot::inside;
use crate::storage::Storage;
use crate::wiring::WORKSPACE;
use crate::world::World;
use crate::{Key, limits};

/// What reading workspaces back needs.
#[derive(Clone)]
pub(crate) struct Restores {
    pub(crate) world: Arc<World>,
    pub(crate) calls: Calls,
    pub(crate) events: Events,
    pub(crate) storage: Option<Arc<Storage>>,
}

impl Restores {
    /// One look at one sandbox.
    pub(crate) async fn reconcile(self, key: Key) -> Again {
        let looked = self.look(&key).await;
        looked.unwrap_or_else(|failed| failed.again(&key, "a workspace could not be looked after"))
    }

    async fn look(&self, key: &Key) -> Result<Again, Failed> {
        let Some(sandbox) = self.world.sandboxes.get(key) else { return Ok(Again::OnChange) };
        let Some(work) = plan(&observe(&self.world, &sandbox, None)) else { return Ok(Again::OnChange) };
        let uid = sandbox.uid().unwrap_or_default();
        let Some(_occupied) = self.world.occupy(&key.namespace, &uid) else {
            return Ok(Again::After(limits::BUSY_LOOK));
        };
        let restored = timeout(limits::TRANSFER_TIME, self.restore(key, &work)).await;
        match restored.unwrap_or_else(|_| Err("it took more than half an hour".to_owned())) {
            Ok(()) => {
                for effect in plan::done(&observe(&self.world, &sandbox, None), &work) {
                    self.calls.act(&self.world, &effect).await?;
                }
                self.tell(&sandbox, &work);
                Ok(Again::OnChange)
            }
            Err(why) => {
                tracing::warn!(error = why, sandbox = %key, "a workspace could not be restored");
                if let Some(effect) = plan::failed(&observe(&self.world, &sandbox, None), &work, &why) {
                    self.calls.act(&self.world, &effect).await?;
                }
                Ok(Again::Failed)
            }
        }
    }

    async fn restore(&self, key: &Key, work: &Work) -> Result<(), String> {
        let storage = self.storage.as_ref().ok_or("there is no store")?;
        let archive = Arc::clone(storage).archive(Arc::clone(&key.namespace), work.digest.clone());
        let archive = archive.await.map_err(|error| error.to_string())?;
        let inside = inside(work.address).await.map_err(|error| error.to_string())?;
        inside.replace(WORKSPACE, archive).await.map_err(|error| error.to_string())
    }

    fn tell(&self, sandbox: &Sandbox, work: &Work) {
        let action = if work.is_rollback { "RolledBack" } else { Reason::Restored.as_str() };
        self.events.say_later(sandbox, action, "Restore", work.message.clone());
    }
}
