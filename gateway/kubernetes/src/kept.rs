//! Certificates with their keys, kept in Secrets that several of us share: whoever comes first makes them.

use std::collections::BTreeMap;

use exeat_tls::{AuthorityError, Pair};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};

/// The Secret of this name, or the one that is made now, unless somebody else is faster: then theirs counts.
///
/// # Errors
/// [`KeptError`] where it can be neither read nor made.
pub async fn kept_secret(
    client: &Client, namespace: &str, name: &str, make: impl FnOnce() -> Result<Secret, AuthorityError>,
) -> Result<Secret, KeptError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    if let Some(secret) = secrets.get_opt(name).await? {
        return Ok(secret);
    }
    match secrets.create(&PostParams::default(), &make()?).await {
        Ok(secret) => Ok(secret),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(secrets.get(name).await?),
        Err(error) => Err(error.into()),
    }
}

/// A Secret with certificates and their keys, each under two names.
pub fn secret_of(name: &str, pairs: &[(&str, &str, &Pair)]) -> Secret {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let data = pairs.iter().flat_map(|(certificate, key, pair)| {
        let certificate = ((*certificate).to_owned(), bytes(pair.certificate_pem()));
        [certificate, ((*key).to_owned(), bytes(pair.expose_key_pem()))]
    });
    Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        data: Some(data.collect::<BTreeMap<_, _>>()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// The certificate and the key under these names.
pub fn pair_in(secret: &Secret, certificate: &str, key: &str) -> Option<Pair> {
    let data = secret.data.as_ref()?;
    let text = |name: &str| String::from_utf8(data.get(name)?.0.clone()).ok();
    Some(Pair::new(text(certificate)?, text(key)?))
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The API server does not let it be read or made.
    #[error("a certificate cannot be read or made in the cluster: {0}")]
    Kubernetes(#[from] kube::Error),
    /// Something is missing in the Secret.
    #[error(
        "the Secret `{0}` does not hold certificates with their keys; remove it, and the next start makes new ones"
    )]
    Incomplete(&'static str),
    /// What is there cannot be used.
    #[error(transparent)]
    Certificate(#[from] AuthorityError),
}
