//! One layer into the store.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::digest::{LayerId, Promise, Verified};
use crate::error::{BlobFault, Doing, Error};
use crate::limits::Limits;
use crate::lock::Lock;
use crate::remove::remove_tree;
use crate::store::Store;
use crate::unpack::{UnpackError, Unpacked, unpack};

/// Who unpacks layers, and removes what was unpacked. [`Direct`] does it in this process; a supervisor without root does
/// it in a process that is root of a user namespace, gives that one the layer's bytes, and gets [`Unpacked`] back.
pub trait Unpack: Send + Sync {
    /// Does what [`unpack()`] does. It may leave the rest of the layer unread.
    ///
    /// # Errors
    /// As [`unpack()`]; [`UnpackError::Helper`] for what comes from another process as text.
    fn unpack(&self, layer: &mut dyn Read, folder: &Path, limits: &Limits) -> Result<Unpacked, UnpackError>;

    /// Removes a layer, or half of one, and says how many bytes that gave back. What is not there is removed already.
    /// One that maps more users than root has to do it in its namespace too.
    ///
    /// # Errors
    /// What the kernel says.
    fn remove(&self, path: &Path) -> io::Result<u64> {
        remove_tree(path)
    }
}

/// Unpacks in this process: for root, who keeps all owners, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

impl Unpack for Direct {
    fn unpack(&self, layer: &mut dyn Read, folder: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
        unpack(layer, folder, limits)
    }
}

impl Store {
    /// Waits to be the one who makes a layer; nothing where it is there by then.
    pub(crate) fn claim(&self, layer: &LayerId) -> Result<Option<Lock>, Error> {
        let lock = self.lock(&layer.hex())?;
        Ok((!self.layer_path(layer).is_dir()).then_some(lock))
    }

    /// Unpacks a layer that was claimed. `promise` is what is known of the bytes; an archive of `docker save` says
    /// nothing, so there the layer's own digest is what holds.
    pub(crate) fn install(
        &self, _claim: &Lock, layer: &LayerId, promise: Option<Promise>, bytes: impl Read,
    ) -> Result<(), Error> {
        let tree = self.work(&layer.hex(), "");
        self.unpacker.remove(&tree).doing("remove", &tree)?;
        fs::create_dir(&tree).doing("make", &tree)?;
        let done = self.fill(&tree, layer, promise, bytes).and_then(|()| sync(&tree));
        if done.is_err() {
            self.unpacker.remove(&tree).doing("remove", &tree)?;
            return done;
        }
        self.settle(&tree, &self.layer_path(layer))
    }

    fn fill(&self, tree: &Path, layer: &LayerId, promise: Option<Promise>, mut bytes: impl Read) -> Result<(), Error> {
        let unpacked = match promise {
            None => self.unpacker.unpack(&mut bytes, tree, &self.limits),
            Some(promise) => {
                let mut verified = Verified::new(bytes, promise);
                let unpacked = self.unpacker.unpack(&mut verified, tree, &self.limits);
                // Wrong bytes are why it could not be unpacked, where both are true.
                let checked: Result<(), BlobFault> = verified.finish().doing("read the layer for", tree)?;
                checked.map_err(|fault| Error::Blob { digest: promise.digest, fault })?;
                unpacked
            }
        };
        let found = unpacked.map_err(|source| Error::Unpack { layer: *layer, source })?.diff_id;
        if found == *layer { Ok(()) } else { Err(Error::DiffId { layer: *layer, found }) }
    }
}

/// Writes everything to the disk: one call for the file system is faster than one for each file.
fn sync(tree: &Path) -> Result<(), Error> {
    let folder = File::open(tree).doing("open", tree)?;
    rustix::fs::syncfs(&folder).doing("write to the disk", tree)
}
