//! Checking what is stored.

use std::collections::HashMap;

use bytes::Bytes;
use exeat_digest::Digest;
use futures_util::{StreamExt, TryStreamExt};

use crate::claim::Claim;
use crate::error::{Damage, Error};
use crate::limits;
use crate::manifest::{Chunk, Kind, Manifest};
use crate::store::Namespace;

/// What a check found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verified {
    /// Chunks that were read.
    pub chunks: u64,
    /// Their contents, in bytes.
    pub bytes: u64,
    /// The first damaged objects, in the order of their use.
    pub damage: Vec<Damage>,
    /// How many more are damaged.
    pub others: u64,
}

/// Chunks as they are stored, by their places: as many as may be held.
pub(crate) type Held = HashMap<u32, Bytes>;

impl Namespace {
    /// Reads everything that a snapshot needs and checks it. Damage is told in the answer.
    ///
    /// # Errors
    /// [`Error::NoContent`] where there is no such snapshot, [`Error::Storage`] or [`Error::Io`] where it cannot be
    /// read now.
    pub async fn verify(&self, digest: &Digest) -> Result<Verified, Error> {
        match self.open_manifest(*digest).await {
            Ok(manifest) => self.check(&manifest).await.map(|(verified, _)| verified),
            Err(Error::Damaged { first, .. }) => Ok(Verified { damage: vec![first], ..Verified::default() }),
            Err(error) => Err(error),
        }
    }

    /// Removes the objects that a check found damaged, if they still are, and says how many. Otherwise a later snapshot
    /// that has the same content would rely on them; now it writes them again.
    ///
    /// # Errors
    /// [`Error::Busy`] while a snapshot of this namespace is taken or restored.
    pub async fn clear(&self, verified: &Verified) -> Result<u64, Error> {
        let claim = self.claim_collect().await?;
        let cleared = self.clear_claimed(verified, &claim).await;
        claim.release().await;
        cleared
    }

    async fn clear_claimed(&self, verified: &Verified, claim: &Claim) -> Result<u64, Error> {
        let mut cleared = 0;
        for damage in &verified.damage {
            if self.is_damaged(&damage.object).await? {
                claim.check()?;
                self.backend.delete(&damage.object).await?;
                cleared += 1;
            }
        }
        Ok(cleared)
    }

    /// Reads all chunks of a manifest, and keeps some of them.
    pub(crate) async fn check(&self, manifest: &Manifest) -> Result<(Verified, Held), Error> {
        let chunks = manifest.chunks.iter().copied().zip(0_u32..).map(|(chunk, place)| self.check_chunk(chunk, place));
        let checked = futures_util::stream::iter(chunks).buffered(limits::TRANSFERS);
        let start = (Verified::default(), Vec::new(), Held::new(), 0);
        let fold = async |(mut verified, mut damaged, mut held, mut bytes): (Verified, Vec<_>, Held, usize), one| {
            let (place, chunk, outcome): (u32, Chunk, Result<Bytes, Damage>) = one;
            verified.chunks += 1;
            verified.bytes += u64::from(chunk.length);
            match outcome {
                Ok(stored) if bytes + stored.len() <= limits::HELD_BYTES => {
                    bytes += stored.len();
                    held.insert(place, stored);
                }
                Ok(_) => {}
                Err(damage) if damaged.len() < limits::DAMAGES => damaged.push((place, damage)),
                Err(_) => verified.others += 1,
            }
            Ok::<_, Error>((verified, damaged, held, bytes))
        };
        let (mut verified, damaged, held, _) = checked.try_fold(start, fold).await?;
        verified.damage = with_paths(manifest, damaged);
        Ok((verified, held))
    }

    async fn check_chunk(&self, chunk: Chunk, place: u32) -> Result<(u32, Chunk, Result<Bytes, Damage>), Error> {
        let checked = async {
            let stored = self.stored_chunk(&chunk.digest).await?;
            self.open_chunk(chunk, stored.clone()).await.map(|_| stored)
        };
        match checked.await {
            Ok(stored) => Ok((place, chunk, Ok(stored))),
            Err(Error::Damaged { first, .. }) => Ok((place, chunk, Err(first))),
            Err(error) => Err(error),
        }
    }
}

/// Puts to each damaged chunk the paths that need it.
fn with_paths(manifest: &Manifest, damaged: Vec<(u32, Damage)>) -> Vec<Damage> {
    let index: HashMap<u32, usize> = damaged.iter().enumerate().map(|(index, (place, _))| (*place, index)).collect();
    let mut damaged: Vec<_> = damaged.into_iter().map(|(_, damage)| damage).collect();
    if damaged.is_empty() {
        return damaged;
    }
    for entry in &manifest.entries {
        let Kind::File(content) = &entry.kind else { continue };
        let mut hit: Vec<_> = content.chunks().iter().filter_map(|place| index.get(place)).copied().collect();
        hit.sort_unstable();
        hit.dedup();
        for damage in hit {
            let damage = &mut damaged[damage];
            if damage.paths.len() < limits::DAMAGED_PATHS {
                damage.paths.push(entry.shown());
            } else {
                damage.others += 1;
            }
        }
    }
    damaged
}
