//! The sandbox that a claim has already.

use std::sync::Arc;

use exeat_api::{Reason, Sandbox, SandboxClaim};
use kube::ResourceExt;

use super::{Claims, Unbound};
use crate::Key;
use crate::calls::Failed;
use crate::effect::{Effect, Kind};
use crate::owners::created;
use crate::sandbox::is_ready;

impl Claims {
    /// The claim's sandbox, by whom it says that it belongs to: the one record of a binding that cannot be half written.
    /// A sandbox of the claim's own name that is another's can never be the claim's.
    pub(super) async fn find(&self, claim: &SandboxClaim) -> Result<Option<Arc<Sandbox>>, Unbound> {
        let (own, surplus) = choose(self.world.sandboxes_of(&claim.uid().unwrap_or_default()), claim);
        for sandbox in surplus {
            tracing::warn!(sandbox = %Key::of(&*sandbox), claim = %Key::of(claim), "a claim has one sandbox too many");
            self.delete(&sandbox).await?;
        }
        let name = claim.name_any();
        match own {
            Some(own) => Ok(Some(own)),
            None if self.world.sandboxes.get(&Key::of(claim)).is_none() => Ok(None),
            None => Err(Unbound::new(
                Reason::AdoptionConflict,
                format!(
                    "the sandbox `{name}` is not controlled by the claim `{name}`: use another name, or delete that sandbox"
                ),
            )),
        }
    }

    /// Takes a sandbox away, if nobody has done so yet.
    pub(super) async fn delete(&self, sandbox: &Sandbox) -> Result<(), Failed> {
        if sandbox.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let effect = Effect::delete(Kind::Sandbox, sandbox);
        self.calls.act(&self.world, &effect).await
    }
}

/// Of a claim's sandboxes the one that it keeps, and those that it has too many: what a controller asked for and was
/// killed can arrive after the next one has looked. Who uses the claim knows the one that its status names; where it
/// names none, the first that can be used.
pub(super) fn choose(mut all: Vec<Arc<Sandbox>>, claim: &SandboxClaim) -> (Option<Arc<Sandbox>>, Vec<Arc<Sandbox>>) {
    let named = claim.status.as_ref().map(|status| status.sandbox.name.as_str()).unwrap_or_default();
    let rank = |sandbox: &Arc<Sandbox>| {
        let is_going = sandbox.metadata.deletion_timestamp.is_some();
        (is_going, sandbox.name_any() != named, !is_ready(sandbox), created(&**sandbox), sandbox.name_any())
    };
    all.sort_by_cached_key(rank);
    let mut all = all.into_iter();
    (all.next(), all.collect())
}
