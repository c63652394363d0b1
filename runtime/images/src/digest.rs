//! What layers are named by, and a reader that holds a blob to its digest.

use std::fmt;
use std::io::{self, Read};

use exeat_digest::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::BlobFault;

/// Which layer: the digest of its tar before compression, which images call `diff_id`. The same content compressed in
/// two ways is one layer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct LayerId(pub Digest);

impl LayerId {
    /// The 64 hex digits that name the layer's folder.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.hex()
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a descriptor promises of a blob.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Promise {
    pub(crate) digest: Digest,
    /// In bytes.
    pub(crate) size: u64,
}

/// Counts and hashes a blob as it arrives.
pub(crate) struct Tally {
    promise: Promise,
    hash: Sha256,
    seen: u64,
}

impl Tally {
    pub(crate) fn new(promise: Promise) -> Self {
        Self { promise, hash: Sha256::new(), seen: 0 }
    }

    /// Takes a piece; one that makes the blob longer than promised is refused, so that nobody keeps it.
    pub(crate) fn add(&mut self, piece: &[u8]) -> Result<u64, BlobFault> {
        self.seen = self.seen.saturating_add(piece.len() as u64);
        if self.seen > self.promise.size {
            return Err(BlobFault::Long { promised: self.promise.size });
        }
        self.hash.update(piece);
        Ok(self.seen)
    }

    pub(crate) fn finish(self) -> Result<(), BlobFault> {
        if self.seen < self.promise.size {
            return Err(BlobFault::Short { promised: self.promise.size, found: self.seen });
        }
        let found = Digest::from(self.hash);
        if found == self.promise.digest { Ok(()) } else { Err(BlobFault::Digest { found }) }
    }
}

/// Passes a blob on while it is tallied.
pub(crate) struct Verified<R> {
    inner: R,
    tally: Tally,
}

impl<R: Read> Verified<R> {
    pub(crate) fn new(inner: R, promise: Promise) -> Self {
        Self { inner, tally: Tally::new(promise) }
    }

    /// Reads what the consumer left, then says whether the whole was what was promised.
    pub(crate) fn finish(mut self) -> io::Result<Result<(), BlobFault>> {
        match io::copy(&mut self, &mut io::sink()) {
            Ok(_) => Ok(self.tally.finish()),
            Err(error) => error.downcast::<BlobFault>().map(Err),
        }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.tally.add(&buffer[..read]).map_err(io::Error::other)?;
        Ok(read)
    }
}
