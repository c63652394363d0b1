//! From `Credential` objects to what is put into requests, and the Secrets that they are kept in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use exeat_api::{CredentialSpec, Inject, ResourceExt, SecretRef};
use exeat_core::limits;
use exeat_credentials::{Config, Credential, Credentials, Keeper, Kept, Secret, SourceConfig};
use k8s_openapi::api::core::v1 as core;
use kube::{Api, Client};

use crate::facts::Key;

/// A `Credential`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CredentialFacts {
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) spec: CredentialSpec,
}

impl CredentialFacts {
    pub(crate) fn of(credential: exeat_api::Credential) -> Self {
        let uid = credential.uid().unwrap_or_default();
        CredentialFacts { uid, generation: credential.metadata.generation.unwrap_or_default(), spec: credential.spec }
    }
}

/// One credential as it was read, and where its secret is.
#[derive(Clone)]
pub(crate) struct Holding {
    pub(crate) facts: CredentialFacts,
    pub(crate) secret: Arc<SecretKey>,
    /// What is wrong with the object itself, where something is.
    pub(crate) credential: Result<Arc<Credential>, String>,
}

/// The credentials of a namespace.
#[derive(Clone, Default)]
pub(crate) struct Holdings {
    /// In the order of their names, in which they are tried.
    pub(crate) all: BTreeMap<Key, Holding>,
    /// By the profiles that some name; none for all others.
    by_profile: HashMap<Option<String>, Arc<Credentials>>,
}

impl Holdings {
    /// Reads the objects of a namespace. What has not changed keeps the secret that was fetched for it.
    pub(crate) fn read(client: &Client, objects: BTreeMap<Key, CredentialFacts>, before: &Holdings) -> Self {
        let read = |(key, facts): (Key, CredentialFacts)| {
            let same = before.all.get(&key).filter(|before| before.facts == facts).cloned();
            let holding = same.unwrap_or_else(|| Holding::read(client, &key, facts));
            (key, holding)
        };
        let all: BTreeMap<Key, Holding> = objects.into_iter().take(limits::TENANT_CREDENTIALS).map(read).collect();
        let named: BTreeSet<Option<String>> =
            all.values().flat_map(|holding| holding.facts.spec.profiles.iter().cloned().map(Some)).collect();
        let by_profile = named.into_iter().chain([None]).map(|profile| {
            let of_it = all.values().filter(|holding| holding.is_for(profile.as_deref()));
            let usable = of_it.filter_map(|holding| holding.credential.as_ref().ok().cloned());
            let credentials = Arc::new(Credentials::of(usable.collect()));
            (profile, credentials)
        });
        Holdings { by_profile: by_profile.collect(), all }
    }

    /// What a profile may be given.
    pub(crate) fn of(&self, profile: &str) -> Arc<Credentials> {
        let found = self.by_profile.get(&Some(profile.to_owned())).or_else(|| self.by_profile.get(&None));
        found.cloned().unwrap_or_else(|| Arc::new(Credentials::of(Vec::new())))
    }
}

impl Holding {
    fn read(client: &Client, key: &Key, facts: CredentialFacts) -> Self {
        let secret = Arc::new(SecretKey::new(client, &key.namespace, facts.spec.secret_ref.clone()));
        let config = config(&key.name, &facts.spec, Kept(Arc::clone(&secret) as Arc<dyn Keeper>));
        let credential = Credential::new(config).map(Arc::new).map_err(|error| error.to_string());
        Holding { facts, secret, credential }
    }

    fn is_for(&self, profile: Option<&str>) -> bool {
        let profiles = &self.facts.spec.profiles;
        profiles.is_empty() || profile.is_some_and(|profile| profiles.iter().any(|named| named == profile))
    }
}

/// What an object says, as the gateway's own configuration has it.
fn config(name: &str, spec: &CredentialSpec, kept: Kept) -> Config {
    use exeat_credentials::Inject as Put;
    Config {
        name: name.to_owned(),
        source: SourceConfig::Kept(kept),
        inject: match &spec.inject {
            Inject::Bearer {} => Put::Bearer,
            Inject::Basic { username } => Put::Basic { username: username.clone() },
            Inject::Header { name, prefix } => Put::Header { name: name.clone(), prefix: prefix.clone() },
        },
        hosts: spec.hosts.clone(),
        actions: spec.actions.clone(),
        any_action: true,
        placeholder: spec.placeholder_variables.clone(),
    }
}

/// Whether a `Credential` means something, without its secret: for those who ask before it is stored.
///
/// # Errors
/// What is wrong with it, by the key.
pub fn check_credential(name: &str, spec: &CredentialSpec) -> Result<(), String> {
    /// Nobody asks it.
    struct NoSecret;
    impl Keeper for NoSecret {
        fn read(&self) -> Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + '_>> {
            Box::pin(std::future::ready(Err("there is none here".to_owned())))
        }
    }
    let config = config(name, spec, Kept(Arc::new(NoSecret)));
    Credential::new(config).map(drop).map_err(|error| error.to_string())
}

/// One key of one Secret, fetched by asking for exactly that Secret.
pub(crate) struct SecretKey {
    api: Api<core::Secret>,
    namespace: String,
    at: SecretRef,
}

/// Why there is no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSecret {
    #[error("there is no Secret `{0}` in namespace `{1}`")]
    NotFound(String, String),
    #[error(
        "the gateway may not read the Secret `{0}` in namespace `{1}`: name it in `gateway.secrets` of the chart, or let the \
         gateway's service account `get` it by a Role"
    )]
    NotReadable(String, String),
    #[error("the Secret `{0}` in namespace `{1}` has no key `{2}`, or an empty one")]
    NoKey(String, String, String),
    #[error("the Secret `{0}` in namespace `{1}` cannot be had: {2}")]
    Unavailable(String, String, String),
}

impl SecretKey {
    fn new(client: &Client, namespace: &str, at: SecretRef) -> Self {
        SecretKey { api: Api::namespaced(client.clone(), namespace), namespace: namespace.to_owned(), at }
    }

    /// The secret as it is now.
    pub(crate) async fn fetch(&self) -> Result<Secret, NoSecret> {
        let (name, namespace) = (self.at.name.clone(), self.namespace.clone());
        let found = match self.api.get(&name).await {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if status.code == 404 => return Err(NoSecret::NotFound(name, namespace)),
            Err(kube::Error::Api(status)) if status.code == 403 => return Err(NoSecret::NotReadable(name, namespace)),
            Err(kube::Error::Api(status)) => return Err(NoSecret::Unavailable(name, namespace, status.reason.clone())),
            // What else a client's error says may hold bytes of an answer, and an answer holds the secret.
            Err(_) => {
                return Err(NoSecret::Unavailable(name, namespace, "the Kubernetes API does not answer".to_owned()));
            }
        };
        // Every value goes through a type that wipes it, the others of the same Secret too.
        let mut values = found.data.unwrap_or_default().into_iter().map(|(key, value)| (key, Secret::new(value.0)));
        let wanted = values.by_ref().filter(|(key, _)| *key == self.at.key).map(|(_, secret)| secret);
        let secret = wanted.collect::<Vec<_>>().pop().filter(|secret| !secret.expose().is_empty());
        secret.ok_or_else(|| NoSecret::NoKey(name, namespace, self.at.key.clone()))
    }
}

impl Keeper for SecretKey {
    fn read(&self) -> Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + '_>> {
        Box::pin(async move { self.fetch().await.map_err(|error| error.to_string()) })
    }
}
