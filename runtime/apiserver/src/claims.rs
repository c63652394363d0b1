//! Claims: made, changed, deleted, and bound to sandboxes.

use std::collections::BTreeMap;
use std::sync::Arc;

use exeat_api::{SandboxClaim, Time, annotations};
use exeat_lifecycle::{ExpiryPolicy, Name, SandboxId, Shutdown, SnapshotId};
use exeat_supervisor::{Claim, Error};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::disk::Drawer;
use crate::failure::Failure;
use crate::limits;
use crate::merge::merge;
use crate::metadata::{is_stale, name, namespace, uid};
use crate::objects::Key;
use crate::render;
use crate::resource::Resource;
use crate::world::{World, bound_name, claim_key, disk_failure};

mod check;

pub(crate) use check::new_metadata;
use check::{Hopeless, check};

impl World {
    /// Makes a claim. When this returns it is on the disk, and its sandbox is on its way.
    pub(crate) async fn create_claim(self: &Arc<Self>, namespace: &str, body: Value) -> Result<Arc<Value>, Failure> {
        let mut claim: SandboxClaim = read(Resource::Claims, body)?;
        claim.metadata = new_metadata(namespace, claim.metadata)?;
        claim.status = None;
        let key = claim_key(&claim);
        let _lock = self.locks.lock(&key).await;
        if self.objects.get(&key).is_some() {
            return Err(Failure::Exists(Resource::Claims, key.name));
        }
        if self.objects.count(Resource::Claims) >= limits::CLAIMS {
            return Err(Failure::TooMany(format!("there are {} claims; delete some first", limits::CLAIMS)));
        }
        self.keep(&claim).await?;
        let shown = self.objects.put(key, json!(claim));
        self.start_binding(&claim);
        Ok(shown)
    }

    /// Changes labels, annotations, the pod's metadata or the lifecycle of a claim.
    pub(crate) async fn patch_claim(
        self: &Arc<Self>, namespace: &str, name: &str, patch: Value,
    ) -> Result<Arc<Value>, Failure> {
        let key = Key::new(Resource::Claims, namespace, name);
        let _lock = self.locks.lock(&key).await;
        let before: SandboxClaim = self.typed(&key).ok_or(Failure::NotFound(Resource::Claims, name.to_owned()))?;
        let after = patched(&before, patch)?;
        self.keep(&after).await?;
        let sandbox = self.sandbox_of(&before);
        if before.spec.lifecycle != after.spec.lifecycle
            && let Some(id) = &sandbox
        {
            let set = self.supervisor.set_shutdown(id, shutdown(&after)).await;
            set.map_err(|error| Failure::of(error, Resource::Claims, name))?;
        }
        let shown = self.objects.put(key, json!(after));
        if let Some(id) = &sandbox {
            self.refresh(id);
        }
        Ok(shown)
    }

    /// Deletes a claim and its sandbox, where it is the one that is meant. Both are gone when this returns.
    pub(crate) async fn delete_claim(
        self: &Arc<Self>, namespace: &str, name: &str, wanted: Option<&str>,
    ) -> Result<Value, Failure> {
        let key = Key::new(Resource::Claims, namespace, name);
        let _lock = self.locks.lock(&key).await;
        let not_found = || Failure::NotFound(Resource::Claims, name.to_owned());
        let mut claim: SandboxClaim = self.typed(&key).ok_or_else(not_found)?;
        if wanted.is_some_and(|wanted| wanted != uid(&claim.metadata)) {
            return Err(Failure::Conflict(format!(
                "the claim `{name}` is another one: its UID is `{}`",
                uid(&claim.metadata)
            )));
        }
        claim.metadata.deletion_timestamp = Some(Time::of(Timestamp::now()).into());
        self.objects.put(key.clone(), json!(claim));
        if let Err(failure) = self.end_claim(&claim).await {
            self.unmark(&key);
            return Err(failure);
        }
        self.objects.remove(&key);
        Ok(crate::failure::deleted(Resource::Claims, name))
    }

    async fn end_claim(self: &Arc<Self>, claim: &SandboxClaim) -> Result<(), Failure> {
        if let Some(id) = self.sandbox_of(claim) {
            self.delete_now(&id, Resource::Claims, name(&claim.metadata)).await?;
        }
        self.disk.remove(Drawer::Claims, uid(&claim.metadata)).await.map_err(|error| disk_failure(&error))
    }

    /// Shows a claim that could not be deleted as one that is there, so that it can be tried again.
    fn unmark(self: &Arc<Self>, key: &Key) {
        let Some(mut claim) = self.typed::<SandboxClaim>(key) else { return };
        claim.metadata.deletion_timestamp = None;
        self.objects.put(key.clone(), json!(claim));
        if self.sandbox_of(&claim).is_none() {
            self.lost_sandbox(&claim);
        }
    }

    /// The claim's sandbox: found by the claim's UID, whatever its status says.
    fn sandbox_of(&self, claim: &SandboxClaim) -> Option<SandboxId> {
        let uid = uid(&claim.metadata);
        let mine = self.supervisor.list().into_iter().find(|sandbox| sandbox.claim.as_deref() == Some(uid));
        mine.map(|sandbox| sandbox.id)
    }

    async fn keep(&self, claim: &SandboxClaim) -> Result<(), Failure> {
        let kept = self.disk.write(Drawer::Claims, uid(&claim.metadata), claim).await;
        kept.map_err(|error| disk_failure(&error))
    }

    /// Finds a claim its sandbox, in the background, for as long as that can succeed.
    pub(crate) fn start_binding(self: &Arc<Self>, claim: &SandboxClaim) {
        let (world, key, uid) = (Arc::clone(self), claim_key(claim), uid(&claim.metadata).to_owned());
        tokio::spawn(async move {
            let mut pause = limits::BIND_AGAIN;
            while world.bind(&key, &uid).await == Bound::Again {
                sleep(pause).await;
                pause = (pause * 2).min(limits::BIND_AGAIN_LONGEST);
            }
        });
    }

    /// One try to find a claim its sandbox.
    async fn bind(self: &Arc<Self>, key: &Key, wanted: &str) -> Bound {
        let Ok(_place) = self.binding.acquire().await else { return Bound::Ended };
        let _lock = self.locks.lock(key).await;
        let claim: Option<SandboxClaim> = self.typed(key);
        let Some(mut claim) = claim.filter(|claim| uid(&claim.metadata) == wanted && bound_name(claim).is_empty())
        else {
            return Bound::Ended;
        };
        match self.take(&claim).await {
            Ok(sandbox) => self.bound(&mut claim, &sandbox).await,
            Err(problem) => {
                tracing::warn!(claim = key.name, problem.message, "a claim gets no sandbox");
                claim.status = Some(render::failed(&claim, problem.reason, &problem.message, Timestamp::now()));
                self.objects.put(key.clone(), json!(claim));
                if problem.reason.is_final() { Bound::Ended } else { Bound::Again }
            }
        }
    }

    /// Takes a sandbox for a claim; the same one, if a try before this one took it and was not told.
    async fn take(&self, claim: &SandboxClaim) -> Result<exeat_supervisor::Sandbox, Hopeless> {
        check(claim, Timestamp::now())?;
        let namespace = Name::parse(namespace(&claim.metadata)).map_err(|error| Hopeless::invalid(&error))?;
        let pool = claim.spec.warm_pool_ref.name.as_str();
        let mut pools = self.supervisor.pools().into_iter();
        let pool = pools.find(|known| known.namespace == namespace && known.name.as_str() == pool);
        let pool = pool.ok_or_else(|| Hopeless::no_pool(claim))?;
        let asked = Claim {
            uid: uid(&claim.metadata).to_owned(),
            environment: claim
                .spec
                .env
                .iter()
                .map(|env| (env.name.clone(), env.value.clone()))
                .collect::<BTreeMap<_, _>>(),
            shutdown: shutdown(claim),
            from: origin(claim)?,
        };
        self.supervisor.claim(&namespace, &pool.name, asked).await.map_err(|error: Error| Hopeless::of(&error))
    }

    /// Writes down which sandbox is the claim's, then shows it with its readiness in one change.
    async fn bound(self: &Arc<Self>, claim: &mut SandboxClaim, sandbox: &exeat_supervisor::Sandbox) -> Bound {
        if let Some(from) = origin(claim).ok().flatten()
            && let Err(error) = self.note(&sandbox.id, |notes| notes.restored = Some(from.to_string())).await
        {
            tracing::warn!(%error, "what a sandbox was restored from could not be noted");
            return Bound::Again;
        }
        self.refresh(&sandbox.id);
        let shown = self.typed(&Key::new(Resource::Sandboxes, &sandbox.namespace, &sandbox.name));
        let Some(shown) = shown else { return Bound::Again };
        let notes = claim.metadata.annotations.get_or_insert_default();
        notes.insert(annotations::SANDBOX_NAME.to_owned(), sandbox.name.to_string());
        claim.status = Some(render::bound(claim, &shown));
        if let Err(error) = self.keep(claim).await {
            tracing::warn!(%error, "a claim could not be written down");
            return Bound::Again;
        }
        self.objects.put(claim_key(claim), json!(claim));
        // It may have changed while the claim was being written.
        self.refresh(&sandbox.id);
        Bound::Ended
    }
}

/// Whether there is more to do for a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Ended,
    Again,
}

/// An object out of a request's body.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(resource: Resource, mut body: Value) -> Result<T, Failure> {
    let Some(fields) = body.as_object_mut() else {
        return Err(Failure::Bad("the body is not an object in JSON".to_owned()));
    };
    for (field, right) in [("apiVersion", resource.api_version()), ("kind", resource.kind().to_owned())] {
        let given = fields.entry(field).or_insert_with(|| json!(right));
        if *given != right {
            return Err(Failure::Bad(format!("`{field}` is {given}, and here it is `{right}`")));
        }
    }
    // What it is, is not for clients to say; Go's write an empty one.
    fields.shift_remove("status");
    serde_json::from_value(body).map_err(|error| Failure::Invalid(format!("{} is invalid: {error}", resource.kind())))
}

fn patched(before: &SandboxClaim, patch: Value) -> Result<SandboxClaim, Failure> {
    if is_stale(patch["metadata"]["resourceVersion"].as_str(), &before.metadata) {
        return Err(Failure::Conflict("the claim has been changed since; read it again and repeat".to_owned()));
    }
    let mut value = json!(before);
    merge(&mut value, patch);
    let mut after: SandboxClaim = read(Resource::Claims, value)?;
    let changed = before.spec != after.spec;
    let mut metadata = before.metadata.clone();
    metadata.labels = after.metadata.labels;
    metadata.annotations = after.metadata.annotations;
    metadata.generation = metadata.generation.map(|generation| generation + i64::from(changed));
    after.metadata = metadata;
    after.status.clone_from(&before.status);
    let fixed = |claim: &SandboxClaim| {
        (claim.spec.warm_pool_ref.clone(), claim.spec.env.clone(), claim.spec.volume_claim_templates.clone())
    };
    if fixed(before) != fixed(&after) {
        return Err(Failure::Invalid(
            "`warmPoolRef`, `env` and `volumeClaimTemplates` of a claim cannot be changed; make another claim"
                .to_owned(),
        ));
    }
    Ok(after)
}

fn shutdown(claim: &SandboxClaim) -> Option<Shutdown> {
    let lifecycle = claim.spec.lifecycle.as_ref()?;
    let policy = if lifecycle.shutdown_policy.deletes() { ExpiryPolicy::Delete } else { ExpiryPolicy::Retain };
    Some(Shutdown { at: lifecycle.shutdown_time?.timestamp(), policy })
}

/// The snapshot that a claim's sandbox is to start from.
fn origin(claim: &SandboxClaim) -> Result<Option<SnapshotId>, Hopeless> {
    let pod = claim.spec.additional_pod_metadata.annotations.get(annotations::SNAPSHOT);
    let named = pod.or_else(|| claim.metadata.annotations.as_ref()?.get(annotations::SNAPSHOT));
    named.map(|name| SnapshotId::try_from(name.clone()).map_err(|error| Hopeless::invalid(&error))).transpose()
}

#[cfg(test)]
mod tests;
