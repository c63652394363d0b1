//! Sandboxes: suspended, resumed, given another end, deleted.

use std::sync::Arc;

use exeat_api::{OperatingMode, Sandbox, SandboxSpec, ShutdownPolicy, annotations};
use exeat_lifecycle::{ExpiryPolicy, Refused, SandboxId, Shutdown, SnapshotId};
use exeat_supervisor::Error;
use serde_json::{Value, json};

use crate::claims::read;
use crate::failure::{Failure, deleted};
use crate::merge::merge;
use crate::metadata::is_stale;
use crate::objects::Key;
use crate::resource::Resource;
use crate::world::{World, patiently};

impl World {
    /// Changes the operating mode, the end, labels or annotations of a sandbox. It is so when this returns.
    pub(crate) async fn patch_sandbox(
        self: &Arc<Self>, namespace: &str, name: &str, patch: Value,
    ) -> Result<Arc<Value>, Failure> {
        let key = Key::new(Resource::Sandboxes, namespace, name);
        let _lock = self.locks.lock(&key).await;
        let (id, before) = self.sandbox_at(&key)?;
        if is_stale(patch["metadata"]["resourceVersion"].as_str(), &before.metadata) {
            return Err(Failure::Conflict("the sandbox has been changed since; read it again and repeat".to_owned()));
        }
        let mut value = json!(before);
        merge(&mut value, patch);
        let after: Sandbox = read(Resource::Sandboxes, value)?;
        only_what_can_change(&before.spec, &after.spec)?;
        let failure = |error| Failure::of(error, Resource::Sandboxes, name);
        let end = |spec: &SandboxSpec| (spec.shutdown_time, spec.shutdown_policy);
        if end(&before.spec) != end(&after.spec) {
            self.supervisor.set_shutdown(&id, shutdown(&after.spec)).await.map_err(failure)?;
        }
        self.note_metadata(&id, &before, &after).await?;
        if before.spec.operating_mode != after.spec.operating_mode {
            match after.spec.operating_mode {
                OperatingMode::Suspended => self.suspend(&id).await?,
                OperatingMode::Running => self.resume(&id, &before).await?,
            }
        }
        self.refresh(&id);
        self.objects.get(&key).ok_or(Failure::NotFound(Resource::Sandboxes, name.to_owned()))
    }

    /// Deletes a sandbox. Its claim stays, and says that it has none.
    pub(crate) async fn delete_sandbox(
        self: &Arc<Self>, namespace: &str, name: &str, uid: Option<&str>,
    ) -> Result<Value, Failure> {
        let key = Key::new(Resource::Sandboxes, namespace, name);
        let _lock = self.locks.lock(&key).await;
        let (id, _) = self.sandbox_at(&key)?;
        if uid.is_some_and(|uid| uid != id.as_str()) {
            return Err(Failure::Conflict(format!("the sandbox `{name}` is another one: its UID is `{id}`")));
        }
        self.delete_now(&id, Resource::Sandboxes, name).await?;
        Ok(deleted(Resource::Sandboxes, name))
    }

    /// Deletes a sandbox; one that is gone already is deleted.
    pub(crate) async fn delete_now(
        self: &Arc<Self>, id: &SandboxId, resource: Resource, name: &str,
    ) -> Result<(), Failure> {
        match patiently(|| self.supervisor.delete(id)).await {
            Ok(()) | Err(Error::NotFound { .. }) => {
                self.refresh(id);
                Ok(())
            }
            Err(error) => Err(Failure::of(error, resource, name)),
        }
    }

    fn sandbox_at(self: &Arc<Self>, key: &Key) -> Result<(SandboxId, Sandbox), Failure> {
        let not_found = || Failure::NotFound(Resource::Sandboxes, key.name.clone());
        let record = self.supervisor.find(&key.namespace, &key.name).map_err(|_| not_found())?;
        if record.pool.is_some() {
            return Err(Failure::Conflict(format!("the sandbox `{}` waits in its pool; claim one", key.name)));
        }
        self.refresh(&record.id);
        Ok((record.id, self.typed(key).ok_or_else(not_found)?))
    }

    /// Labels and annotations are kept here. Those with a meaning are made anew over them.
    async fn note_metadata(self: &Arc<Self>, id: &SandboxId, before: &Sandbox, after: &Sandbox) -> Result<(), Failure> {
        let same = before.metadata.labels == after.metadata.labels;
        if same && before.metadata.annotations == after.metadata.annotations {
            return Ok(());
        }
        let labels = after.metadata.labels.clone().unwrap_or_default();
        let annotations = after.metadata.annotations.clone().unwrap_or_default();
        self.note(id, |notes| (notes.labels, notes.annotations) = (labels, annotations)).await
    }

    async fn suspend(self: &Arc<Self>, id: &SandboxId) -> Result<(), Failure> {
        let failure = |error| Failure::of(error, Resource::Sandboxes, id.as_str());
        match patiently(|| self.supervisor.pause(id)).await {
            Ok(_) | Err(Error::Refused(Refused::NotRunning)) => {}
            Err(error) => return Err(failure(error)),
        }
        self.note(id, |notes| notes.suspended = true).await
    }

    /// Resumes a sandbox: from the snapshot that its claim names, or where it was, which is after its newest snapshot.
    async fn resume(self: &Arc<Self>, id: &SandboxId, before: &Sandbox) -> Result<(), Failure> {
        let failure = |error| Failure::of(error, Resource::Sandboxes, id.as_str());
        let named = before.spec.pod_template.metadata.annotations.get(annotations::SNAPSHOT);
        let restored = match named {
            Some(name) => {
                let unknown = |_| Failure::NotFound(Resource::Snapshots, name.clone());
                let snapshot = SnapshotId::try_from(name.clone()).map_err(unknown)?;
                let rolled_back = match patiently(|| self.supervisor.rollback(id, &snapshot, true)).await {
                    // Kubernetes would start the pod anew on its disk.
                    Err(Error::Unusable(_)) => patiently(|| self.supervisor.rollback(id, &snapshot, false)).await,
                    done => done,
                };
                rolled_back.map_err(failure)?;
                Some(name.clone())
            }
            None => self.newest_snapshot(id),
        };
        let resumed = match patiently(|| self.supervisor.resume(id)).await {
            Err(Error::Unusable(_)) => patiently(|| self.supervisor.boot(id)).await,
            done => done,
        };
        match resumed {
            Ok(_) | Err(Error::Refused(Refused::Running)) => {}
            Err(error) => return Err(failure(error)),
        }
        self.note(id, |notes| (notes.suspended, notes.restored) = (false, restored)).await
    }

    fn newest_snapshot(&self, id: &SandboxId) -> Option<String> {
        let snapshots = self.supervisor.snapshots().into_iter().filter(|snapshot| snapshot.sandbox == *id);
        snapshots.max_by_key(|snapshot| snapshot.created).map(|snapshot| snapshot.id.to_string())
    }
}

fn only_what_can_change(before: &SandboxSpec, after: &SandboxSpec) -> Result<(), Failure> {
    let rest = |spec: &SandboxSpec| SandboxSpec {
        operating_mode: OperatingMode::default(),
        shutdown_time: None,
        shutdown_policy: None,
        ..spec.clone()
    };
    if rest(before) == rest(after) {
        return Ok(());
    }
    let message = "only `operatingMode`, `shutdownTime` and `shutdownPolicy` of a sandbox can be changed";
    Err(Failure::Invalid(message.to_owned()))
}

fn shutdown(spec: &SandboxSpec) -> Option<Shutdown> {
    let policy = match spec.shutdown_policy.unwrap_or_default() {
        ShutdownPolicy::Delete => ExpiryPolicy::Delete,
        ShutdownPolicy::Retain => ExpiryPolicy::Retain,
    };
    spec.shutdown_time.map(|time| Shutdown { at: time.timestamp(), policy })
}
