//! The one place that changes anything: effects become calls of the API server, and the caches learn its answers.

use exeat_api::{
    PodSnapshot, PodSnapshotManualTrigger, Sandbox, SandboxClaim, SandboxSnapshot, SandboxTemplate, SandboxWarmPool,
};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy};
use kube::core::{Request, params};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cache::{Cache, Listener};
use crate::effect::{Act, Effect, Kind};
use crate::queue::Again;
use crate::views::{ConfigMap, NetworkPolicy, Pod, Service, VolumeClaim};
use crate::world::World;
use crate::{Key, limits};

/// Whose changes ours are, in an object's `managedFields`.
const MANAGER: &str = "exeat-controller";

/// The API server, as the controllers call it.
#[derive(Clone)]
pub(crate) struct Calls {
    client: Client,
}

/// Why a call has not done what it was for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// Somebody else was faster: what there is has been looked at, and can be decided about anew.
    #[error("{0} has changed meanwhile")]
    Stale(String),
    /// The API server refuses the object as it is, now and later.
    #[error("{0}")]
    Invalid(String),
    /// It did not work this time.
    #[error("{0}")]
    Other(String),
}

impl Failed {
    /// When a look that failed so is taken again. What has changed meanwhile is nothing to speak of.
    pub(crate) fn again(&self, key: &Key, what: &'static str) -> Again {
        if !matches!(self, Failed::Stale(_)) {
            tracing::warn!(error = %self, %key, "{what}");
        }
        Again::Failed
    }
}

impl Calls {
    pub(crate) fn new(client: Client) -> Self {
        Calls { client }
    }

    /// Does what is wanted. When this returns, the caches know what came of it.
    pub(crate) async fn act(&self, world: &World, effect: &Effect) -> Result<(), Failed> {
        tracing::debug!(%effect, "acting");
        match effect.on {
            Kind::Sandbox => self.on::<Sandbox>(&world.sandboxes, world, effect).await,
            Kind::SandboxClaim => self.on::<SandboxClaim>(&world.claims, world, effect).await,
            Kind::SandboxWarmPool => self.on::<SandboxWarmPool>(&world.pools, world, effect).await,
            Kind::SandboxTemplate => self.on::<SandboxTemplate>(&world.templates, world, effect).await,
            Kind::Pod => self.on::<Pod>(&world.pods, world, effect).await,
            Kind::Service => self.on::<Service>(&world.services, world, effect).await,
            Kind::PersistentVolumeClaim => self.on::<VolumeClaim>(&world.volumes, world, effect).await,
            Kind::NetworkPolicy => self.on::<NetworkPolicy>(&world.policies, world, effect).await,
            Kind::ConfigMap => self.on::<ConfigMap>(&world.configs, world, effect).await,
            Kind::PodSnapshot => self.on::<PodSnapshot>(&world.pod_snapshots, world, effect).await,
            Kind::PodSnapshotManualTrigger => self.on::<PodSnapshotManualTrigger>(&world.triggers, world, effect).await,
            Kind::SandboxSnapshot => self.on::<SandboxSnapshot>(&world.snapshots, world, effect).await,
        }
    }

    /// Asks the API server itself for an object, and lets the cache know.
    pub(crate) async fn look<K>(&self, cache: &Cache<K>, world: &World, key: &Key) -> Result<Option<K>, Failed>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
        World: Listener<K>,
    {
        let request = Request::new(K::url_path(&(), Some(&key.namespace)));
        let request = request.get(&key.name, &params::GetParams::default()).map_err(other)?;
        match self.send::<K>(request).await {
            Ok(found) => {
                cache.learn(found.clone(), world);
                Ok(Some(found))
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {
                if let Some(known) = cache.get(key) {
                    cache.forget(key, known.meta().uid.as_deref().unwrap_or_default(), world);
                }
                Ok(None)
            }
            Err(error) => Err(other(error)),
        }
    }

    async fn on<K>(&self, cache: &Cache<K>, world: &World, effect: &Effect) -> Result<(), Failed>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
        World: Listener<K>,
    {
        let Effect { key, act, .. } = effect;
        let request = Request::new(K::url_path(&(), Some(&key.namespace)));
        let made = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let merged = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let applied = PatchParams::apply(MANAGER).force();
        let request = match act {
            Act::Create(body) => request.create(&made, body.to_string().into_bytes()),
            Act::Apply(body) => request.patch(&key.name, &applied, &Patch::Apply(body)),
            Act::Merge(patch) => request.patch(&key.name, &merged, &Patch::Merge(patch)),
            Act::MergeStatus(patch) => request.patch_subresource("status", &key.name, &merged, &Patch::Merge(patch)),
            Act::Condition { uid, condition } => {
                let patch = json!({ "metadata": { "uid": uid }, "status": { "conditions": [condition] } });
                request.patch_subresource("status", &key.name, &merged, &Patch::Strategic(patch))
            }
            Act::Delete { uid, version, foreground } => {
                let policy = if *foreground { PropagationPolicy::Foreground } else { PropagationPolicy::Background };
                let delete = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
                let only = kube::api::Preconditions { uid: Some(uid.clone()), resource_version: version.clone() };
                request.delete(&key.name, &delete.preconditions(only))
            }
        };
        match self.send::<Value>(request.map_err(other)?).await {
            Ok(answer) => {
                // A deletion is answered with a Status where the object is gone at once.
                if let Act::Delete { uid, .. } = act
                    && answer["kind"] == "Status"
                {
                    cache.forget(key, uid, world);
                } else if let Ok(object) = serde_json::from_value::<K>(answer) {
                    cache.learn(object, world);
                }
                Ok(())
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                // A quota or a namespace that is going is a conflict too, and looking does not help.
                if status.code == 409 && !matches!(status.reason.as_str(), "AlreadyExists" | "Conflict") {
                    return Err(Failed::Other(status.message.clone()));
                }
                let gone = self.look(cache, world, key).await?.is_none();
                match act {
                    Act::Delete { .. } if gone => Ok(()),
                    _ => Err(Failed::Stale(effect.to_string())),
                }
            }
            // What is in a namespace that goes, goes with it.
            Err(kube::Error::Api(status)) if is_ending(&status) => Err(Failed::Stale(effect.to_string())),
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => {
                Err(Failed::Invalid(status.message.clone()))
            }
            Err(error) => Err(other(error)),
        }
    }

    async fn send<T: DeserializeOwned>(&self, request: http::Request<Vec<u8>>) -> Result<T, kube::Error> {
        let late = |_| kube::Error::Service(Box::from("the API server has not answered in time"));
        timeout(limits::CALL_TIME, self.client.request::<T>(request)).await.map_err(late)?
    }
}

/// Whether the API server takes nothing new because the namespace is being deleted.
fn is_ending(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403 && causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

fn other(error: impl std::fmt::Display) -> Failed {
    Failed::Other(error.to_string())
}
