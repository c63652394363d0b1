//! Digests, and a reader that holds a blob to its own.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{BlobFault, Error};

/// The SHA-256 of a blob, written `sha256:` and 64 hex digits (OCI image specification, descriptor.md, "Digests").
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hex digits alone, which are fit to be a file's name.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut bytes = [0; 32];
        (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(Self(bytes))
    }

    pub(crate) fn finish(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.strip_prefix("sha256:").and_then(Self::from_hex).ok_or_else(|| Error::Digest(text.to_owned()))
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

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
        let found = Digest::finish(self.hash);
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
