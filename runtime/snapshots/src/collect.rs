//! Removing what no snapshot needs: mark and sweep. Nothing counts references, so nothing counts them wrong.

use std::collections::{BTreeMap, HashSet};

use exeat_digest::Digest;
use futures_util::{StreamExt, TryStreamExt};

use crate::backend::Object;
use crate::claim::Claim;
use crate::error::{Damage, Error, Fault};
use crate::limits;
use crate::store::Namespace;

/// What collecting gave back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Collected {
    /// Manifests that are gone.
    pub manifests: u64,
    /// Chunks that are gone.
    pub chunks: u64,
    /// What all of them took, in bytes.
    pub bytes: u64,
}

impl Namespace {
    /// Removes the manifests and chunks that no snapshot needs, and what killed processes have left.
    ///
    /// # Errors
    /// [`Error::Busy`] while a snapshot of this namespace is taken or restored: try again later. [`Error::Damaged`] or
    /// [`Error::Uncollectable`] where a record or a manifest is damaged: delete that snapshot.
    pub async fn collect(&self) -> Result<Collected, Error> {
        let claim = self.claim_collect().await?;
        let collected = self.collect_claimed(&claim).await;
        claim.release().await;
        collected
    }

    async fn collect_claimed(&self, claim: &Claim) -> Result<Collected, Error> {
        let (manifests, chunks) = self.needed().await?;
        let mut collected = Collected::default();
        // A manifest goes before its chunks: one without all of them would look damaged.
        let (count, bytes) = self.sweep(&self.manifests(), &manifests, claim).await?;
        collected.manifests = count;
        collected.bytes = bytes;
        for first in 0..=u8::MAX {
            let (count, bytes) = self.sweep(&self.chunks(first), &chunks, claim).await?;
            collected.chunks += count;
            collected.bytes += bytes;
        }
        self.sweep_claims(claim).await?;
        self.backend.sweep().await?;
        Ok(collected)
    }

    /// The manifests and chunks that snapshots need.
    async fn needed(&self) -> Result<(HashSet<Digest>, HashSet<Digest>), Error> {
        let snapshots = self.list(None).await?.into_iter().map(|snapshot| (snapshot.digest, snapshot.name));
        let manifests: BTreeMap<_, _> = snapshots.collect();
        let mut chunks = HashSet::new();
        for (digest, name) in &manifests {
            let manifest = self.open_manifest(*digest).await.map_err(|error| match error {
                Error::Damaged { first, .. } => Error::Uncollectable { name: name.clone(), first },
                Error::NoContent { .. } => {
                    let first = Damage::of(self.manifest(digest), Fault::Gone);
                    Error::Uncollectable { name: name.clone(), first }
                }
                error => error,
            })?;
            chunks.extend(manifest.chunks.iter().map(|chunk| chunk.digest));
        }
        Ok((manifests.into_keys().collect(), chunks))
    }

    /// Removes what is in a folder and not needed, and says how many objects and bytes that were.
    async fn sweep(&self, folder: &str, needed: &HashSet<Digest>, claim: &Claim) -> Result<(u64, u64), Error> {
        let objects = self.backend.list(folder).await?;
        // What has another name is not ours.
        let unneeded = |object: &Object| Digest::from_hex(&object.name).is_some_and(|digest| !needed.contains(&digest));
        let removed = objects.into_iter().filter(unneeded).map(|object| self.remove(folder, object, claim));
        let removed = futures_util::stream::iter(removed).buffer_unordered(limits::TRANSFERS);
        removed.try_fold((0, 0), async |(count, sum), bytes| Ok((count + 1, sum + bytes))).await
    }

    async fn remove(&self, folder: &str, object: Object, claim: &Claim) -> Result<u64, Error> {
        claim.check()?;
        let key = format!("{folder}/{}", object.name);
        let removed = tokio::time::timeout(limits::CLAIM_MARGIN, self.backend.delete(&key)).await;
        removed.map_err(|_| Error::Overdue)??;
        Ok(object.size)
    }
}

#[cfg(test)]
mod tests;
