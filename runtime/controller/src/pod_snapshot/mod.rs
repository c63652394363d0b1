//! The same snapshots for clients that know them by `podsnapshot.gke.io`: a trigger makes a `PodSnapshot`, which owns a
//! `SandboxSnapshot` of its name. That one is taken and kept like any other; deleting the first deletes it.
//!
//! ```text
//!   PodSnapshotManualTrigger ─▶ PodSnapshot ─owns─▶ SandboxSnapshot ─▶ (snapshot/)
//!            ▲ Complete             ▲ Ready                │
//!            └──────────────────────┴──────────────────────┘
//! ```

mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::plan::{Observed, mirror, plan};
use crate::Key;
use crate::calls::Calls;
use crate::effect::Effect;
use crate::limits;
use crate::owners::controller;
use crate::queue::Again;
use crate::world::World;

/// What looking after triggers and their snapshots needs.
#[derive(Clone)]
pub(crate) struct PodSnapshots {
    pub(crate) world: Arc<World>,
    pub(crate) calls: Calls,
}

impl PodSnapshots {
    /// One look at one trigger.
    pub(crate) async fn reconcile_trigger(self, key: Key) -> Again {
        let Some(trigger) = self.world.triggers.get(&key) else { return Again::OnChange };
        let pod = self.world.pods.get(&key.beside(&trigger.spec.target_pod));
        let owner = pod.as_ref().and_then(|pod| controller(&pod.metadata)).filter(|owner| owner.kind == "Sandbox");
        let observed = Observed {
            trigger: &trigger,
            sandbox: owner.map(|owner| owner.name.as_str()),
            pod_snapshot: self.world.pod_snapshots.get(&key),
            snapshot: self.world.snapshots.get(&key),
        };
        self.act(&key, plan(&observed)).await
    }

    /// One look at one snapshot: it says what the one under it says.
    pub(crate) async fn reconcile(self, key: Key) -> Again {
        let Some(pod_snapshot) = self.world.pod_snapshots.get(&key) else { return Again::OnChange };
        let snapshot = self.world.snapshots.get(&key);
        let is_owned = |snapshot: &exeat_api::SandboxSnapshot| plan::owns(&pod_snapshot, snapshot);
        let effect = mirror(&pod_snapshot, snapshot.as_deref().filter(|snapshot| is_owned(snapshot)));
        self.act(&key, effect.into_iter().collect()).await
    }

    async fn act(&self, key: &Key, effects: Vec<Effect>) -> Again {
        let none = effects.is_empty();
        for effect in effects {
            if let Err(failed) = self.calls.act(&self.world, &effect).await {
                return failed.again(key, "a pod's snapshot could not be looked after");
            }
        }
        if none { Again::OnChange } else { Again::After(limits::FIRST_PAUSE) }
    }
}
