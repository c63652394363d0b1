//! One look at one sandbox: what it needs is done until nothing is left to do, then its status says how it is.

use std::sync::Arc;

use exeat_api::labels;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::calls::{Calls, Failed};
use crate::effect::Kind;
use crate::queue::Again;
use crate::sandbox::{Problem, can_wait, observe, plan, status};
use crate::world::World;
use crate::{Key, limits};

/// Looks at what effects have led to, in one go; a sandbox that needs more is looked at again later.
const ROUNDS: usize = 8;

/// What looking after sandboxes needs.
#[derive(Clone)]
pub(crate) struct Sandboxes {
    pub(crate) world: Arc<World>,
    pub(crate) calls: Calls,
}

impl Sandboxes {
    /// One look.
    pub(crate) async fn reconcile(self, key: Key) -> Again {
        if let Some(pause) = self.world.precedence.pause()
            && self.world.sandboxes.get(&key).is_some_and(|sandbox| can_wait(&observe(&self.world, &sandbox, None)))
        {
            return Again::After(pause);
        }
        let (problem, mut again) = self.provide(&key).await;
        if let Err(error) = self.say(&key, problem.as_ref()).await {
            tracing::warn!(%error, sandbox = %key, "a sandbox's status could not be written");
            again = Again::Failed;
        }
        match problem {
            // It can only change with the sandbox.
            Some(Problem::Lasting(_)) | None => again,
            // Whoever brings the snapshot wakes it.
            Some(Problem::Waiting(..)) => again.by(limits::RESYNC),
            Some(Problem::Passing(why)) => {
                tracing::warn!(why, sandbox = %key, "a sandbox could not be made as it shall be");
                Again::Failed
            }
        }
    }

    /// Does what is to be done about what the sandbox needs.
    async fn provide(&self, key: &Key) -> (Option<Problem>, Again) {
        let strangers = match self.look_at_strangers(key).await {
            Ok(strangers) => strangers,
            Err(failed) => return (Some(Problem::Passing(failed.to_string())), Again::Failed),
        };
        for _ in 0..ROUNDS {
            let Some(sandbox) = self.world.sandboxes.get(key) else { return (None, Again::OnChange) };
            let plan = plan(&observe(&self.world, &sandbox, None));
            if plan.effects.is_empty() {
                let again = if strangers { plan.again.by(limits::STRANGERS) } else { plan.again };
                return (plan.problem, again);
            }
            for effect in &plan.effects {
                match self.calls.act(&self.world, effect).await {
                    Ok(()) => {}
                    // What there is now is decided about anew.
                    Err(Failed::Stale(_)) => break,
                    // What the API server finds wrong with a pod is wrong with its template.
                    Err(Failed::Invalid(why)) if matches!(effect.on, Kind::Pod | Kind::PersistentVolumeClaim) => {
                        return (Some(Problem::Lasting(why)), Again::OnChange);
                    }
                    Err(failed) => return (Some(Problem::Passing(format!("{effect}: {failed}"))), Again::Failed),
                }
            }
        }
        (None, Again::Failed)
    }

    /// A pod or a Service that has the sandbox's name and not its label is not watched: it is asked for each time. Gives
    /// whether there is one.
    async fn look_at_strangers(&self, key: &Key) -> Result<bool, Failed> {
        let world = &*self.world;
        let is_stranger =
            |meta: &ObjectMeta| !meta.labels.as_ref().is_some_and(|labels| labels.contains_key(labels::NAME_HASH));
        let mut any = false;
        if world.pods.get(key).is_some_and(|pod| is_stranger(&pod.metadata)) {
            any |= self.calls.look(&world.pods, world, key).await?.is_some();
        }
        if world.services.get(key).is_some_and(|service| is_stranger(&service.metadata)) {
            any |= self.calls.look(&world.services, world, key).await?.is_some();
        }
        Ok(any)
    }

    async fn say(&self, key: &Key, problem: Option<&Problem>) -> Result<(), Failed> {
        let Some(sandbox) = self.world.sandboxes.get(key) else { return Ok(()) };
        let Some(effect) = status(&observe(&self.world, &sandbox, problem)) else { return Ok(()) };
        match self.calls.act(&self.world, &effect).await {
            // It is gone.
            Err(Failed::Stale(_)) => Ok(()),
            done => done,
        }
    }
}
