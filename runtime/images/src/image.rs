//! What is kept of an image beside its layers.

use std::collections::BTreeMap;

use exeat_digest::Digest;
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::LayerId;
use crate::reference::Reference;

/// An image whose layers are all in the store.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// What it was asked for as.
    pub reference: Reference,
    /// Of the manifest that fits this machine; a `docker save` archive has none, so there it is the configuration's.
    pub digest: Digest,
    /// What to stack, from the lowest to the highest. Layers that a higher one hides completely are left out.
    pub layers: Vec<LayerId>,
    /// How its makers want it to be run.
    pub config: ImageConfig,
}

/// How an image's makers want it to be run (OCI image specification, config.md, "config").
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    /// `NAME=value`.
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// The beginning of the command line.
    #[serde(deserialize_with = "or_default")]
    pub entrypoint: Vec<String>,
    /// The rest of it, unless the user names another.
    #[serde(deserialize_with = "or_default")]
    pub cmd: Vec<String>,
    /// Where it runs.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    /// As whom: `user`, `uid`, `user:group`, `uid:gid`.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// `port`, `port/tcp` or `port/udp`.
    #[serde(deserialize_with = "or_default")]
    pub exposed_ports: BTreeMap<String, Empty>,
}

/// The value of what is only named.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Empty {}

/// Go writes `null` for an empty list.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
