//! A namespace with a pool, and claims on it that are timed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use kube::api::{ApiResource, DeleteParams, DynamicObject, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::Result;

/// Nothing takes longer than this and is still worth measuring.
const LONGEST: Duration = Duration::from_secs(600);
/// How long a machine is left alone after it has started pods, whose first moments take its time.
const SETTLING: Duration = Duration::from_secs(5);
const EXTENSIONS: &str = "extensions.agents.x-k8s.io/v1beta1";
const SANDBOXES: &str = "agents.x-k8s.io/v1beta1";
/// What a sandbox has as long as it waits in a pool.
const WARM_POOL: &str = "agents.x-k8s.io/warm-pool-sandbox";
const POOL: &str = "pool";

/// What pods are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pods {
    /// Real ones under gVisor.
    Gvisor,
    /// Objects that kwok says are ready.
    Kwok,
}

/// A namespace with a pool that is full.
pub(super) struct Stage {
    pub(super) client: Client,
    namespace: String,
    size: usize,
    claims: AtomicUsize,
}

impl Stage {
    /// Makes the namespace and the pool, and waits until it is full.
    pub(super) async fn open(name: &str, pods: Pods, size: usize) -> Result<Self> {
        // As whoever makes many claims does it: all on one connection.
        let client = exeat_controller::client(-1.0, 0).await?;
        let namespace = format!("bench-{name}-{}-{size}", std::process::id());
        let stage = Stage { client, namespace: namespace.clone(), size, claims: AtomicUsize::new(0) };
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        Api::<DynamicObject>::all_with(stage.client.clone(), &resource("v1", "Namespace", "namespaces"))
            .create(&PostParams::default(), &serde_json::from_value(body)?)
            .await?;
        let mut spec = json!({
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "main", "image": "exeat.dev/test/debian:latest", "imagePullPolicy": "IfNotPresent",
                "command": ["sleep", "infinity"],
            }],
        });
        match pods {
            Pods::Gvisor => spec["runtimeClassName"] = json!("gvisor"),
            Pods::Kwok => {
                spec["nodeSelector"] = json!({ "type": "kwok" });
                spec["tolerations"] = json!([{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }]);
            }
        }
        stage.create("SandboxTemplate", "sandboxtemplates", POOL, json!({ "podTemplate": { "spec": spec } })).await?;
        let pool = json!({ "replicas": size, "sandboxTemplateRef": { "name": POOL } });
        stage.create("SandboxWarmPool", "sandboxwarmpools", POOL, pool).await?;
        stage.filled().await?;
        Ok(stage)
    }

    /// Waits until the pool is full and nothing else is left: what its status says may be of a moment ago, sandboxes of claims
    /// that have been deleted look no different for a while, and pods that are on their way out take the machine's time.
    pub(super) async fn filled(&self) -> Result<()> {
        let pods: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource("v1", "Pod", "pods"));
        let sandboxes: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource(SANDBOXES, "Sandbox", "sandboxes"));
        let waits = |object: &DynamicObject| object.metadata.deletion_timestamp.is_none() && is_ready(&object.data);
        let is_pooled = |sandbox: &DynamicObject| waits(sandbox) && sandbox.labels().contains_key(WARM_POOL);
        let is_full = async || {
            let members = sandboxes.list(&Default::default()).await?.items;
            if members.len() != self.size || !members.iter().all(is_pooled) {
                return Ok(false);
            }
            let pods = pods.list(&Default::default()).await?.items;
            Ok(pods.len() == self.size && pods.iter().all(waits))
        };
        until("the pool is full", is_full).await
    }

    /// Claims one after the other, so long apart; milliseconds from each one's making to its Ready.
    pub(super) async fn one_by_one(&self, times: usize, apart: Duration) -> Result<Vec<f64>> {
        let mut seen = self.watch().await?;
        let mut made = HashMap::new();
        for _ in 0..times {
            let name = self.fresh_name();
            let next = Instant::now() + apart;
            made.insert(name.clone(), Instant::now());
            self.claim(&name).await?;
            tokio::time::sleep_until(next.into()).await;
        }
        let took = self.ready(&mut seen, &made).await?;
        self.release(made.into_keys()).await?;
        Ok(took)
    }

    /// So many claims at once, several times, each time out of a full pool.
    pub(super) async fn bursts(&self, size: usize, times: usize) -> Result<Vec<f64>> {
        let mut took = Vec::new();
        for _ in 0..times {
            self.filled().await?;
            sleep(SETTLING).await;
            let mut seen = self.watch().await?;
            let making = stream::iter(0..size).map(|_| async {
                let (name, began) = (self.fresh_name(), Instant::now());
                self.claim(&name).await.map(|()| (name, began))
            });
            let made: HashMap<String, Instant> = making.buffer_unordered(size).try_collect().await?;
            took.extend(self.ready(&mut seen, &made).await?);
            self.release(made.into_keys()).await?;
        }
        Ok(took)
    }

    /// Claims that become ready from now on, as they do.
    async fn watch(&self) -> Result<mpsc::UnboundedReceiver<(String, Instant)>> {
        let claims = self.api("SandboxClaim", "sandboxclaims");
        let version = claims.list(&Default::default()).await?.metadata.resource_version.unwrap_or_default();
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut version = version;
            loop {
                let Ok(events) = claims.watch(&WatchParams::default().timeout(290), &version).await else { return };
                let mut events = std::pin::pin!(events);
                while let Some(Ok(event)) = events.next().await {
                    let now = Instant::now();
                    let (WatchEvent::Added(claim) | WatchEvent::Modified(claim)) = event else { continue };
                    version = claim.resource_version().unwrap_or_default();
                    if is_ready(&claim.data) && sender.send((claim.name_any(), now)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(receiver)
    }

    async fn ready(
        &self, seen: &mut mpsc::UnboundedReceiver<(String, Instant)>, made: &HashMap<String, Instant>,
    ) -> Result<Vec<f64>> {
        let mut took: HashMap<String, f64> = HashMap::new();
        while took.len() < made.len() {
            let next = timeout(LONGEST, seen.recv()).await.map_err(|_| "a claim does not become ready")?;
            let (name, at) = next.ok_or("the watch has ended")?;
            if let Some(began) = made.get(&name) {
                took.entry(name).or_insert(at.duration_since(*began).as_secs_f64() * 1_000.0);
            }
        }
        Ok(took.into_values().collect())
    }

    /// A claim that has been deleted may be there for a while.
    fn fresh_name(&self) -> String {
        format!("claim-{}", self.claims.fetch_add(1, Ordering::Relaxed))
    }

    async fn claim(&self, name: &str) -> Result<()> {
        self.create("SandboxClaim", "sandboxclaims", name, json!({ "warmPoolRef": { "name": POOL } })).await
    }

    async fn release(&self, names: impl Iterator<Item = String>) -> Result<()> {
        let claims = self.api("SandboxClaim", "sandboxclaims");
        stream::iter(names.map(Ok))
            .try_for_each_concurrent(8, |name| {
                let claims = claims.clone();
                async move { claims.delete(&name, &DeleteParams::default()).await.map(drop) }
            })
            .await?;
        Ok(())
    }

    async fn create(&self, kind: &str, plural: &str, name: &str, spec: Value) -> Result<()> {
        let body = json!({ "apiVersion": EXTENSIONS, "kind": kind, "metadata": { "name": name }, "spec": spec });
        self.api(kind, plural).create(&PostParams::default(), &serde_json::from_value(body)?).await?;
        Ok(())
    }

    fn api(&self, kind: &str, plural: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(EXTENSIONS, kind, plural))
    }

    /// Deletes everything, and waits until it is gone, so that the next stage has the machine for itself.
    pub(super) async fn close(self) -> Result<()> {
        let namespaces: Api<DynamicObject> =
            Api::all_with(self.client.clone(), &resource("v1", "Namespace", "namespaces"));
        namespaces.delete(&self.namespace, &DeleteParams::default()).await?;
        until("the namespace is gone", async || Ok(namespaces.get_opt(&self.namespace).await?.is_none())).await
    }
}

/// Waits until it is so. With thousands of objects in it, a cluster does not answer each time that it is asked.
async fn until(what: &str, is_so: impl AsyncFn() -> Result<bool, kube::Error>) -> Result<()> {
    let waiting = async {
        loop {
            match is_so().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => eprintln!("bench: asked again whether {what}: {error}"),
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(LONGEST, waiting).await.map_err(|_| format!("it never came to be so that {what}").into())
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn resource(api_version: &str, kind: &str, plural: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}
