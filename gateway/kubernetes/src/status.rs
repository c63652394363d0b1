//! Telling people, by the status of their objects, what became of them.
//!
//! Every gateway does so, and says the same: what is there already is not written again. A gateway writes when its own opinion
//! changes, never because somebody else wrote, so that two of different opinions, while a folder of policies is being rolled out,
//! do not answer each other for ever.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exeat_api::{
    Condition, ConditionType, Credential, CredentialStatus, EgressPolicy, EgressPolicyStatus, Reason, Time,
};
use exeat_core::limits;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Notify;

use crate::credentials::{Holding, NoSecret};
use crate::facts::Key;
use crate::policies::Verdict;

/// Who says it.
const MANAGER: &str = "exeat-gateway";
/// The kinds that are spoken of.
pub(crate) const POLICY: &str = "EgressPolicy";
pub(crate) const CREDENTIAL: &str = "Credential";
/// The longest message of a condition, in bytes; an API server refuses longer ones at 32 KiB.
const MESSAGE_BYTES: usize = 4 * 1024;
/// How long to wait after something could not be written.
const RETRY: Duration = Duration::from_secs(5);

/// One thing to say about one object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Policy(Verdict),
    Credential { key: Key, uid: String, generation: i64, ready: Result<(), (Reason, String)> },
}

/// Of which object: the kind and its name.
type About = (&'static str, Key);

/// What is still to be said, and what was said last.
pub(crate) struct Statuses {
    client: Client,
    queue: Mutex<Queue>,
    more: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: HashMap<About, Said>,
    said: HashMap<About, Said>,
}

impl Statuses {
    pub(crate) fn new(client: Client) -> Arc<Self> {
        Arc::new(Statuses { client, queue: Mutex::default(), more: Notify::new() })
    }

    /// Says something, unless it was said last. What waits to be said about the same object is forgotten.
    pub(crate) fn say(&self, said: Said) {
        let about = said.about();
        let mut queue = self.lock();
        if queue.said.get(&about) == Some(&said) {
            queue.waiting.remove(&about);
            return;
        }
        queue.waiting.insert(about, said);
        self.more.notify_one();
    }

    /// Forgets what was said about objects of a namespace that are not there any more.
    pub(crate) fn keep_only(&self, kind: &str, namespace: &str, there: &BTreeSet<&Key>) {
        let stays = |about: &About| about.0 != kind || about.1.namespace != namespace || there.contains(&about.1);
        self.lock().said.retain(|about, _| stays(about));
    }

    /// Whether a credential could not be had when it was last spoken of.
    pub(crate) fn is_missing(&self, credential: &Key) -> bool {
        let said = self.lock().said.get(&(CREDENTIAL, credential.clone())).cloned();
        matches!(said, Some(Said::Credential { ready: Err(_), .. }))
    }

    /// Writes what is said for as long as it is polled.
    pub(crate) async fn write(&self) {
        loop {
            let next = {
                let mut queue = self.lock();
                let about = queue.waiting.keys().next().cloned();
                about.and_then(|about| queue.waiting.remove_entry(&about))
            };
            let Some((about, said)) = next else {
                self.more.notified().await;
                continue;
            };
            match self.write_one(&said).await {
                Ok(()) => drop(self.lock().said.insert(about, said)),
                Err(error) => {
                    tracing::warn!(kind = about.0, object = %about.1, %error, "a status could not be written");
                    self.lock().waiting.entry(about).or_insert(said);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn write_one(&self, said: &Said) -> Result<(), String> {
        let written = async {
            match said {
                Said::Policy(verdict) => {
                    let about = (&verdict.key, verdict.uid.as_str(), verdict.generation);
                    let status = |object: &EgressPolicy| policy_status(object, verdict);
                    self.apply(about, status, |object| object.status.clone().unwrap_or_default()).await
                }
                Said::Credential { key, uid, generation, ready } => {
                    let status = |object: &Credential| credential_status(object, *generation, ready);
                    let about = (key, uid.as_str(), *generation);
                    self.apply(about, status, |object| object.status.clone().unwrap_or_default()).await
                }
            }
        };
        let slow = |_| Err("the Kubernetes API does not answer".to_owned());
        tokio::time::timeout(limits::API_SERVER_TIME, written).await.unwrap_or_else(slow)
    }

    /// Writes a status, if the object is still the one that it is about and has another.
    async fn apply<K, S>(
        &self, about: (&Key, &str, i64), status: impl Fn(&K) -> S, before: impl Fn(&K) -> S,
    ) -> Result<(), String>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
        S: PartialEq + Serialize,
    {
        let (key, uid, generation) = about;
        let api: Api<K> = Api::namespaced(self.client.clone(), &key.namespace);
        let Some(object) = api.get_opt(&key.name).await.map_err(|error| error.to_string())? else { return Ok(()) };
        // Another one, or one that has changed since: what is to be said of that comes by itself.
        if object.uid().as_deref() != Some(uid) || object.meta().generation != Some(generation) {
            return Ok(());
        }
        let status = status(&object);
        if status == before(&object) {
            return Ok(());
        }
        let applied = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": { "name": key.name, "uid": uid }, "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        let patched = api.patch_status(&key.name, &params, &Patch::Apply(&applied)).await;
        patched.map(drop).map_err(|error| error.to_string())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    fn about(&self) -> About {
        match self {
            Said::Policy(verdict) => (POLICY, verdict.key.clone()),
            Said::Credential { key, .. } => (CREDENTIAL, key.clone()),
        }
    }
}

fn policy_status(object: &EgressPolicy, verdict: &Verdict) -> EgressPolicyStatus {
    let before = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let (reason, message) = match &verdict.accepted {
        Ok(_) => (Reason::Valid, "its policies are in force".to_owned()),
        Err(why) => (Reason::Invalid, exeat_journal::bounded(why, MESSAGE_BYTES)),
    };
    EgressPolicyStatus {
        conditions: vec![condition(
            ConditionType::Accepted,
            verdict.accepted.is_ok(),
            (reason, &message),
            verdict.generation,
            before,
        )],
        policy_version: verdict.accepted.as_ref().ok().cloned(),
        policies: verdict.policies.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
        observed_generation: Some(verdict.generation),
    }
}

fn credential_status(object: &Credential, generation: i64, ready: &Result<(), (Reason, String)>) -> CredentialStatus {
    let before = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let (reason, message) = match ready {
        Ok(()) => (Reason::Available, "the secret is there"),
        Err((reason, message)) => (*reason, message.as_str()),
    };
    let condition = condition(ConditionType::Ready, ready.is_ok(), (reason, message), generation, before);
    CredentialStatus { conditions: vec![condition], observed_generation: Some(generation) }
}

fn condition(of: ConditionType, holds: bool, why: (Reason, &str), generation: i64, before: &[Condition]) -> Condition {
    let now = Time::of(Timestamp::now());
    let mut condition = Condition::new(of, holds, why.0, why.1, now).since(before);
    condition.observed_generation = Some(generation);
    condition
}

/// Whether a credential can be put into a request now: the object is right, and its secret is there.
pub(crate) async fn look_at(key: &Key, holding: &Holding) -> Said {
    let ready = match &holding.credential {
        Err(why) => Err((Reason::Invalid, why.clone())),
        Ok(_) => match tokio::time::timeout(limits::API_SERVER_TIME, holding.secret.fetch()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(why)) => Err((reason(&why), why.to_string())),
            Err(_) => Err((Reason::DependenciesNotReady, "the Kubernetes API does not answer".to_owned())),
        },
    };
    let facts = &holding.facts;
    Said::Credential { key: key.clone(), uid: facts.uid.clone(), generation: facts.generation, ready }
}

fn reason(why: &NoSecret) -> Reason {
    match why {
        NoSecret::NotFound(..) => Reason::SecretNotFound,
        NoSecret::NotReadable(..) => Reason::SecretNotReadable,
        NoSecret::NoKey(..) => Reason::KeyNotFound,
        NoSecret::Unavailable(..) => Reason::DependenciesNotReady,
    }
}
