//! Root file systems from images: pulled from a registry, or taken from this machine's files.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use exeat_images::{Defaults, Image, LayerId, Reference, Registries};
use exeat_lifecycle::Layer;

use crate::error::Error;
use crate::operations::hex;
use crate::supervisor::{Supervisor, blocking, random};

/// Where images come from.
#[derive(Clone, Debug, Default)]
pub struct ImageSources {
    /// What a name without a registry means.
    pub defaults: Defaults,
    /// How registries are reached.
    pub registries: Registries,
}

/// A folder in the OCI image layout.
const LAYOUT: &str = "oci:";
/// A file that `docker save` wrote.
const ARCHIVE: &str = "docker-archive:";

impl Supervisor {
    /// An image's layers, the topmost first, with a skeleton above them, and the variables that it sets. What is not on
    /// this machine is pulled.
    pub(crate) async fn image(&self, name: &str) -> Result<(Vec<Layer>, BTreeMap<String, String>), Error> {
        let image = self.fetch(name).await?;
        let skeleton = self.skeleton_of_images().await?;
        let layers = image.layers.iter().rev().map(|layer| Layer::Image(layer.hex()));
        let variables = image.config.env.iter().filter_map(|variable| variable.split_once('='));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok((std::iter::once(skeleton).chain(layers).collect(), variables.collect()))
    }

    async fn fetch(&self, name: &str) -> Result<Image, Error> {
        let store = self.0.images.clone();
        for (prefix, is_folder) in [(LAYOUT, true), (ARCHIVE, false)] {
            let Some(path) = name.strip_prefix(prefix) else { continue };
            let (path, reference) = (Path::new(path).to_owned(), imported(path)?);
            return blocking(move || {
                let imported = if is_folder {
                    store.import_layout(&path, &reference)
                } else {
                    store.import_archive(&path, &reference)
                };
                imported.map_err(refused)
            })
            .await;
        }
        let sources = &self.0.config.images;
        let reference = Reference::parse(name, &sources.defaults).map_err(refused)?;
        if let Ok(image) = store.get(&reference) {
            return Ok(image);
        }
        store.pull(&reference, &sources.registries, Arc::new(|_| ())).await.map_err(refused)
    }

    /// The layer above images.
    async fn skeleton_of_images(&self) -> Result<Layer, Error> {
        let mut skeleton = self.0.image_skeleton.lock().await;
        if let Some(layer) = skeleton.as_ref() {
            return Ok(layer.clone());
        }
        let layer = Layer::Own(format!("image-{}", hex(random()?)));
        self.lay(&layer, exeat_local::skeleton_of_image).await?;
        Ok(skeleton.insert(layer).clone())
    }

    /// Removes layers of images that neither an image nor a sandbox needs.
    pub(crate) async fn collect_images(&self, kept: &HashSet<Layer>) -> Result<(), Error> {
        let of_images = kept.iter().filter_map(|layer| match layer {
            Layer::Image(hex) => format!("sha256:{hex}").parse().ok().map(LayerId),
            Layer::Own(_) => None,
        });
        let (kept, store) = (of_images.collect::<HashSet<_>>(), self.0.images.clone());
        blocking(move || store.collect(&kept).map(|_| ()).map_err(refused)).await
    }
}

/// What an image from a file is kept as.
fn imported(path: &str) -> Result<Reference, Error> {
    let digest = crc32c::crc32c(path.as_bytes());
    Reference::parse(&format!("localhost/imported/{digest:08x}"), &Defaults::default()).map_err(refused)
}

fn refused(error: exeat_images::Error) -> Error {
    Error::Input(error.to_string())
}
