//! Taking a sandbox out of a pool.
//!
//! One patch makes it the claim's, under its resource version: it has the claim's UID as its owner, or it has not. So
//! there is nothing in between that a crash could leave behind, and two claims cannot have the same one.

use std::collections::HashMap;
use std::sync::Arc;

use exeat_api::{Sandbox, SandboxClaim, SandboxTemplate, annotations, labels, name_hash};
use kube::ResourceExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Claims, Unbound, metadata};
use crate::calls::Failed;
use crate::effect::{Act, Effect, Kind, replaced};
use crate::owners::{controller, created, reference};
use crate::sandbox::is_ready;
use crate::world::Reserved;
use crate::{Key, limits, wiring};

impl Claims {
    /// A sandbox of the claim's pool; none where there is none that can be had in time.
    pub(super) async fn adopt(&self, claim: &Arc<SandboxClaim>) -> Result<Option<Arc<Sandbox>>, Unbound> {
        let pools = self.pools(claim);
        let began = Instant::now();
        while began.elapsed() < limits::ADOPTION_TIME {
            let found = pools.iter().find_map(|pool| Some((pool, self.candidate(claim, pool)?)));
            let Some((pool, candidate)) = found else { return Ok(None) };
            let patch = patch(claim, &candidate.sandbox, self.template_of(pool).as_deref())?;
            let key = Key::of(&*candidate.sandbox);
            let effect = Effect { on: Kind::Sandbox, key: key.clone(), act: Act::Merge(patch) };
            match self.calls.act(&self.world, &effect).await {
                Ok(()) => {
                    let Some(sandbox) = self.world.sandboxes.get(&key) else { continue };
                    self.world.metrics.claim_bound(claim, &sandbox, &pool.name);
                    let said = format!("adopted the sandbox `{}` from the pool `{}`", key.name, pool.name);
                    self.events.say_later(&**claim, "SandboxAdopted", "Adopt", said);
                    return Ok(Some(sandbox));
                }
                // It was looked at anew: perhaps it can be had still, perhaps it is another's.
                Err(Failed::Stale(_)) => {}
                Err(failed) => return Err(failed.into()),
            }
        }
        Ok(None)
    }

    fn candidate(&self, claim: &SandboxClaim, pool: &Key) -> Option<Reserved<'_>> {
        let members = self.world.pooled(pool);
        let named = claim.annotations().get(annotations::SANDBOX_NAME).map(String::as_str);
        self.world.reserve(|is_free| choose(members, &pool.name, named, is_free))
    }

    pub(super) fn template_of(&self, pool: &Key) -> Option<Arc<SandboxTemplate>> {
        let pool = self.world.pools.get(pool)?;
        self.world.templates.get(&Key::of(&*pool).beside(&pool.spec.sandbox_template_ref.name))
    }
}

/// The best of a pool's sandboxes: one that the claim names already; else one that is ready, on the machine that has most
/// of them left, the oldest first; else one that is on its way.
pub(super) fn choose(
    members: Vec<Arc<Sandbox>>, pool: &str, named: Option<&str>, is_free: &dyn Fn(&Sandbox) -> bool,
) -> Option<Arc<Sandbox>> {
    let free: Vec<Arc<Sandbox>> =
        members.into_iter().filter(|sandbox| can_be_adopted(sandbox, pool) && is_free(sandbox)).collect();
    if let Some(named) = free.iter().find(|sandbox| Some(sandbox.name_any().as_str()) == named) {
        return Some(Arc::clone(named));
    }
    let ready: Vec<&Arc<Sandbox>> = free.iter().filter(|sandbox| is_ready(sandbox)).collect();
    let among = if ready.is_empty() { free.iter().collect() } else { ready };
    let mut left: HashMap<&str, usize> = HashMap::new();
    for sandbox in &among {
        *left.entry(node(sandbox)).or_default() += 1;
    }
    // Of two that are equal the earlier counts, and of two that are equally old the name decides.
    let rank = |sandbox: &&Arc<Sandbox>| {
        let age = created(&***sandbox);
        (std::cmp::Reverse((!node(sandbox).is_empty(), left.get(node(sandbox)).copied())), age, sandbox.name_any())
    };
    among.into_iter().min_by_key(rank).cloned()
}

fn node(sandbox: &Sandbox) -> &str {
    sandbox.status.as_ref().map(|status| status.node_name.as_str()).unwrap_or_default()
}

fn can_be_adopted(sandbox: &Sandbox, pool: &str) -> bool {
    let of_the_pool = controller(&sandbox.metadata).is_some_and(|owner| {
        owner.kind == "SandboxWarmPool" && owner.name == pool && owner.api_version.starts_with(exeat_api::EXTENSIONS)
    });
    of_the_pool
        && sandbox.metadata.deletion_timestamp.is_none()
        && sandbox.labels().contains_key(labels::WARM_POOL)
        && sandbox.labels().contains_key(labels::TEMPLATE_REF_HASH)
}

/// What makes a pool's sandbox the claim's. The pod inside is left as it is.
fn patch(claim: &SandboxClaim, sandbox: &Sandbox, template: Option<&SandboxTemplate>) -> Result<Value, Unbound> {
    let uid = claim.uid().unwrap_or_default();
    let creator = claim.labels().get(labels::CREATED_BY).filter(|creator| !creator.is_empty());
    let mut own = json!({
        labels::WARM_POOL: null, labels::TEMPLATE_HASH: null, labels::POD_TEMPLATE_HASH: null,
        labels::LAUNCH_TYPE: "warm", labels::CLAIM_UID: uid, labels::CREATED_BY: creator,
    });
    let mut wanted = template.map_or_else(
        || sandbox.spec.pod_template.metadata.clone(),
        |template| template.spec.pod_template.metadata.clone(),
    );
    wanted.labels.insert(labels::CLAIM_UID.to_owned(), uid);
    let hash = template.map(|template| name_hash(&template.name_any()));
    if let Some(hash) = hash.or_else(|| sandbox.labels().get(labels::TEMPLATE_REF_HASH).cloned()) {
        own[labels::TEMPLATE_REF_HASH] = json!(hash);
        wanted.labels.insert(labels::TEMPLATE_REF_HASH.to_owned(), hash);
    }
    match creator {
        Some(creator) => drop(wanted.labels.insert(labels::CREATED_BY.to_owned(), creator.clone())),
        None => drop(wanted.labels.remove(labels::CREATED_BY)),
    }
    metadata::merge(&mut wanted, &metadata::of(claim))?;
    // The pod runs already, so it does not start from its snapshot but is restored from it.
    let starts_from = wanted.annotations.get(annotations::SNAPSHOT).filter(|_| wiring::profile(&wanted).is_some());
    let is_there = sandbox.spec.pod_template.metadata.annotations.get(annotations::SNAPSHOT) == starts_from;
    let restoring = starts_from.filter(|_| !is_there).cloned();
    let known = &sandbox.spec.pod_template.metadata;
    Ok(json!({
        "metadata": {
            "resourceVersion": sandbox.resource_version(), "ownerReferences": [reference(claim)], "labels": own,
            "annotations": { annotations::RESTORING: restoring },
        },
        "spec": { "podTemplate": { "metadata": {
            "labels": replaced(&known.labels, &wanted.labels),
            "annotations": replaced(&known.annotations, &wanted.annotations),
        } } },
    }))
}
