//! The store of snapshots, opened when it is first needed: a bucket that cannot be reached keeps nothing else from being done.

use std::sync::Arc;

use exeat_snapshots::{Collected, Config, Error, Limits, Namespace, Restored, Store};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use crate::limits;

/// The store, or what is known of it so far.
pub(crate) struct Storage {
    config: Config,
    store: OnceCell<Store>,
}

impl Storage {
    pub(crate) fn new(config: Config) -> Self {
        Storage { config, store: OnceCell::new() }
    }

    /// One namespace's snapshots.
    pub(crate) async fn namespace(&self, name: &str) -> Result<Namespace, Error> {
        self.store().await?.namespace(name)
    }

    /// What a snapshot holds, once all of it was checked.
    pub(crate) fn archive(
        self: Arc<Self>, namespace: Arc<str>, digest: String,
    ) -> BoxFuture<'static, Result<Restored, Error>> {
        async move { self.namespace(&namespace).await?.restore(&digest.parse()?).await }.boxed()
    }

    /// Removes what no snapshot needs any more, in all namespaces. What is in use is left for the next time.
    pub(crate) async fn collect(&self) -> Result<(), Error> {
        let store = self.store().await?;
        for name in store.namespaces().await? {
            let collected = store.namespace(&name)?.collect().await;
            tell(&name, &collected);
        }
        Ok(())
    }

    async fn store(&self) -> Result<&Store, Error> {
        let most = Limits { bytes: limits::WORKSPACE_BYTES, entries: limits::WORKSPACE_ENTRIES };
        self.store.get_or_try_init(|| Store::open(&self.config, most)).await
    }
}

fn tell(namespace: &str, collected: &Result<Collected, Error>) {
    match collected {
        Ok(collected) => tracing::info!(?collected, namespace, "the store was collected"),
        Err(Error::Busy(why)) => tracing::debug!(why, namespace, "the store is in use"),
        Err(error) => tracing::warn!(%error, namespace, "the store could not be collected"),
    }
}
