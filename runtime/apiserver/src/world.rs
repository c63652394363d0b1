//! What is shown, kept the same as what is.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exeat_api::{Reason, Sandbox, SandboxClaim};
use exeat_lifecycle::{Refused, SandboxId};
use exeat_router::{Addresses, Local};
use exeat_supervisor::Supervisor;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, interval, sleep};

use crate::disk::{Disk, Drawer};
use crate::failure::Failure;
use crate::limits;
use crate::locks::Locks;
use crate::metadata::{name, namespace, uid};
use crate::objects::{Key, Objects};
use crate::render::{self, Showing};
use crate::resource::Resource;
use crate::selector::Selector;

/// The supervisor, what is shown of it, and what only this server knows.
pub(crate) struct World {
    pub(crate) supervisor: Supervisor,
    pub(crate) objects: Arc<Objects>,
    pub(crate) disk: Disk,
    pub(crate) locks: Locks,
    pub(crate) binding: Semaphore,
    /// Where sandboxes get addresses of their own, if they do.
    addresses: Option<Addresses<Local>>,
    /// By the sandbox's id. Held while a sandbox is looked at and shown, so that an older look never replaces a newer one.
    notes: Mutex<HashMap<String, Notes>>,
}

/// What clients have said about a sandbox that the supervisor need not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Notes {
    /// Somebody asked it not to run. Otherwise it paused by itself.
    pub(crate) suspended: bool,
    /// The snapshot that its state is that of, or later, since it was resumed or made.
    pub(crate) restored: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl World {
    /// Reads what is in the folder and shows everything that there is.
    pub(crate) fn open(
        supervisor: Supervisor, folder: &Path, addresses: Option<Addresses<Local>>,
    ) -> io::Result<Arc<Self>> {
        let disk = Disk::open(folder)?;
        let mut notes = HashMap::new();
        for (id, value) in disk.load(Drawer::Notes)? {
            notes.insert(id, serde_json::from_value(value)?);
        }
        let kept = [
            (Drawer::Claims, Resource::Claims),
            (Drawer::Triggers, Resource::Triggers),
            (Drawer::Snapshots, Resource::Snapshots),
        ];
        let mut found = Vec::new();
        for (drawer, resource) in kept {
            found.extend(disk.load(drawer)?.into_iter().map(|(_, object)| (resource, object)));
        }
        let objects = Arc::new(Objects::new(first_version(found.iter().map(|(_, object)| object))));
        for (resource, object) in found {
            if let Some(key) = key_of(resource, &object) {
                objects.put(key, object);
            }
        }
        let (locks, binding) = (Locks::default(), Semaphore::new(limits::BINDING));
        Ok(Arc::new(World { supervisor, objects, disk, locks, binding, addresses, notes: Mutex::new(notes) }))
    }

    /// Keeps what is shown the same as what is, and goes on with what a restart has interrupted.
    ///
    /// `changes` must have been taken before everything was shown first.
    pub(crate) async fn run(self: Arc<Self>, mut changes: Receiver<SandboxId>) {
        self.resume_triggers().await;
        for claim in self.claims().into_iter().filter(|claim| bound_name(claim).is_empty()) {
            self.start_binding(&claim);
        }
        let mut sweep = interval(limits::SWEEP);
        loop {
            tokio::select! {
                changed = changes.recv() => match changed {
                    Ok(id) => self.refresh(&id),
                    Err(RecvError::Lagged(_)) => self.refresh_all(),
                    Err(RecvError::Closed) => return,
                },
                _ = sweep.tick() => {
                    self.refresh_pools();
                    self.refresh_snapshots();
                    self.sweep();
                }
            }
        }
    }

    /// Looks at everything anew.
    pub(crate) fn refresh_all(self: &Arc<Self>) {
        let present = self.supervisor.list();
        let shown = self.objects.list(Resource::Sandboxes, None, &Selector::default()).1;
        let gone =
            shown.iter().filter_map(|shown| SandboxId::try_from(shown["metadata"]["uid"].as_str()?.to_owned()).ok());
        for id in gone.chain(present.into_iter().map(|sandbox| sandbox.id)) {
            self.refresh(&id);
        }
        for claim in self.claims().into_iter().filter(|claim| !bound_name(claim).is_empty()) {
            let key = Key::new(Resource::Sandboxes, namespace(&claim.metadata), bound_name(&claim));
            if self.objects.get(&key).is_none() {
                self.lost_sandbox(&claim);
            }
        }
        self.refresh_pools();
        self.refresh_snapshots();
    }

    /// Looks at one sandbox anew.
    pub(crate) fn refresh(self: &Arc<Self>, id: &SandboxId) {
        let mut notes = self.notes();
        match self.supervisor.get(id) {
            Ok(record) => self.show(&record, &mut notes),
            Err(_) => self.hide(id, &mut notes),
        }
    }

    fn show(self: &Arc<Self>, record: &exeat_supervisor::Sandbox, all: &mut HashMap<String, Notes>) {
        let woken = record.life.running().is_some();
        if let Some(notes) = all.get_mut(record.id.as_str()).filter(|notes| woken && notes.suspended) {
            notes.suspended = false;
            self.write_later(Drawer::Notes, record.id.as_str(), json!(notes));
        }
        let none = Notes::default();
        let key = Key::new(Resource::Sandboxes, &record.namespace, &record.name);
        let before: Option<Sandbox> = self.typed(&key);
        let before = before.filter(|before| uid(&before.metadata) == record.id.as_str());
        let claim_key = record.claim.as_ref().and_then(|uid| self.objects.find(Resource::Claims, uid));
        let claim: Option<SandboxClaim> = claim_key.as_ref().and_then(|key| self.typed(key));
        let now = Timestamp::now();
        let showing = Showing {
            record,
            notes: all.get(record.id.as_str()).unwrap_or(&none),
            claim: claim.as_ref(),
            before: before.as_ref(),
            address: self.address(record),
            now,
        };
        let shown = render::sandbox(&showing);
        let pod = Key::new(Resource::Pods, &record.namespace, &record.name);
        match render::pod(&showing, &shown) {
            Some(object) => drop(self.objects.put(pod, object)),
            None => drop(self.objects.remove(&pod)),
        }
        self.objects.put(key, json!(shown));
        if let (Some(key), Some(claim)) = (claim_key, claim) {
            self.show_claim(key, claim, &shown, now);
        }
    }

    /// A claim is as ready as its sandbox, once it has one and until its time is over.
    fn show_claim(&self, key: Key, mut claim: SandboxClaim, sandbox: &Sandbox, now: Timestamp) {
        if bound_name(&claim) == name(&sandbox.metadata) && !render::over(&claim, now) {
            claim.status = Some(render::bound(&claim, sandbox));
            self.objects.put(key, json!(claim));
        }
    }

    /// Only a sandbox that is somebody's has an address.
    fn address(&self, record: &exeat_supervisor::Sandbox) -> Option<Ipv4Addr> {
        let addresses = self.addresses.as_ref().filter(|_| record.claim.is_some())?;
        addresses.give(record.namespace.as_str(), record.name.as_str(), record.id.as_str())
    }

    fn hide(self: &Arc<Self>, id: &SandboxId, all: &mut HashMap<String, Notes>) {
        if let Some(addresses) = &self.addresses {
            addresses.take_back(id.as_str());
        }
        if all.remove(id.as_str()).is_some() {
            self.remove_later(Drawer::Notes, id.as_str());
        }
        let Some(key) = self.objects.find(Resource::Sandboxes, id.as_str()) else { return };
        self.objects.remove(&Key { resource: Resource::Pods, ..key.clone() });
        let gone: Option<Sandbox> = self.typed(&key);
        self.objects.remove(&key);
        let claim = gone.and_then(|gone| gone.metadata.owner_references?.into_iter().next());
        let claim = claim.and_then(|owner| self.objects.find(Resource::Claims, &owner.uid));
        if let Some(claim) = claim.and_then(|key| self.typed::<SandboxClaim>(&key)) {
            self.lost_sandbox(&claim);
        }
    }

    /// A claim whose sandbox is gone says so, or goes with it where its time is over and it asked for that.
    pub(crate) fn lost_sandbox(self: &Arc<Self>, claim: &SandboxClaim) {
        let over = render::over(claim, Timestamp::now());
        if claim.metadata.deletion_timestamp.is_some() || (over && deletes(claim)) {
            return;
        }
        let reason = if over { Reason::ClaimExpired } else { Reason::SandboxMissing };
        self.fail_claim(claim, reason, "its sandbox is gone; delete the claim and make another one");
    }

    /// Claims whose time is over go, or say so.
    fn sweep(self: &Arc<Self>) {
        let now = Timestamp::now();
        for claim in self.claims().into_iter().filter(|claim| render::over(claim, now)) {
            if !deletes(&claim) {
                self.fail_claim(&claim, Reason::ClaimExpired, "its time is over");
            } else if claim.metadata.deletion_timestamp.is_none() {
                let (world, metadata) = (Arc::clone(self), claim.metadata);
                tokio::spawn(async move {
                    let gone = world.delete_claim(namespace(&metadata), name(&metadata), Some(uid(&metadata))).await;
                    match gone {
                        // Somebody else has deleted it.
                        Ok(_) | Err(Failure::NotFound(..)) => {}
                        Err(error) => tracing::warn!(
                            %error,
                            claim = name(&metadata),
                            "a claim whose time is over could not be deleted; it is tried again"
                        ),
                    }
                });
            }
        }
    }

    fn fail_claim(&self, claim: &SandboxClaim, reason: Reason, message: &str) {
        let mut claim = claim.clone();
        claim.status = Some(render::failed(&claim, reason, message, Timestamp::now()));
        self.objects.put(claim_key(&claim), json!(claim));
    }

    pub(crate) fn refresh_pools(&self) {
        for pool in self.supervisor.pools() {
            let key = |resource| Key::new(resource, &pool.namespace, &pool.name);
            self.objects.put(key(Resource::Pools), json!(render::pool(&pool)));
            self.objects.put(key(Resource::Templates), json!(render::template(&pool)));
        }
    }

    /// Snapshots are in the namespace of their sandbox, also when that is gone: where they were shown first is kept.
    pub(crate) fn refresh_snapshots(self: &Arc<Self>) {
        let _one_at_a_time = self.notes();
        let present = self.supervisor.snapshots();
        let shown = self.objects.list(Resource::Snapshots, None, &Selector::default()).1;
        for gone in shown.iter().filter_map(|shown| shown["metadata"]["uid"].as_str()) {
            if present.iter().any(|snapshot| snapshot.id.as_str() == gone) {
                continue;
            }
            if let Some(key) = self.objects.find(Resource::Snapshots, gone) {
                self.objects.remove(&key);
                self.remove_later(Drawer::Snapshots, gone);
            }
        }
        for snapshot in present {
            if self.objects.find(Resource::Snapshots, snapshot.id.as_str()).is_some() {
                continue;
            }
            let sandbox = self.supervisor.get(&snapshot.sandbox);
            let namespace = sandbox.map_or_else(|_| "default".to_owned(), |sandbox| sandbox.namespace.to_string());
            let object = render::snapshot(&snapshot, &namespace);
            self.write_later(Drawer::Snapshots, snapshot.id.as_str(), object.clone());
            self.objects.put(Key::new(Resource::Snapshots, &namespace, &snapshot.id), object);
        }
    }

    /// Changes what is noted of a sandbox, on the disk first, and shows it.
    pub(crate) async fn note(self: &Arc<Self>, id: &SandboxId, change: impl FnOnce(&mut Notes)) -> Result<(), Failure> {
        let mut changed = self.notes().get(id.as_str()).cloned().unwrap_or_default();
        change(&mut changed);
        self.disk.write(Drawer::Notes, id.as_str(), &changed).await.map_err(|error| disk_failure(&error))?;
        self.notes().insert(id.to_string(), changed);
        self.refresh(id);
        Ok(())
    }

    /// An object as its type.
    pub(crate) fn typed<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let object = self.objects.get(key)?;
        T::deserialize(&*object).ok()
    }

    pub(crate) fn claims(&self) -> Vec<SandboxClaim> {
        let claims = self.objects.list(Resource::Claims, None, &Selector::default()).1;
        claims.iter().filter_map(|claim| SandboxClaim::deserialize(&**claim).ok()).collect()
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<String, Notes>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For what can be made anew from what is, should it not reach the disk.
    fn write_later(self: &Arc<Self>, drawer: Drawer, id: &str, value: Value) {
        let (world, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move {
            if let Err(error) = world.disk.write(drawer, &id, &value).await {
                tracing::warn!(%error, id, "a note could not be written");
            }
        });
    }

    fn remove_later(self: &Arc<Self>, drawer: Drawer, id: &str) {
        let (world, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move {
            if let Err(error) = world.disk.remove(drawer, &id).await {
                tracing::warn!(%error, id, "a note could not be removed");
            }
        });
    }
}

/// Does something to a sandbox, and waits for what is being done to it already.
pub(crate) async fn patiently<T, Done>(mut operation: impl FnMut() -> Done) -> Result<T, exeat_supervisor::Error>
where
    Done: Future<Output = Result<T, exeat_supervisor::Error>>,
{
    let end = Instant::now() + limits::BUSY_TIME;
    loop {
        match operation().await {
            Err(exeat_supervisor::Error::Refused(Refused::Busy)) if Instant::now() < end => {
                sleep(limits::BUSY_AGAIN).await;
            }
            done => return done,
        }
    }
}

/// More than any version that was given out: the clock in microseconds, or what is on the disk.
fn first_version<'v>(objects: impl Iterator<Item = &'v Value>) -> u64 {
    let clock = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
    let known = objects.filter_map(|object| object["metadata"]["resourceVersion"].as_str()?.parse().ok());
    known.fold(clock, u64::max)
}

fn key_of(resource: Resource, object: &Value) -> Option<Key> {
    let metadata = &object["metadata"];
    Some(Key::new(resource, metadata["namespace"].as_str()?, metadata["name"].as_str()?))
}

pub(crate) fn claim_key(claim: &SandboxClaim) -> Key {
    Key::new(Resource::Claims, namespace(&claim.metadata), name(&claim.metadata))
}

/// The name of a claim's sandbox, or nothing.
pub(crate) fn bound_name(claim: &SandboxClaim) -> &str {
    claim.status.as_ref().map_or("", |status| status.sandbox.name.as_str())
}

fn deletes(claim: &SandboxClaim) -> bool {
    claim.spec.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.shutdown_policy.deletes())
}

pub(crate) fn disk_failure(error: &io::Error) -> Failure {
    Failure::Full(format!("this cannot be written down, so it is not done: {error}"))
}
