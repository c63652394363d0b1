//! Images from a registry (OCI distribution specification 1.1, "Pull").
//!
//! ```text
//!   client ──▶ GET manifest, blob ──▶ 401? ──▶ challenge ──▶ credentials, token ──▶ again
//!      │ a bound on everything, tries on what may pass
//! ```
//!
//! `oci-client` was looked at and not taken: it reads manifests and tokens of any length, makes no second try, and
//! brings a second base64, a regex engine and a calendar along.

mod challenge;
mod client;
mod credentials;

use std::collections::HashMap;
use std::path::PathBuf;

pub(crate) use client::Client;

use crate::error::Error;
use crate::reference::Reference;

/// How registries are reached.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// Those that are not simply at `https://` and their name.
    pub endpoints: HashMap<String, Endpoint>,
    /// Where Docker's `config.json` with credentials is, instead of `$DOCKER_CONFIG` or `~/.docker`.
    pub docker_config: Option<PathBuf>,
}

/// How one registry is reached.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// The host, perhaps with a port, that is asked instead of the one in the name.
    pub address: Option<String>,
    /// The key of its credentials in Docker's `config.json`, where that is not its name.
    pub credentials: Option<String>,
    /// Roots that count beside the system's, as PEM.
    pub ca: Option<Vec<u8>>,
    /// Speak plain HTTP with it: whoever is on the way sees the credentials, and layers as far as they are not named by
    /// digest are whatever they say. Loopback addresses are asked so without it.
    pub insecure_plain_http: bool,
}

impl Registries {
    /// A connection to the registry of an image.
    pub(crate) fn client(&self, reference: &Reference) -> Result<Client, Error> {
        let endpoint = self.endpoints.get(reference.registry()).cloned().unwrap_or_default();
        let name = reference.registry();
        let host = endpoint.address.as_deref().unwrap_or(name);
        let key = endpoint.credentials.as_deref().unwrap_or(name);
        let credentials = credentials::Store { folder: self.docker_config.clone(), key: key.to_owned() };
        Client::new(host, endpoint.insecure_plain_http, endpoint.ca.as_deref(), credentials)
    }
}
