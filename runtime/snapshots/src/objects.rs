//! Chunks and manifests as objects: compressed, and checked against their digests whenever they are read.

use std::io::Read;

use bytes::Bytes;
use exeat_digest::Digest;
use tokio::task::spawn_blocking;

use crate::error::{Damage, Error, Fault};
use crate::limits;
use crate::manifest::{Chunk, Manifest};
use crate::store::Namespace;

impl Namespace {
    /// Writes a chunk if it is not there, and says how many bytes that took.
    pub(crate) async fn put_chunk(&self, digest: Digest, content: Vec<u8>) -> Result<u64, Error> {
        let key = self.chunk(&digest);
        if self.backend.has(&key).await? {
            return Ok(0);
        }
        let stored = spawn_blocking(move || compress(&content)).await??;
        let size = stored.len() as u64;
        self.backend.put(&key, stored).await?;
        Ok(size)
    }

    /// A chunk as it is stored.
    pub(crate) async fn stored_chunk(&self, digest: &Digest) -> Result<Bytes, Error> {
        let key = self.chunk(digest);
        let stored = self.backend.get(&key, limits::STORED_CHUNK_BYTES).await?;
        stored.ok_or_else(|| Damage::of(key, Fault::Gone).into())
    }

    /// A chunk's content, if it is right.
    pub(crate) async fn open_chunk(&self, chunk: Chunk, stored: Bytes) -> Result<Bytes, Error> {
        let key = self.chunk(&chunk.digest);
        let opened = spawn_blocking(move || open(&stored, chunk.length.into(), &chunk.digest)).await?;
        Ok(opened.map_err(|fault| Damage::of(key, fault))?.into())
    }

    /// Writes a manifest if it is not there, and gives its digest and how many bytes that took.
    pub(crate) async fn put_manifest(&self, manifest: Manifest) -> Result<(Digest, u64), Error> {
        let encode = move || {
            let bytes = manifest.encode();
            compress(&bytes).map(|stored| (Digest::of(&bytes), stored))
        };
        let (digest, stored) = spawn_blocking(encode).await??;
        let (key, size) = (self.manifest(&digest), stored.len() as u64);
        if self.backend.has(&key).await? {
            return Ok((digest, 0));
        }
        self.backend.put(&key, stored).await?;
        Ok((digest, size))
    }

    /// A manifest, if it is there and right.
    pub(crate) async fn open_manifest(&self, digest: Digest) -> Result<Manifest, Error> {
        let key = self.manifest(&digest);
        let Some(stored) = self.backend.get(&key, limits::MANIFEST_BYTES).await? else {
            return Err(Error::NoContent { namespace: self.name.clone(), digest });
        };
        let decode = move || {
            let bytes = open(&stored, limits::MANIFEST_BYTES, &digest)?;
            Manifest::decode(&bytes).map_err(|error| Fault::Form(error.to_string()))
        };
        Ok(spawn_blocking(decode).await?.map_err(|fault| Damage::of(key, fault))?)
    }
}

impl Namespace {
    /// Whether an object of this namespace, a chunk or a manifest, is there and not what its name says.
    pub(crate) async fn is_damaged(&self, object: &str) -> Result<bool, Error> {
        let digest = object.rsplit('/').next().and_then(Digest::from_hex);
        let Some(digest) =
            digest.filter(|digest| [self.chunk(digest), self.manifest(digest)].contains(&object.to_owned()))
        else {
            return Ok(false);
        };
        let stored = match self.backend.get(object, limits::MANIFEST_BYTES).await {
            Ok(stored) => stored,
            Err(Error::Damaged { .. }) => return Ok(true),
            Err(error) => return Err(error),
        };
        let Some(stored) = stored else { return Ok(false) };
        Ok(spawn_blocking(move || open(&stored, limits::MANIFEST_BYTES, &digest).is_err()).await?)
    }
}

fn compress(content: &[u8]) -> Result<Bytes, Error> {
    let stored = zstd::bulk::compress(content, limits::ZSTD_LEVEL);
    stored.map(Into::into).map_err(|error| Error::Interrupted(format!("zstd cannot compress: {error}")))
}

/// Decompresses at most so many bytes, and checks them.
fn open(stored: &[u8], most: u64, digest: &Digest) -> Result<Vec<u8>, Fault> {
    let unusable = |error: std::io::Error| Fault::Compression(error.to_string());
    let mut decoder = zstd::stream::read::Decoder::with_buffer(stored).map_err(unusable)?;
    let mut content = Vec::new();
    decoder.by_ref().take(most + 1).read_to_end(&mut content).map_err(unusable)?;
    if content.len() as u64 > most {
        return Err(Fault::Long(most));
    }
    let found = Digest::of(&content);
    if found == *digest { Ok(content) } else { Err(Fault::Digest(found)) }
}
