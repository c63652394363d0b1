//! All controllers together.

use std::sync::Arc;

use exeat_api::labels;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kube::runtime::watcher;
use kube::{Api, Client};

use crate::calls::Calls;
use crate::claim::Claims;
use crate::config::{Config, Mode};
use crate::events::Events;
use crate::limits;
use crate::pod_snapshot::PodSnapshots;
use crate::pool::Pools;
use crate::reconcile::Sandboxes;
use crate::restore::Restores;
use crate::snapshot::Snapshots;
use crate::storage::Storage;
use crate::template::Templates;
use crate::tenant::{self, Tenants};
use crate::world::World;

/// A controller that knows the cluster, and acts once it is let.
#[derive(Clone)]
pub struct Controller {
    world: Arc<World>,
}

impl Controller {
    /// It knows nothing yet.
    pub fn new(config: Config) -> Self {
        Controller { world: World::new(config) }
    }

    /// Whether it knows everything that it acts on.
    pub fn is_synced(&self) -> bool {
        self.world.synced().now_or_never().is_some()
    }

    /// What is measured, in OpenMetrics' text format.
    pub fn metrics(&self) -> String {
        let queues = &self.world.queues;
        let depths = [
            ("sandboxes", queues.sandboxes.depth()),
            ("claims", queues.claims.depth()),
            ("pools", queues.pools.depth()),
            ("templates", queues.templates.depth()),
            ("snapshots", queues.snapshots.depth()),
            ("restores", queues.restores.depth()),
        ];
        self.world.metrics.text(self.world.sandboxes.count(), &depths)
    }
}

/// Follows the cluster, and acts on it from when `lead` returns. `instance` is this process's name in events.
/// It never returns: what has failed is tried again.
pub async fn run(controller: Controller, client: Client, instance: &str, lead: impl Future<Output = ()>) {
    let world = controller.world;
    let followers = followers(&world, &client);
    let following = futures_util::future::join_all(followers);
    let acting = async {
        world.synced().await;
        lead.await;
        tracing::info!("acting");
        act(&world, &client, instance).await;
    };
    tokio::join!(following, acting);
}

impl World {
    /// Waits until everything is known that is acted on. Snapshots are not waited for where none are taken, and `podsnapshot.gke.io`
    /// never, since a cluster may lack them: whatever of it is not known yet is found when it is made.
    async fn synced(&self) {
        tokio::join!(self.sandboxes.synced(), self.policies.synced(), self.configs.synced(), self.enforced.synced());
        self.pods.synced().await;
        if self.config.snapshots.is_some() {
            self.snapshots.synced().await;
        }
        if self.has_templates() {
            self.templates.synced().await;
        }
        if self.config.mode == Mode::Instead {
            tokio::join!(self.services.synced(), self.volumes.synced());
        }
        if self.has_claims() {
            tokio::join!(self.claims.synced(), self.pools.synced());
        }
    }

    fn has_templates(&self) -> bool {
        self.config.extensions
    }

    fn has_claims(&self) -> bool {
        self.config.extensions && self.config.mode == Mode::Instead
    }
}

/// Pods, Services and volumes of others are not even looked at: ours have a label.
fn followers<'w>(world: &'w Arc<World>, client: &Client) -> Vec<BoxFuture<'w, ()>> {
    let ours = || watcher::Config::default().labels(labels::NAME_HASH);
    let any = watcher::Config::default;
    let named = || watcher::Config::default().fields(&format!("metadata.name={}", tenant::CERTIFICATE));
    let enforced = || watcher::Config::default().labels(&format!("{}=true", labels::ENFORCE));
    let mut all = vec![
        world.sandboxes.follow(Api::all(client.clone()), any(), &**world).boxed(),
        world.policies.follow(Api::all(client.clone()), any(), &**world).boxed(),
        world.configs.follow(Api::all(client.clone()), named(), &**world).boxed(),
        world.enforced.follow(Api::all(client.clone()), enforced(), &**world).boxed(),
        world.pods.follow(Api::all(client.clone()), ours(), &**world).boxed(),
        world.snapshots.follow(Api::all(client.clone()), any(), &**world).boxed(),
    ];
    if world.config.pod_snapshots {
        all.push(world.pod_snapshots.follow(Api::all(client.clone()), any(), &**world).boxed());
        all.push(world.triggers.follow(Api::all(client.clone()), any(), &**world).boxed());
    }
    if world.has_templates() {
        all.push(world.templates.follow(Api::all(client.clone()), any(), &**world).boxed());
    }
    if world.config.mode == Mode::Instead {
        all.push(world.services.follow(Api::all(client.clone()), ours(), &**world).boxed());
        all.push(world.volumes.follow(Api::all(client.clone()), ours(), &**world).boxed());
    }
    if world.has_claims() {
        all.push(world.claims.follow(Api::all(client.clone()), any(), &**world).boxed());
        all.push(world.pools.follow(Api::all(client.clone()), any(), &**world).boxed());
    }
    all
}

async fn act(world: &Arc<World>, client: &Client, instance: &str) {
    let calls = Calls::new(client.clone());
    let config = &world.config;
    let queues = &world.queues;
    let tenants = Tenants { world: Arc::clone(world), calls: calls.clone() };
    let tenants = Arc::clone(&queues.tenants).work(1, move |namespace| tenants.clone().reconcile(namespace));
    let (events, saying) = Events::new(client.clone(), instance, Arc::clone(world));
    let workspaces = workspaces(Arc::clone(world), calls.clone(), events.clone());
    if config.mode == Mode::Beside {
        tokio::join!(tenants, workspaces, saying);
        return;
    }
    let sandboxes = Sandboxes { world: Arc::clone(world), calls: calls.clone() };
    let sandboxes =
        Arc::clone(&queues.sandboxes).work(config.sandbox_workers, move |key| sandboxes.clone().reconcile(key));
    if !config.extensions {
        tokio::join!(tenants, sandboxes, workspaces, saying);
        return;
    }
    let claims = Claims { world: Arc::clone(world), calls: calls.clone(), events };
    let claims = Arc::clone(&queues.claims).work(config.claim_workers, move |key| claims.clone().reconcile(key));
    let pools = Pools { world: Arc::clone(world), calls: calls.clone() };
    let pools = Arc::clone(&queues.pools).work(config.pool_workers, move |key| pools.clone().reconcile(key));
    let templates = Templates { world: Arc::clone(world), calls };
    let templates =
        Arc::clone(&queues.templates).work(config.template_workers, move |key| templates.clone().reconcile(key));
    tokio::join!(tenants, sandboxes, workspaces, saying, claims, pools, templates);
}

/// Snapshots, and what is read back from them.
async fn workspaces(world: Arc<World>, calls: Calls, events: Events) {
    let storage = world.config.snapshots.clone().map(|config| Arc::new(Storage::new(config)));
    let snapshots = Snapshots { world: Arc::clone(&world), calls: calls.clone(), storage: storage.clone() };
    let snapshots =
        Arc::clone(&world.queues.snapshots).work(limits::TAKES, move |key| snapshots.clone().reconcile(key));
    let pod_snapshots = PodSnapshots { world: Arc::clone(&world), calls: calls.clone() };
    let triggers = pod_snapshots.clone();
    let triggers =
        Arc::clone(&world.queues.triggers).work(limits::TAKES, move |key| triggers.clone().reconcile_trigger(key));
    let pod_snapshots =
        Arc::clone(&world.queues.pod_snapshots).work(limits::TAKES, move |key| pod_snapshots.clone().reconcile(key));
    let restores = Restores { world: Arc::clone(&world), calls, events, storage: storage.clone() };
    let restores =
        Arc::clone(&world.queues.restores).work(limits::RESTORES, move |key| restores.clone().reconcile(key));
    let restores = async {
        // The pods are another controller's beside it.
        if world.config.mode == Mode::Instead {
            restores.await;
        }
    };
    tokio::join!(snapshots, pod_snapshots, triggers, restores, collect(storage));
}

/// Removes now and then what no snapshot needs any more.
async fn collect(storage: Option<Arc<Storage>>) {
    let Some(storage) = storage else { return };
    loop {
        tokio::time::sleep(limits::COLLECT_EVERY).await;
        if let Err(error) = storage.collect().await {
            tracing::warn!(%error, "the store of snapshots could not be collected");
        }
    }
}
