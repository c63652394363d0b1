//! Claims: each gets a sandbox, out of a pool or made for it, and says how that is.

mod adopt;
mod create;
mod find;
mod metadata;
mod source;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use exeat_api::{ClaimShutdownPolicy, ConditionType, Reason, Sandbox, SandboxClaim, Time};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::calls::{Calls, Failed};
use crate::effect::{Act, Effect, Kind};
use crate::events::Events;
use crate::queue::Again;
use crate::world::World;
use crate::{Key, limits};

/// Why a claim has no sandbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Unbound {
    reason: Reason,
    message: String,
}

impl Unbound {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Unbound { reason, message: message.into() }
    }
}

impl From<Failed> for Unbound {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Invalid(why) => Unbound::new(Reason::InvalidConfiguration, why),
            Failed::Stale(why) | Failed::Other(why) => Unbound::new(Reason::ReconcilerError, why),
        }
    }
}

/// What looking after claims needs.
#[derive(Clone)]
pub(crate) struct Claims {
    pub(crate) world: Arc<World>,
    pub(crate) calls: Calls,
    pub(crate) events: Events,
}

impl Claims {
    /// One look at one claim.
    pub(crate) async fn reconcile(self, key: Key) -> Again {
        let Some(claim) = self.world.claims.get(&key) else { return Again::OnChange };
        if claim.metadata.deletion_timestamp.is_some() {
            return Again::OnChange;
        }
        self.world.metrics.claim_seen(&claim);
        let now = Timestamp::now();
        match over(&claim) {
            Some(end) if end <= now => self.expire(&claim).await,
            end => self.serve(&claim, end.map(|end| end.duration_since(now))).await,
        }
    }

    /// A claim whose time has not come.
    async fn serve(&self, claim: &Arc<SandboxClaim>, left: Option<SignedDuration>) -> Again {
        let _first = (!status::says_ready(claim)).then(|| self.world.precedence.take());
        let bound = self.bind(claim).await;
        let said = self.say(claim, &bound, false).await;
        let left = left.and_then(|left| Duration::try_from(left).ok());
        match (&bound, said) {
            (_, Err(error)) => {
                tracing::warn!(%error, claim = %Key::of(&**claim), "a claim's status could not be written");
                Again::Failed
            }
            (Ok(_), Ok(())) => left.map_or(Again::OnChange, Again::After),
            // Pools and templates wake their claims; the rest cannot change without the claim.
            (Err(why), Ok(())) if why.reason.is_final() => {
                Again::After(left.unwrap_or(limits::RESYNC).min(limits::RESYNC))
            }
            (Err(why), Ok(())) => {
                tracing::warn!(error = %why, claim = %Key::of(&**claim), "a claim has no sandbox yet");
                Again::Failed
            }
        }
    }

    /// The claim's sandbox: the one that it has, or a new one.
    async fn bind(&self, claim: &Arc<SandboxClaim>) -> Result<Arc<Sandbox>, Unbound> {
        metadata::check(&claim.spec.additional_pod_metadata, &self.world.config.label_domains)?;
        if let Some(sandbox) = self.find(claim).await? {
            return self.follow(claim, sandbox).await;
        }
        // What a claim brings along cannot be given to a pod that runs.
        let brings = !claim.spec.env.is_empty() || !claim.spec.volume_claim_templates.is_empty();
        if !brings && let Some(sandbox) = self.adopt(claim).await? {
            return Ok(sandbox);
        }
        self.create(claim).await
    }

    /// Tells a sandbox which snapshot its claim wants its next pod to start from.
    async fn follow(&self, claim: &SandboxClaim, sandbox: Arc<Sandbox>) -> Result<Arc<Sandbox>, Unbound> {
        let template = self.template_of(&Key::of(claim).beside(&claim.spec.warm_pool_ref.name));
        let Some(effect) = metadata::follow(claim, &sandbox, template.as_deref()) else { return Ok(sandbox) };
        match self.calls.act(&self.world, &effect).await {
            // It was looked at anew, and the next look follows.
            Ok(()) | Err(Failed::Stale(_)) => {}
            Err(failed) => return Err(failed.into()),
        }
        Ok(self.world.sandboxes.get(&Key::of(&*sandbox)).unwrap_or(sandbox))
    }

    /// A claim whose time is over: its status says so, then its sandbox goes, and the claim itself where it asks for that.
    async fn expire(&self, claim: &Arc<SandboxClaim>) -> Again {
        let (key, uid) = (Key::of(&**claim), claim.uid().unwrap_or_default());
        if !status::says_expired(claim) {
            self.events.say(&**claim, Reason::ClaimExpired.as_str(), "Expire", "the claim's time is over").await;
        }
        let over = Err(Unbound::new(Reason::ClaimExpired, "the claim's time is over; its sandbox goes"));
        if let Err(error) = self.say(claim, &over, true).await {
            tracing::warn!(%error, claim = %key, "a claim's status could not be written");
            return Again::Failed;
        }
        match self.take_away(&key, uid, claim).await {
            Ok(()) => Again::OnChange,
            Err(error) => {
                tracing::warn!(%error, claim = %key, "a claim's end failed");
                Again::Failed
            }
        }
    }

    /// What is left of a claim whose time is over: nothing where it asks for that, else itself without its sandbox.
    async fn take_away(&self, key: &Key, uid: String, claim: &SandboxClaim) -> Result<(), Failed> {
        let policy = claim.spec.lifecycle.as_ref().map(|lifecycle| lifecycle.shutdown_policy).unwrap_or_default();
        if policy.deletes() {
            let foreground = policy == ClaimShutdownPolicy::DeleteForeground;
            let act = Act::Delete { uid, version: None, foreground };
            let effect = Effect { on: Kind::SandboxClaim, key: key.clone(), act };
            return self.calls.act(&self.world, &effect).await;
        }
        for sandbox in self.world.sandboxes_of(&uid) {
            self.delete(&sandbox).await?;
        }
        Ok(())
    }

    async fn say(
        &self, claim: &Arc<SandboxClaim>, bound: &Result<Arc<Sandbox>, Unbound>, expired: bool,
    ) -> Result<(), Failed> {
        // It may have been changed since by ourselves.
        let claim = self.world.claims.get(&Key::of(&**claim)).unwrap_or_else(|| Arc::clone(claim));
        let Some(effect) = status::plan(&claim, bound.as_ref().map(|sandbox| &**sandbox), expired, Timestamp::now())
        else {
            return Ok(());
        };
        self.calls.act(&self.world, &effect).await?;
        if let Ok(sandbox) = bound
            && crate::sandbox::is_ready(sandbox)
        {
            self.world.metrics.claim_ready(&claim, sandbox);
        }
        Ok(())
    }
}

/// When a claim's time is over: at its shutdown time, or so long after its pod has ended, whichever comes first.
fn over(claim: &SandboxClaim) -> Option<Timestamp> {
    let lifecycle = claim.spec.lifecycle.as_ref()?;
    let finished = status::own_conditions(claim).iter().find(|condition| condition.is_true(ConditionType::Finished));
    let ttl = lifecycle.ttl_seconds_after_finished.map(|seconds| SignedDuration::from_secs(i64::from(seconds)));
    let by_ttl =
        finished.zip(ttl).and_then(|(finished, ttl)| finished.last_transition_time.timestamp().checked_add(ttl).ok());
    let at = lifecycle.shutdown_time.map(Time::timestamp);
    [at, by_ttl].into_iter().flatten().min()
}
