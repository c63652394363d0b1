//! From a registry into the store.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::digest::{LayerId, Promise};
use crate::document::{Plan, PlannedLayer, Resolving, Step, hold};
use crate::error::{Doing, Error};
use crate::image::Image;
use crate::limits;
use crate::reference::Reference;
use crate::registry::{Client, Registries};
use crate::store::Store;

/// How far a layer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Which layer.
    pub layer: LayerId,
    /// Fetched so far, in bytes. It begins again where a try failed.
    pub done: u64,
    /// As it is stored, in bytes.
    pub total: u64,
}

/// Is told of every piece that arrives, from several tasks at once; it must not block. Layers that are here already
/// are reported once, as done.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// A file that goes when nobody needs it any more, also when a pull is given up.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Store {
    /// Fetches an image for this machine and what it lacks of its layers, and keeps it as `reference`. Bytes are checked
    /// against their digests before anything reads them. A layer that another process fetches is waited for.
    ///
    /// # Errors
    /// [`Error::Registry`] where it does not answer as it should, [`Error::Credentials`], [`Error::Platform`],
    /// [`Error::Document`], [`Error::Blob`], [`Error::Unpack`] and [`Error::DiffId`] where the image is refused. Layers
    /// that were complete before stay until they are collected; of the others nothing is kept.
    pub async fn pull(
        &self, reference: &Reference, registries: &Registries, progress: OnProgress,
    ) -> Result<Image, Error> {
        let _adding = self.blocking(Self::adding).await?;
        let client = registries.client(reference)?;
        let plan = resolve(&client, reference).await?;
        let mut seen = HashSet::new();
        let distinct: Vec<_> = plan.layers.iter().copied().filter(|layer| seen.insert(layer.id)).collect();
        stream::iter(distinct)
            .map(|layer| self.fetch(&client, reference.name(), layer, &progress))
            .buffer_unordered(limits::DOWNLOADS)
            .try_collect::<()>()
            .await?;
        let layers = plan.layers.iter().map(|layer| layer.id).collect();
        let image = Image { reference: reference.clone(), digest: plan.digest, layers, config: plan.config };
        self.blocking(|store| store.record(image)).await
    }

    async fn fetch(
        &self, client: &Client, name: &str, layer: PlannedLayer, progress: &OnProgress,
    ) -> Result<(), Error> {
        let PlannedLayer { blob, id } = layer;
        let report = |done| progress(Progress { layer: id, done, total: blob.size });
        let Some(claim) = self.blocking(move |store| store.claim(&id)).await? else {
            report(blob.size);
            return Ok(());
        };
        // Dropped before the lock, which others wait for.
        let scratch = Scratch(self.work(&id.hex(), ".blob"));
        client.blob(name, blob, &scratch.0, &report).await?;
        self.blocking(move |store| {
            // Moved in, so that they live as long as the work does, even if nobody waits for it any more.
            let (claim, scratch) = (claim, scratch);
            let file = std::fs::File::open(&scratch.0).doing("open", &scratch.0)?;
            store.install(&claim, &id, Some(blob), file)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self, work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(|error| Error::Interrupted(error.to_string()))?
    }
}

/// Follows a name to an image.
async fn resolve(client: &Client, reference: &Reference) -> Result<Plan, Error> {
    let name = reference.name();
    let first = client.manifest(name, &reference.wanted()).await?;
    if let Some(digest) = reference.digest() {
        hold(&first, Promise { digest, size: first.len() as u64 })?;
    }
    let mut step = Resolving::first().feed(&first)?;
    loop {
        match step {
            Step::Done(plan) => return Ok(plan),
            Step::Fetch(promise, next) => {
                let bytes = fetched(client, name, promise, &next).await?;
                step = next.feed(&bytes)?;
            }
        }
    }
}

async fn fetched(client: &Client, name: &str, promise: Promise, next: &Resolving) -> Result<Vec<u8>, Error> {
    if next.is_document() {
        return client.manifest(name, &promise.digest.to_string()).await;
    }
    client.document(name, promise).await
}
