//! Where objects are: a folder on a volume, or a bucket.
//!
//! Both give the same promises, on which everything else rests: an object that can be read is whole; what was written
//! is there for the next reader and in the next list; [`Backend::create`] lets one of several win; and the times in a
//! list are of one clock.

mod connection;
mod credentials;
mod folder;
#[cfg(test)]
pub(crate) mod memory;
mod refusal;
mod s3;
mod sigv4;

use std::time::SystemTime;

use bytes::Bytes;

pub use credentials::Credentials;
pub(crate) use folder::Folder;
pub(crate) use s3::S3;

use crate::error::Error;

/// A storage.
#[derive(Clone)]
pub(crate) enum Backend {
    Folder(Folder),
    S3(S3),
    #[cfg(test)]
    Memory(memory::Memory),
}

/// An object in a list.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// The last part of its key.
    pub(crate) name: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

/// Calls the same method of whatever the storage is.
macro_rules! each {
    ($self:ident, $backend:ident => $call:expr) => {
        match $self {
            Backend::Folder($backend) => $call,
            Backend::S3($backend) => $call,
            #[cfg(test)]
            Backend::Memory($backend) => $call,
        }
    };
}

impl Backend {
    /// Reads an object of at most so many bytes; nothing where there is none. A longer one is damage.
    pub(crate) async fn get(&self, key: &str, most: u64) -> Result<Option<Bytes>, Error> {
        each!(self, backend => backend.get(key, most).await)
    }

    /// Writes an object, over another of its key. It may not survive a power cut before [`Backend::settle`].
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        each!(self, backend => backend.put(key, bytes).await)
    }

    /// Writes an object where there is none of its key, durably, and says whether it did.
    pub(crate) async fn create(&self, key: &str, bytes: Bytes) -> Result<bool, Error> {
        each!(self, backend => backend.create(key, bytes).await)
    }

    /// Makes sure that objects in these folders, written by whomever, survive a power cut.
    pub(crate) async fn settle(&self, folders: Vec<String>) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.settle(folders).await,
            // A bucket answers when it has done so.
            Self::S3(_) => Ok(()),
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }

    /// Whether there is an object.
    pub(crate) async fn has(&self, key: &str) -> Result<bool, Error> {
        each!(self, backend => backend.has(key).await)
    }

    /// The objects in a folder, not in those below it.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        each!(self, backend => backend.list(folder).await)
    }

    /// The folders in the root.
    pub(crate) async fn folders(&self) -> Result<Vec<String>, Error> {
        each!(self, backend => backend.folders().await)
    }

    /// Removes an object, if it is there.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), Error> {
        each!(self, backend => backend.delete(key).await)
    }

    /// Removes what processes that died have left half-written.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.sweep().await,
            // Nobody sees half an object, and no upload has parts.
            Self::S3(_) => Ok(()),
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }
}

/// What a list that is too long is answered with.
fn too_many(folder: &str) -> String {
    format!("`{folder}` has more than {} names: delete snapshots, and collect", crate::limits::LISTED)
}
