//! The certificate authority that all gateways of a cluster share: in a Secret that only they read, and its certificate in a
//! ConfigMap for everybody.

use std::collections::BTreeMap;

use exeat_tls::Authority;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};

use crate::kept::{KeptError, kept_secret, pair_in, secret_of};

/// The Secret with the authority's certificate and key.
pub const CA_SECRET: &str = "exeat-gateway-ca";
/// The ConfigMap with the certificate alone.
pub const CA_CONFIG_MAP: &str = "exeat-ca";
/// The certificate in both.
pub const CA_KEY: &str = "ca.crt";
/// The key in the Secret.
const PRIVATE_KEY: &str = "ca.key";
const MANAGER: &str = "exeat-gateway";

/// Opens the authority that is kept in this namespace. Whoever comes first makes it.
///
/// # Errors
/// [`KeptError`] where it can be neither read nor made, or what is there is none.
pub async fn shared_authority(client: &Client, namespace: &str) -> Result<Authority, KeptError> {
    let make = || Ok(secret_of(CA_SECRET, &[(CA_KEY, PRIVATE_KEY, &Authority::make("Exeat gateway")?)]));
    let secret = kept_secret(client, namespace, CA_SECRET, make).await?;
    let pair = pair_in(&secret, CA_KEY, PRIVATE_KEY).ok_or(KeptError::Incomplete(CA_SECRET))?;
    let authority = Authority::of(&pair)?;
    publish(client, namespace, authority.certificate_pem()).await?;
    Ok(authority)
}

async fn publish(client: &Client, namespace: &str, certificate: &str) -> Result<(), kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = ConfigMap {
        metadata: ObjectMeta { name: Some(CA_CONFIG_MAP.to_owned()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([(CA_KEY.to_owned(), certificate.to_owned())])),
        ..ConfigMap::default()
    };
    maps.patch(CA_CONFIG_MAP, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&map)).await.map(drop)
}
