//! The webhooks' certificate: made by whichever replica comes first, kept in a Secret, renewed long before it expires, and its root
//! written to where API servers look for it.

use std::sync::Arc;
use std::time::Duration;

use exeat_core::Host;
use exeat_kubernetes::{KeptError, kept_secret, pair_in, secret_of};
use exeat_tls::{Authority, AuthorityError, Pair, Serving};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::json;

/// The Secret in which it is kept, in our own namespace.
pub const SECRET: &str = "exeat-webhook-tls";
const ROOT: (&str, &str) = ("ca.crt", "ca.key");
const LEAF: (&str, &str) = ("tls.crt", "tls.key");
/// For how long a certificate counts, and how long before its end another is made.
const DAYS: i64 = 90;
const RENEWED: i64 = 30 * 24 * 60 * 60;
/// How often it is looked at: what another replica renewed is served with within this time.
const LOOK: Duration = Duration::from_secs(3600);

/// The certificate of a Service's webhooks.
pub struct Certificate {
    secrets: Api<Secret>,
    host: Host,
    root: String,
    serving: Arc<Serving>,
}

impl Certificate {
    /// Opens the certificate of `service`, or makes one.
    ///
    /// # Errors
    /// [`KeptError`] where it can be neither read nor made.
    pub async fn open(client: &Client, namespace: &str, service: &str) -> Result<Self, KeptError> {
        let named = format!("{service}.{namespace}.svc").parse();
        let host: Host = named.map_err(|_| AuthorityError::Unusable(format!("`{service}` names no Service")))?;
        let secret = kept_secret(client, namespace, SECRET, || make(&host)).await?;
        let root = pair_in(&secret, ROOT.0, ROOT.1).ok_or(KeptError::Incomplete(SECRET))?;
        let leaf = pair_in(&secret, LEAF.0, LEAF.1).ok_or(KeptError::Incomplete(SECRET))?;
        let certificate = Certificate {
            secrets: Api::namespaced(client.clone(), namespace),
            host,
            root: root.certificate_pem().to_owned(),
            serving: Arc::new(Serving::new(&leaf)?),
        };
        certificate.look().await?;
        Ok(certificate)
    }

    /// What ends TLS with it, now and after it has been renewed.
    pub fn serving(&self) -> Arc<Serving> {
        Arc::clone(&self.serving)
    }

    /// The certificate that API servers are to trust, as PEM.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Renews it in time, for as long as it is polled.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "the webhooks' certificate could not be looked at");
            }
        }
    }

    /// Serves with what is kept, after it has been renewed where that is due.
    async fn look(&self) -> Result<(), KeptError> {
        let mut secret = self.secrets.get(SECRET).await?;
        let mut leaf = pair_in(&secret, LEAF.0, LEAF.1).ok_or(KeptError::Incomplete(SECRET))?;
        if leaf.expires()? - Timestamp::now().as_second() < RENEWED {
            let root = pair_in(&secret, ROOT.0, ROOT.1).ok_or(KeptError::Incomplete(SECRET))?;
            let fresh = Authority::of(&root)?.make_for(&self.host, DAYS)?;
            secret.data = secret_of(SECRET, &[(ROOT.0, ROOT.1, &root), (LEAF.0, LEAF.1, &fresh)]).data;
            // With the version that was read: of two replicas one renews, and the other takes it the next time.
            match self.secrets.replace(SECRET, &PostParams::default(), &secret).await {
                Ok(_) => leaf = fresh,
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.serving.replace(&leaf)?;
        Ok(())
    }
}

fn make(host: &Host) -> Result<Secret, AuthorityError> {
    let root: Pair = Authority::make("Exeat webhooks")?;
    let leaf = Authority::of(&root)?.make_for(host, DAYS)?;
    Ok(secret_of(SECRET, &[(ROOT.0, ROOT.1, &root), (LEAF.0, LEAF.1, &leaf)]))
}

/// Writes the root into the definitions whose objects are converted, and into every webhook of the configurations of this name, those
/// that validate and those that mutate. What has it already is not written, and what is not there is passed over.
///
/// # Errors
/// [`kube::Error`] of the first that could not be written. The others have been, where they could be.
pub async fn publish_root(
    client: &Client, root: &str, definitions: &[String], configuration: &str,
) -> Result<(), kube::Error> {
    let bundle = ByteString(root.as_bytes().to_vec());
    let mut written = to_validating(client, configuration, &bundle).await;
    written = written.and(to_mutating(client, configuration, &bundle).await);
    for name in definitions {
        written = written.and(to_definition(client, name, &bundle).await);
    }
    written
}

async fn to_definition(client: &Client, name: &str, bundle: &ByteString) -> Result<(), kube::Error> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let Some(found) = definitions.get_opt(name).await? else { return Ok(()) };
    let webhook = found.spec.conversion.and_then(|conversion| conversion.webhook);
    let config = webhook.and_then(|webhook| webhook.client_config);
    if config.is_none_or(|config| config.ca_bundle.as_ref() == Some(bundle)) {
        return Ok(());
    }
    let patch = json!({ "spec": { "conversion": { "webhook": { "clientConfig": { "caBundle": bundle } } } } });
    definitions.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.map(drop)
}

async fn to_validating(client: &Client, name: &str, bundle: &ByteString) -> Result<(), kube::Error> {
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let Some(found) = configurations.get_opt(name).await? else { return Ok(()) };
    let webhooks = found.webhooks.iter().flatten().map(|webhook| (&webhook.name, &webhook.client_config));
    to_webhooks(&configurations, name, webhooks, bundle).await
}

async fn to_mutating(client: &Client, name: &str, bundle: &ByteString) -> Result<(), kube::Error> {
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let Some(found) = configurations.get_opt(name).await? else { return Ok(()) };
    let webhooks = found.webhooks.iter().flatten().map(|webhook| (&webhook.name, &webhook.client_config));
    to_webhooks(&configurations, name, webhooks, bundle).await
}

async fn to_webhooks<'a, K: Clone + std::fmt::Debug + DeserializeOwned>(
    api: &Api<K>, configuration: &str, webhooks: impl Iterator<Item = (&'a String, &'a WebhookClientConfig)>,
    bundle: &ByteString,
) -> Result<(), kube::Error> {
    let lacking = webhooks.filter(|(_, config)| config.ca_bundle.as_ref() != Some(bundle));
    let named: Vec<_> =
        lacking.map(|(name, _)| json!({ "name": name, "clientConfig": { "caBundle": bundle } })).collect();
    if named.is_empty() {
        return Ok(());
    }
    // Strategic: webhooks are told apart by their names, and the others stay.
    let patch = json!({ "webhooks": named });
    api.patch(configuration, &PatchParams::default(), &Patch::Strategic(&patch)).await.map(drop)
}
