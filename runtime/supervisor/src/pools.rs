//! Pools: sandboxes that run before anybody asks. Who claims one gives it its identity, and only then has it rights.

use std::sync::Arc;

use exeat_lifecycle::{Name, Phase, Spec};
use serde::Serialize;

use crate::error::Error;
use crate::operations::{detached, detail, hex};
use crate::sandbox::{Claim, Create, Sandbox};
use crate::supervisor::{Entry, Supervisor, random};

/// What a pool shall be.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The namespace of its sandboxes.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// How many sandboxes wait in it. With none, each claim starts one.
    pub replicas: u32,
    /// What its sandboxes are.
    pub spec: Spec,
}

/// What a pool is.
#[derive(Clone, Debug, Serialize)]
pub struct Pool {
    /// The namespace of its sandboxes.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// How many sandboxes shall wait in it.
    pub replicas: u32,
    /// How many do, and run.
    pub ready: u32,
    /// What its sandboxes are.
    pub spec: Spec,
}

impl Supervisor {
    /// All pools.
    pub fn pools(&self) -> Vec<Pool> {
        let all = self.list();
        let pool = |config: &PoolConfig| {
            let ready = all.iter().filter(|sandbox| waits_in(sandbox, config) && sandbox.life.running().is_some());
            Pool {
                namespace: config.namespace.clone(),
                name: config.name.clone(),
                replicas: config.replicas,
                ready: u32::try_from(ready.count()).unwrap_or(u32::MAX),
                spec: config.spec.clone(),
            }
        };
        self.0.config.pools.iter().map(pool).collect()
    }

    /// A sandbox of a pool: one that is ready, or a new one where none is.
    ///
    /// # Errors
    /// [`Error`]; nothing has been claimed then.
    pub async fn claim(&self, namespace: &Name, pool: &Name, claim: Claim) -> Result<Sandbox, Error> {
        if let Some(claimed) = self.list().into_iter().find(|sandbox| sandbox.claim.as_ref() == Some(&claim.uid)) {
            return Ok(claimed);
        }
        let mut configs = self.0.config.pools.iter();
        let config = configs.find(|config| config.namespace == *namespace && config.name == *pool).cloned();
        let config = config.ok_or_else(|| Error::NotFound { kind: "pool", name: pool.to_string() })?;
        let supervisor = self.clone();
        detached(async move {
            if claim.from.is_none() {
                for entry in supervisor.entries() {
                    if let Some(claimed) = supervisor.adopt_into(&entry, &config, &claim).await? {
                        return Ok(claimed);
                    }
                }
            }
            let mut spec = config.spec;
            adapt(&mut spec, &claim);
            let (namespace, claim, from) = (config.namespace, Some(claim.uid), claim.from);
            supervisor.make(Create { namespace, name: None, spec, claim, from }, None).await
        })
        .await
    }

    /// Gives a ready sandbox to a claim; nothing where it is none, or somebody else is about it.
    async fn adopt_into(
        &self, entry: &Arc<Entry>, config: &PoolConfig, claim: &Claim,
    ) -> Result<Option<Sandbox>, Error> {
        let Ok(turn) = entry.operating.try_lock() else { return Ok(None) };
        let mut record = entry.record();
        let (true, Some(guest)) = (waits_in(&record, config), entry.guest()) else { return Ok(None) };
        self.record(&record, "claim", detail("claim", &claim.uid)).await?;
        (record.pool, record.claim) = (None, Some(claim.uid.clone()));
        adapt(&mut record.spec, claim);
        self.write(entry, record.clone()).await?;
        let identified = match guest.admit(&record, self).await {
            Ok(opened) => guest.configure(&record, opened).await,
            Err(error) => Err(error),
        };
        match identified {
            Ok(()) => Ok(Some(record)),
            Err(error) => {
                // Half an identity is none: the claim shall find no sandbox with its UID, and may be made again.
                drop(turn);
                self.drop_from_pool(&record).await;
                Err(error)
            }
        }
    }

    /// Starts what pools lack, and removes what they have too much of or cannot use.
    pub(crate) async fn fill(&self) {
        for config in &self.0.config.pools {
            let mut waiting: Vec<Sandbox> =
                self.list().into_iter().filter(|sandbox| waits_in(sandbox, config)).collect();
            let is_spoilt = |sandbox: &Sandbox| matches!(sandbox.life.phase, Phase::Resting { .. });
            for sandbox in waiting.extract_if(.., |sandbox| is_spoilt(sandbox)) {
                self.drop_from_pool(&sandbox).await;
            }
            let replicas = config.replicas as usize;
            for surplus in waiting.iter().skip(replicas) {
                self.drop_from_pool(surplus).await;
            }
            for _ in waiting.len()..replicas {
                let (namespace, spec) = (config.namespace.clone(), config.spec.clone());
                let create = Create { namespace, name: None, spec, claim: None, from: None };
                let (supervisor, pool) = (self.clone(), config.name.clone());
                if let Err(error) = detached(async move { supervisor.make(create, Some(pool)).await }).await {
                    tracing::warn!(pool = %config.name, %error, "a pool could not be filled");
                    return;
                }
            }
        }
        self.drop_orphans().await;
    }

    /// Removes sandboxes that wait in pools that there are no more.
    async fn drop_orphans(&self) {
        let is_kept = |sandbox: &Sandbox| self.0.config.pools.iter().any(|config| waits_in(sandbox, config));
        for sandbox in self.list().iter().filter(|sandbox| sandbox.pool.is_some() && !is_kept(sandbox)) {
            self.drop_from_pool(sandbox).await;
        }
    }

    pub(crate) async fn drop_from_pool(&self, sandbox: &Sandbox) {
        if let Err(error) = self.delete(&sandbox.id).await {
            tracing::warn!(sandbox = %sandbox.id, %error, "a sandbox of a pool could not be removed");
        }
    }
}

/// A UID for a claim that has none.
///
/// # Errors
/// [`Error::Failed`] where this system gives no random bytes.
pub fn new_uid() -> Result<String, Error> {
    Ok(format!("{}{}", hex(random()?), hex(random()?)))
}

fn waits_in(sandbox: &Sandbox, config: &PoolConfig) -> bool {
    sandbox.pool.as_ref() == Some(&config.name) && sandbox.namespace == config.namespace
}

fn adapt(spec: &mut Spec, claim: &Claim) {
    spec.environment.extend(claim.environment.clone());
    spec.shutdown = claim.shutdown.clone().or(spec.shutdown.take());
}
