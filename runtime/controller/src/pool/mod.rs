//! Pools: as many sandboxes as asked for, made before somebody wants one.

mod members;
mod sandbox;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use exeat_api::{SandboxTemplate, SandboxWarmPool};
use futures_util::StreamExt;
use futures_util::stream::iter;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use crate::Key;
use crate::calls::{Calls, Failed};
use crate::effect::{Act, Effect, Kind};
use crate::queue::Again;
use crate::world::World;

/// Sandboxes that are made or deleted at once.
const AT_ONCE: usize = 16;

/// What looking after pools needs.
#[derive(Clone)]
pub(crate) struct Pools {
    pub(crate) world: Arc<World>,
    pub(crate) calls: Calls,
}

impl Pools {
    /// One look at one pool.
    pub(crate) async fn reconcile(self, key: Key) -> Again {
        let Some(pool) = self.world.pools.get(&key) else { return Again::OnChange };
        if pool.metadata.deletion_timestamp.is_some() {
            return Again::OnChange;
        }
        // Whoever waits for a sandbox comes before whoever may want one later.
        if let Some(pause) = self.world.precedence.pause() {
            return Again::After(pause);
        }
        let filled = self.fill(&key, &pool).await;
        filled.unwrap_or_else(|failed| failed.again(&key, "a pool could not be made as it shall be"))
    }

    async fn fill(&self, key: &Key, pool: &Arc<SandboxWarmPool>) -> Result<Again, Failed> {
        let template = self.world.templates.get(&key.beside(&pool.spec.sandbox_template_ref.name));
        let now = Timestamp::now();
        let config = &self.world.config;
        let members = members::sort(pool, self.world.pooled(key), template.as_deref(), now, config.pool_grace);
        self.all(members.adopt.iter().map(|sandbox| members::adoption(pool, sandbox)).collect()).await?;
        self.all(members.delete.iter().map(|sandbox| Effect::delete_unchanged(sandbox)).collect()).await?;

        let wanted = usize::try_from(pool.spec.replicas.unwrap_or(1)).unwrap_or(0);
        let there = members.keep.len();
        let mut again = members.next_look.map_or(Again::OnChange, Again::After);
        if let Some(template) = template.filter(|_| there < wanted) {
            let count = (wanted - there).min(config.pool_batch);
            let count = config.pool_refill_rate.map_or(count, |rate| count.min(rate.get() as usize));
            self.grow(pool, &template, count).await?;
            if there + count < wanted {
                again = Again::After(Duration::from_secs(1));
            }
        } else if there > wanted {
            let surplus = members::surplus(&members.keep, (there - wanted).min(config.pool_batch));
            self.all(surplus.iter().map(|sandbox| Effect::delete_unchanged(sandbox)).collect()).await?;
        }
        self.say(key, pool).await?;
        Ok(again)
    }

    /// One first: where the API server refuses it, it would refuse all of them.
    async fn grow(&self, pool: &SandboxWarmPool, template: &SandboxTemplate, count: usize) -> Result<(), Failed> {
        let make = || sandbox::effect(pool, template);
        self.all(vec![make()]).await?;
        self.all((1..count).map(|_| make()).collect()).await
    }

    /// Does all of these, several at once. The first failure is told when the rest are done.
    async fn all(&self, effects: Vec<Effect>) -> Result<(), Failed> {
        let doing = iter(effects).map(|effect| async move { self.calls.act(&self.world, &effect).await });
        let results: Vec<_> = doing.buffer_unordered(AT_ONCE).collect().await;
        results
            .into_iter()
            .find(|result| matches!(result, Err(Failed::Invalid(_) | Failed::Other(_))))
            .unwrap_or(Ok(()))
    }

    /// Says how many there are now.
    async fn say(&self, key: &Key, pool: &SandboxWarmPool) -> Result<(), Failed> {
        let template = self.world.templates.get(&key.beside(&pool.spec.sandbox_template_ref.name));
        let config = &self.world.config;
        let members =
            members::sort(pool, self.world.pooled(key), template.as_deref(), Timestamp::now(), config.pool_grace);
        let status = members::status(pool, &members.keep);
        // The pool itself may have been said to be so since.
        let known = self.world.pools.get(key).and_then(|pool| pool.status.clone()).unwrap_or_default();
        if known == status {
            return Ok(());
        }
        let act = Act::MergeStatus(json!({ "status": status }));
        match self.calls.act(&self.world, &Effect { on: Kind::SandboxWarmPool, key: key.clone(), act }).await {
            Ok(()) | Err(Failed::Stale(_)) => Ok(()),
            Err(failed) => Err(failed),
        }
    }
}

/// The name that a pool's sandboxes are called after.
fn new_name(pool: &SandboxWarmPool) -> String {
    let random: String =
        std::iter::repeat_with(fastrand::alphanumeric).map(|c| c.to_ascii_lowercase()).take(5).collect();
    format!("{}-{random}", pool.name_any())
}
