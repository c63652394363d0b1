//! What the controllers know and whom they tell: one cache for each kind, and who is to look at what when something changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exeat_api::conversion::pool_of_template;
use exeat_api::{
    PodSnapshot, PodSnapshotManualTrigger, Sandbox, SandboxClaim, SandboxSnapshot, SandboxTemplate, SandboxWarmPool,
    labels, name_hash,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};

use crate::cache::{Cache, Change, Listener};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::owners::controller;
use crate::precedence::Precedence;
use crate::queue::Queue;
use crate::sandbox::workspace::is_wired;
use crate::snapshot::is_taken;
use crate::views::{ConfigMap, Namespace, NetworkPolicy, Pod, Service, VolumeClaim};
use crate::{Key, limits, wiring};

/// Changes of a pool's sandboxes come in swarms; one look is enough for each.
const POOL_PAUSE: Duration = Duration::from_millis(200);

/// Everything that is known.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) sandboxes: Cache<Sandbox>,
    pub(crate) claims: Cache<SandboxClaim>,
    pub(crate) pools: Cache<SandboxWarmPool>,
    pub(crate) templates: Cache<SandboxTemplate>,
    pub(crate) pods: Cache<Pod>,
    pub(crate) services: Cache<Service>,
    pub(crate) volumes: Cache<VolumeClaim>,
    pub(crate) policies: Cache<NetworkPolicy>,
    pub(crate) configs: Cache<ConfigMap>,
    pub(crate) snapshots: Cache<SandboxSnapshot>,
    pub(crate) pod_snapshots: Cache<PodSnapshot>,
    pub(crate) triggers: Cache<PodSnapshotManualTrigger>,
    /// Those whose pods must all be wired.
    pub(crate) enforced: Cache<Namespace>,
    pub(crate) queues: Queues,
    pub(crate) metrics: Metrics,
    pub(crate) precedence: Precedence,
    index: Mutex<Index>,
}

/// Who is to be looked at.
pub(crate) struct Queues {
    pub(crate) sandboxes: Arc<Queue<Key>>,
    pub(crate) claims: Arc<Queue<Key>>,
    pub(crate) pools: Arc<Queue<Key>>,
    pub(crate) templates: Arc<Queue<Key>>,
    pub(crate) snapshots: Arc<Queue<Key>>,
    pub(crate) pod_snapshots: Arc<Queue<Key>>,
    pub(crate) triggers: Arc<Queue<Key>>,
    /// Sandboxes whose workspaces may have to be read back.
    pub(crate) restores: Arc<Queue<Key>>,
    /// By namespace.
    pub(crate) tenants: Arc<Queue<Arc<str>>>,
}

#[derive(Default)]
struct Index {
    /// Sandboxes by their pool's namespace and the hash of its name.
    pooled: HashMap<(Arc<str>, String), BTreeSet<Key>>,
    /// Sandboxes by the UID of their claim.
    claimed: HashMap<String, BTreeSet<Key>>,
    /// Names of pods by the UID of their sandbox.
    pods: HashMap<String, BTreeSet<Key>>,
    /// Claims by the pool that they name.
    wanting: HashMap<Key, BTreeSet<Key>>,
    /// Snapshots by their sandbox.
    snapshots: HashMap<Key, BTreeSet<Key>>,
    /// UIDs of sandboxes whose workspace is being read or written right now, and their namespaces.
    busy: HashMap<String, Arc<str>>,
    /// UIDs of sandboxes that a claim is taking right now.
    reserved: HashSet<String>,
}

impl World {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        Arc::new(World {
            config,
            sandboxes: Cache::new(),
            claims: Cache::new(),
            pools: Cache::new(),
            templates: Cache::new(),
            pods: Cache::new(),
            services: Cache::new(),
            volumes: Cache::new(),
            policies: Cache::new(),
            configs: Cache::new(),
            snapshots: Cache::new(),
            pod_snapshots: Cache::new(),
            triggers: Cache::new(),
            enforced: Cache::new(),
            queues: Queues {
                sandboxes: Queue::new(),
                claims: Queue::new(),
                pools: Queue::new(),
                templates: Queue::new(),
                snapshots: Queue::new(),
                pod_snapshots: Queue::new(),
                triggers: Queue::new(),
                restores: Queue::new(),
                tenants: Queue::new(),
            },
            metrics: Metrics::default(),
            precedence: Precedence::default(),
            index: Mutex::default(),
        })
    }

    /// How many pods say that this sandbox manages them.
    pub(crate) fn pods_of(&self, uid: &str) -> usize {
        self.index().pods.get(uid).map_or(0, BTreeSet::len)
    }

    /// The sandboxes that this claim manages: one, but for what a controller that was killed has asked for last.
    pub(crate) fn sandboxes_of(&self, claim_uid: &str) -> Vec<Arc<Sandbox>> {
        let keys = self.index().claimed.get(claim_uid).cloned().unwrap_or_default();
        keys.iter().filter_map(|key| self.sandboxes.get(key)).collect()
    }

    /// The sandboxes that have the label of this pool.
    pub(crate) fn pooled(&self, pool: &Key) -> Vec<Arc<Sandbox>> {
        let keys = self.index().pooled.get(&(Arc::clone(&pool.namespace), name_hash(&pool.name))).cloned();
        keys.unwrap_or_default().iter().filter_map(|key| self.sandboxes.get(key)).collect()
    }

    /// Takes a sandbox for somebody, if nobody else is taking it: the best of these by `choose`.
    pub(crate) fn reserve(
        &self, choose: impl FnOnce(&dyn Fn(&Sandbox) -> bool) -> Option<Arc<Sandbox>>,
    ) -> Option<Reserved<'_>> {
        let mut index = self.index();
        let chosen = choose(&|sandbox| !index.reserved.contains(sandbox.metadata.uid.as_deref().unwrap_or_default()))?;
        let uid = chosen.uid().unwrap_or_default();
        index.reserved.insert(uid.clone());
        Some(Reserved { world: self, uid, sandbox: chosen })
    }

    /// Takes a sandbox's workspace for reading or writing all of it, if nobody else has it and its namespace has not too many.
    pub(crate) fn occupy(&self, namespace: &Arc<str>, sandbox_uid: &str) -> Option<Occupied<'_>> {
        let mut index = self.index();
        let others = index.busy.values().filter(|of| *of == namespace).count();
        if others >= limits::NAMESPACE_TRANSFERS || index.busy.contains_key(sandbox_uid) {
            return None;
        }
        index.busy.insert(sandbox_uid.to_owned(), Arc::clone(namespace));
        Some(Occupied { world: self, uid: sandbox_uid.to_owned() })
    }

    /// The snapshots that are of this sandbox, or are to be.
    pub(crate) fn snapshots_of(&self, sandbox: &Key) -> Vec<Arc<SandboxSnapshot>> {
        let keys = self.index().snapshots.get(sandbox).cloned();
        keys.unwrap_or_default().iter().filter_map(|key| self.snapshots.get(key)).collect()
    }

    /// Whoever has to do with a sandbox's workspace.
    fn wake_workspace_of(&self, sandbox: &Key) {
        let is_wired = self.sandboxes.get(sandbox).is_some_and(|sandbox| is_wired(&sandbox));
        if is_wired && self.config.snapshots.is_some() {
            self.queues.restores.add(sandbox.clone());
        }
        for snapshot in self.snapshots_of(sandbox).iter().filter(|snapshot| !is_taken(snapshot)) {
            self.queues.snapshots.add(Key::of(&**snapshot));
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims that name this pool.
    fn wake_claims(&self, pool: &Key) {
        let waiting = self.index().wanting.get(pool).cloned().unwrap_or_default();
        for claim in waiting {
            self.queues.claims.add(claim);
        }
    }

    fn wake_pools_of(&self, template: &Key) {
        for pool in self.pools.list().iter().filter(|pool| is_of(pool, template)) {
            let key = Key::of(&**pool);
            self.wake_claims(&key);
            self.queues.pools.add(key);
        }
        self.wake_claims(&template.beside(&pool_of_template(&template.name)));
    }

    fn wake_sandbox_of(&self, meta: &ObjectMeta) {
        if let Some(owner) = controller(meta).filter(|owner| owner.kind == "Sandbox") {
            let key = Key::new(meta.namespace.as_deref().unwrap_or_default(), &owner.name);
            self.wake_workspace_of(&key);
            self.queues.sandboxes.add(key);
        }
    }
}

fn is_of(pool: &SandboxWarmPool, template: &Key) -> bool {
    pool.spec.sandbox_template_ref.name == *template.name && pool.namespace().as_deref() == Some(&template.namespace)
}

/// A sandbox that one claim is taking; nobody else can until this is dropped.
pub(crate) struct Reserved<'w> {
    world: &'w World,
    uid: String,
    pub(crate) sandbox: Arc<Sandbox>,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.world.index().reserved.remove(&self.uid);
    }
}

/// A workspace that nobody else reads or writes until this is dropped.
pub(crate) struct Occupied<'w> {
    world: &'w World,
    uid: String,
}

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        self.world.index().busy.remove(&self.uid);
    }
}

/// Moves an entry of a one-to-many index from where it was to where it is.
fn move_entry<P: std::hash::Hash + Eq>(
    map: &mut HashMap<P, BTreeSet<Key>>, key: &Key, before: Option<P>, after: Option<P>,
) {
    if before == after {
        return;
    }
    if let Some(before) = before
        && let Some(known) = map.get_mut(&before)
    {
        known.remove(key);
        if known.is_empty() {
            map.remove(&before);
        }
    }
    if let Some(after) = after {
        map.entry(after).or_default().insert(key.clone());
    }
}

fn owner_uid(meta: &ObjectMeta, kind: &str) -> Option<String> {
    controller(meta).filter(|owner| owner.kind == kind).map(|owner| owner.uid.clone())
}

impl Listener<Sandbox> for World {
    fn changed(&self, change: Change<'_, Sandbox>) {
        let Change { key, before, after } = change;
        let pool = |sandbox: &Arc<Sandbox>| {
            Some((Arc::clone(&key.namespace), sandbox.labels().get(labels::WARM_POOL)?.clone()))
        };
        let claim = |sandbox: &Arc<Sandbox>| owner_uid(&sandbox.metadata, "SandboxClaim");
        {
            let mut index = self.index();
            move_entry(&mut index.pooled, key, before.and_then(pool), after.and_then(pool));
            move_entry(&mut index.claimed, key, before.and_then(claim), after.and_then(claim));
        }
        self.queues.sandboxes.add(key.clone());
        self.wake_workspace_of(key);
        let owners: BTreeMap<&str, &str> = [before, after]
            .into_iter()
            .flatten()
            .filter_map(|sandbox| controller(&sandbox.metadata))
            .map(|owner| (owner.name.as_str(), owner.kind.as_str()))
            .collect();
        for (name, kind) in owners {
            match kind {
                "SandboxClaim" => self.queues.claims.add(key.beside(name)),
                "SandboxWarmPool" => self.queues.pools.add_after(key.beside(name), POOL_PAUSE),
                _ => {}
            }
        }
        if after.is_some_and(|sandbox| wiring::profile(&sandbox.spec.pod_template.metadata).is_some())
            && before.is_none()
        {
            self.queues.tenants.add(Arc::clone(&key.namespace));
        }
    }
}

impl Listener<SandboxClaim> for World {
    fn changed(&self, change: Change<'_, SandboxClaim>) {
        let Change { key, before, after } = change;
        let pool = |claim: &Arc<SandboxClaim>| key.beside(&claim.spec.warm_pool_ref.name);
        move_entry(&mut self.index().wanting, key, before.map(pool), after.map(pool));
        self.queues.claims.add(key.clone());
    }
}

impl Listener<SandboxWarmPool> for World {
    fn changed(&self, change: Change<'_, SandboxWarmPool>) {
        if change.before.is_none() {
            self.wake_claims(change.key);
        }
        self.queues.pools.add(change.key.clone());
    }
}

impl Listener<SandboxTemplate> for World {
    fn changed(&self, change: Change<'_, SandboxTemplate>) {
        self.queues.templates.add(change.key.clone());
        let spec = |template: &Arc<SandboxTemplate>| template.metadata.generation;
        if change.before.map(spec) != change.after.map(spec) {
            self.wake_pools_of(change.key);
        }
        if change.after.is_some_and(|template| wiring::profile(&template.spec.pod_template.metadata).is_some()) {
            self.queues.tenants.add(Arc::clone(&change.key.namespace));
        }
    }
}

impl Listener<Pod> for World {
    fn changed(&self, change: Change<'_, Pod>) {
        let sandbox = |pod: &Arc<Pod>| owner_uid(&pod.metadata, "Sandbox");
        move_entry(&mut self.index().pods, change.key, change.before.and_then(sandbox), change.after.and_then(sandbox));
        for pod in [change.before, change.after].into_iter().flatten() {
            self.wake_sandbox_of(&pod.metadata);
        }
        // The pod of this name may have been in the way of another sandbox than its owner.
        self.queues.sandboxes.add(change.key.clone());
    }
}

impl Listener<SandboxSnapshot> for World {
    fn changed(&self, change: Change<'_, SandboxSnapshot>) {
        let Change { key, before, after } = change;
        let of = |snapshot: &Arc<SandboxSnapshot>| key.beside(&snapshot.spec.sandbox_name);
        move_entry(&mut self.index().snapshots, key, before.map(of), after.map(of));
        self.queues.snapshots.add(key.clone());
        self.queues.pod_snapshots.add(key.clone());
        self.queues.triggers.add(key.clone());
        for sandbox in [before, after].into_iter().flatten().map(of) {
            self.queues.sandboxes.add(sandbox);
        }
        // Sandboxes of any name may wait for it.
        let can_be_used = |snapshot: Option<&Arc<SandboxSnapshot>>| snapshot.is_some_and(|known| is_taken(known));
        if can_be_used(before) != can_be_used(after) {
            let namespace = Some(&*key.namespace);
            for sandbox in self.sandboxes.list().iter().filter(|sandbox| sandbox.namespace().as_deref() == namespace) {
                self.queues.sandboxes.add(Key::of(&**sandbox));
                self.queues.restores.add(Key::of(&**sandbox));
            }
        }
    }
}

impl Listener<PodSnapshot> for World {
    fn changed(&self, change: Change<'_, PodSnapshot>) {
        self.queues.pod_snapshots.add(change.key.clone());
        self.queues.triggers.add(change.key.clone());
    }
}

impl Listener<PodSnapshotManualTrigger> for World {
    fn changed(&self, change: Change<'_, PodSnapshotManualTrigger>) {
        self.queues.triggers.add(change.key.clone());
    }
}

impl Listener<Service> for World {
    fn changed(&self, change: Change<'_, Service>) {
        self.queues.sandboxes.add(change.key.clone());
    }
}

impl Listener<VolumeClaim> for World {
    fn changed(&self, change: Change<'_, VolumeClaim>) {
        for volume in [change.before, change.after].into_iter().flatten() {
            self.wake_sandbox_of(volume.meta());
        }
    }
}

impl Listener<NetworkPolicy> for World {
    fn changed(&self, change: Change<'_, NetworkPolicy>) {
        for policy in [change.before, change.after].into_iter().flatten() {
            match controller(&policy.metadata) {
                Some(owner) if owner.kind == "SandboxTemplate" => {
                    self.queues.templates.add(change.key.beside(&owner.name))
                }
                _ => self.queues.tenants.add(Arc::clone(&change.key.namespace)),
            }
        }
    }
}

impl Listener<ConfigMap> for World {
    fn changed(&self, change: Change<'_, ConfigMap>) {
        if *change.key.namespace == *self.config.namespace {
            // The certificate itself: everybody's copy follows.
            let namespaces: BTreeSet<Arc<str>> =
                self.configs.list().iter().filter_map(|copy| copy.namespace()).map(Arc::from).collect();
            for namespace in namespaces {
                self.queues.tenants.add(namespace);
            }
        }
        self.queues.tenants.add(Arc::clone(&change.key.namespace));
    }
}

impl Listener<Namespace> for World {
    fn changed(&self, change: Change<'_, Namespace>) {
        self.queues.tenants.add(Arc::clone(&change.key.name));
    }
}
