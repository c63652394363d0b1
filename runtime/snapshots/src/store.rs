//! The store, and one namespace of it.

use std::path::Path;

use exeat_digest::Digest;

use crate::backend::{Backend, Credentials, Folder, S3};
use crate::config::{Config, S3Config};
use crate::error::Error;
use crate::limits::Limits;
use crate::names;

/// Snapshots of all namespaces. Cheap to clone; several processes may use one storage at the same time.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    limits: Limits,
}

/// One namespace's snapshots: all that its users can reach.
#[derive(Clone)]
pub struct Namespace {
    pub(crate) backend: Backend,
    pub(crate) limits: Limits,
    pub(crate) name: String,
}

impl Store {
    /// Opens what is configured. A bucket's credentials come from the environment.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::Io`], or [`Error::Storage`] where the bucket cannot be used.
    pub async fn open(config: &Config, limits: Limits) -> Result<Self, Error> {
        match config {
            Config::Folder(folder) => Self::folder(folder, limits).await,
            Config::S3(bucket) => Self::s3(bucket, Credentials::from_environment()?, limits).await,
        }
    }

    /// Opens the store in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be made.
    pub async fn folder(folder: &Path, limits: Limits) -> Result<Self, Error> {
        Ok(Self { backend: Backend::Folder(Folder::open(folder).await?), limits })
    }

    /// Opens the store in a bucket, which has to be there.
    ///
    /// # Errors
    /// [`Error::Settings`], or [`Error::Storage`] where the bucket cannot be used.
    pub async fn s3(bucket: &S3Config, credentials: Credentials, limits: Limits) -> Result<Self, Error> {
        Ok(Self { backend: Backend::S3(S3::open(bucket, credentials).await?), limits })
    }

    #[cfg(test)]
    pub(crate) fn memory(memory: crate::backend::memory::Memory) -> Self {
        Self { backend: Backend::Memory(memory), limits: Limits::default() }
    }

    /// One namespace. It need not have any snapshots.
    ///
    /// # Errors
    /// [`Error::Name`] where no namespace can have that name.
    pub fn namespace(&self, name: &str) -> Result<Namespace, Error> {
        let name = names::namespace(name)?;
        Ok(Namespace { backend: self.backend.clone(), limits: self.limits, name })
    }

    /// The namespaces that hold anything, in order: for whoever collects in all of them.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Io`].
    pub async fn namespaces(&self) -> Result<Vec<String>, Error> {
        let mut found = self.backend.folders().await?;
        found.retain(|name| names::namespace(name).is_ok());
        found.sort();
        Ok(found)
    }
}

/// Keys of objects. All parts were checked, or are hex digits.
impl Namespace {
    pub(crate) fn records(&self) -> String {
        format!("{}/snapshots", self.name)
    }

    pub(crate) fn record(&self, name: &str) -> String {
        format!("{}/snapshots/{name}", self.name)
    }

    pub(crate) fn manifests(&self) -> String {
        format!("{}/manifests", self.name)
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> String {
        format!("{}/manifests/{}", self.name, digest.hex())
    }

    /// The folder of all chunks whose digests begin with this byte.
    pub(crate) fn chunks(&self, first: u8) -> String {
        format!("{}/chunks/{first:02x}", self.name)
    }

    pub(crate) fn chunk(&self, digest: &Digest) -> String {
        format!("{}/chunks/{:02x}/{}", self.name, digest.as_bytes()[0], digest.hex())
    }

    pub(crate) fn claims(&self) -> String {
        format!("{}/claims", self.name)
    }
}
