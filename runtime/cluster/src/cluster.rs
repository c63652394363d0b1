//! The sandboxes of a cluster.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use exeat_api::{Sandbox, annotations};
use exeat_router::{Backend, Refusal, Target, Visit, address, exchange};
use http::{Request, Response};
use hyper::body::Incoming;
use kube::api::{ApiResource, Patch, PatchParams};
use kube::{Api, Client};
use lru::LruCache;
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use crate::activity::{Active, Activity, now};
use crate::dial::dial;
use crate::directory::Directory;
use crate::known::{Known, Seen, Step};
use crate::limits;

/// The sandboxes of a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    client: Client,
    kind: ApiResource,
    directory: Directory,
    activity: Arc<Activity>,
    /// Those that have been told to wake, by UID and resource version: many may wait for one.
    told: Mutex<LruCache<(String, String), ()>>,
}

impl Cluster {
    /// Knows nothing yet.
    pub fn new(client: Client) -> Self {
        Cluster(Arc::new(Inner {
            client,
            kind: ApiResource::erase::<Sandbox>(&()),
            directory: Directory::new(),
            activity: Arc::default(),
            told: Mutex::new(LruCache::new(limits::WAKING)),
        }))
    }

    /// Follows what becomes of the sandboxes, and says which are in use. It never returns.
    pub async fn follow(&self) {
        let Inner { client, kind, directory, activity, .. } = &*self.0;
        tokio::join!(directory.follow(client.clone(), kind), activity.report(client.clone(), kind));
    }

    /// Returns once the sandboxes are known.
    pub async fn known(&self) {
        let mut changes = self.0.directory.changes();
        while !self.is_ready() && changes.changed().await.is_ok() {}
    }
}

impl Backend for Cluster {
    type Visit = Stay;

    fn is_ready(&self) -> bool {
        self.0.directory.is_complete()
    }

    /// It is waited for as long as its caller waits.
    async fn enter(&self, target: &Target) -> Result<Stay, Refusal> {
        let Target { namespace, id, .. } = target;
        let mut changes = self.0.directory.changes();
        let given_up = Instant::now() + limits::LAG_TIME;
        loop {
            changes.borrow_and_update();
            let known = self.0.directory.get(namespace, id);
            let lost = || Refusal::Busy("the router is stopping".to_owned());
            match (Known::next(known.as_deref(), target)?, known) {
                (Step::Enter(address), Some(known)) => {
                    return Ok(Stay { address, _active: self.0.activity.begin(target, &known) });
                }
                (Step::Wake, Some(known)) => {
                    self.0.wake(target, &known).await?;
                    changes.changed().await.map_err(|_| lost())?;
                }
                (Step::Wait, _) => changes.changed().await.map_err(|_| lost())?,
                _ => match timeout_at(given_up, changes.changed()).await {
                    Ok(changed) => changed.map_err(|_| lost())?,
                    Err(_) => return Err(Refusal::Unknown { namespace: namespace.clone(), id: id.clone() }),
                },
            }
        }
    }
}

impl Inner {
    /// Tells a sandbox to run, once for all who wait for it. Where somebody changed it meanwhile, the change says what is next.
    async fn wake(&self, target: &Target, known: &Known) -> Result<(), Refusal> {
        let version = (known.uid.clone(), known.version.clone());
        if self.told().put(version.clone(), ()).is_some() {
            return Ok(());
        }
        let api: Api<Seen> = Api::namespaced_with(self.client.clone(), &target.namespace, &self.kind);
        let patch = Patch::Merge(json!({
            "metadata": {
                "uid": known.uid, "resourceVersion": known.version,
                "annotations": { annotations::SUSPENDED_BY: null, annotations::LAST_ACTIVE: now() },
            },
            "spec": { "operatingMode": "Running" },
        }));
        let error = match timeout(limits::CALL_TIME, api.patch(&target.id, &PatchParams::default(), &patch)).await {
            Ok(Ok(_)) => {
                tracing::info!(namespace = target.namespace, name = target.id, "a sandbox is woken by a request");
                return Ok(());
            }
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        self.told().pop(&version);
        tracing::warn!(namespace = target.namespace, name = target.id, error, "a sandbox could not be woken");
        Err(Refusal::Busy(format!("the sandbox `{}` is suspended and could not be woken; try again", target.id)))
    }

    fn told(&self) -> std::sync::MutexGuard<'_, LruCache<(String, String), ()>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Being in a sandbox.
pub struct Stay {
    address: IpAddr,
    _active: Option<Active>,
}

impl Visit for Stay {
    /// In the client's version of HTTP: sandboxd's own ports speak both, and what listens at others is not known here.
    async fn send(&self, port: u16, mut request: Request<Incoming>) -> Result<Response<Incoming>, Refusal> {
        address(&mut request, port);
        let unreachable = |error: std::io::Error| Refusal::Unreachable { port, why: error.to_string() };
        let stream = dial(SocketAddr::new(self.address, port)).await.map_err(unreachable)?;
        exchange(stream, port, request).await
    }
}
