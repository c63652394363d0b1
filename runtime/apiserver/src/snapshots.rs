//! Snapshots: a trigger asks for one; it is deleted by its name.

use std::sync::Arc;

use exeat_api::{PodSnapshotManualTrigger, PodSnapshotManualTriggerStatus};
use exeat_lifecycle::{Cause, Kind, SnapshotId};
use exeat_supervisor::{Error, Take};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::claims::{new_metadata, read};
use crate::disk::Drawer;
use crate::failure::{Failure, deleted};
use crate::limits;
use crate::metadata::{name, namespace, uid};
use crate::objects::Key;
use crate::render::{failed_trigger, taken_trigger};
use crate::resource::Resource;
use crate::selector::Selector;
use crate::world::{World, disk_failure, patiently};

impl World {
    /// Makes a trigger. When this returns it is on the disk, and the snapshot is on its way.
    pub(crate) async fn create_trigger(self: &Arc<Self>, namespace: &str, body: Value) -> Result<Arc<Value>, Failure> {
        let mut trigger: PodSnapshotManualTrigger = read(Resource::Triggers, body)?;
        trigger.metadata = new_metadata(namespace, trigger.metadata)?;
        let key = Key::new(Resource::Triggers, namespace, name(&trigger.metadata));
        let _lock = self.locks.lock(&key).await;
        if self.objects.get(&key).is_some() {
            return Err(Failure::Exists(Resource::Triggers, key.name));
        }
        if self.objects.count(Resource::Triggers) >= limits::TRIGGERS {
            return Err(Failure::TooMany(format!("there are {} triggers; delete some first", limits::TRIGGERS)));
        }
        self.keep_trigger(&trigger).await?;
        let shown = self.objects.put(key, json!(trigger));
        let world = Arc::clone(self);
        tokio::spawn(async move { world.take_snapshot(trigger).await });
        Ok(shown)
    }

    /// Deletes a trigger. Its snapshot stays.
    pub(crate) async fn delete_trigger(&self, namespace: &str, name: &str) -> Result<Value, Failure> {
        let key = Key::new(Resource::Triggers, namespace, name);
        let _lock = self.locks.lock(&key).await;
        let not_found = || Failure::NotFound(Resource::Triggers, name.to_owned());
        let trigger: PodSnapshotManualTrigger = self.typed(&key).ok_or_else(not_found)?;
        self.disk.remove(Drawer::Triggers, uid(&trigger.metadata)).await.map_err(|error| disk_failure(&error))?;
        self.objects.remove(&key);
        Ok(deleted(Resource::Triggers, name))
    }

    /// Deletes a snapshot.
    pub(crate) async fn delete_snapshot(self: &Arc<Self>, namespace: &str, name: &str) -> Result<Value, Failure> {
        let not_found = || Failure::NotFound(Resource::Snapshots, name.to_owned());
        self.objects.get(&Key::new(Resource::Snapshots, namespace, name)).ok_or_else(not_found)?;
        let id = SnapshotId::try_from(name.to_owned()).map_err(|_| not_found())?;
        let gone = self.supervisor.delete_snapshot(&id).await;
        self.refresh_snapshots();
        gone.map_err(|error| Failure::of(error, Resource::Snapshots, name))?;
        Ok(deleted(Resource::Snapshots, name))
    }

    /// What a restart has interrupted: the snapshot was taken, or it was not and the client is told.
    pub(crate) async fn resume_triggers(self: &Arc<Self>) {
        let triggers = self.objects.list(Resource::Triggers, None, &Selector::default()).1;
        let triggers = triggers.iter().filter_map(|trigger| serde_json::from_value((**trigger).clone()).ok());
        let open = triggers.filter(|trigger: &PodSnapshotManualTrigger| trigger.status.is_none());
        for trigger in open.collect::<Vec<_>>() {
            let label = Some(label(&trigger));
            let taken = self.supervisor.snapshots().into_iter().find(|snapshot| snapshot.label == label);
            let status = match taken {
                Some(snapshot) => taken_trigger(&snapshot),
                None => failed_trigger("the server ended before the snapshot was taken; ask again", Timestamp::now()),
            };
            self.end_trigger(trigger, status).await;
        }
    }

    async fn take_snapshot(self: Arc<Self>, trigger: PodSnapshotManualTrigger) {
        let pod = &trigger.spec.target_pod;
        let sandbox = self.supervisor.find(namespace(&trigger.metadata), pod);
        let taken = match sandbox {
            Ok(sandbox) if sandbox.pool.is_some() => Err(Error::NotFound { kind: "pod", name: pod.clone() }),
            Ok(sandbox) => {
                let label = label(&trigger);
                let take = || Take { label: Some(label.clone()), kind: Kind::Live, cause: Cause::Asked };
                patiently(|| self.supervisor.snapshot(&sandbox.id, take())).await
            }
            Err(error) => Err(error),
        };
        let status = match taken {
            Ok(snapshot) => taken_trigger(&snapshot),
            Err(error) => failed_trigger(&error.to_string(), Timestamp::now()),
        };
        // Who reads the trigger's status finds the snapshot.
        self.refresh_snapshots();
        self.end_trigger(trigger, status).await;
    }

    async fn end_trigger(&self, mut trigger: PodSnapshotManualTrigger, status: PodSnapshotManualTriggerStatus) {
        let key = Key::new(Resource::Triggers, namespace(&trigger.metadata), name(&trigger.metadata));
        let _lock = self.locks.lock(&key).await;
        let shown: Option<PodSnapshotManualTrigger> = self.typed(&key);
        if shown.is_none_or(|shown| shown.metadata.uid != trigger.metadata.uid) {
            return;
        }
        trigger.status = Some(status);
        if let Err(error) = self.keep_trigger(&trigger).await {
            tracing::warn!(%error, "what became of a trigger could not be written down");
        }
        self.objects.put(key, json!(trigger));
    }

    async fn keep_trigger(&self, trigger: &PodSnapshotManualTrigger) -> Result<(), Failure> {
        let kept = self.disk.write(Drawer::Triggers, uid(&trigger.metadata), trigger).await;
        kept.map_err(|error| disk_failure(&error))
    }
}

/// What a trigger's snapshot is called, by which it is found again.
fn label(trigger: &PodSnapshotManualTrigger) -> String {
    name(&trigger.metadata).to_owned()
}
