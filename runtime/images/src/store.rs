//! The store: images' records, and the layers that they share.
//!
//! ```text
//!   layers/HEX/      a layer, complete, as overlayfs takes it
//!   images/HEX.json  an image, by its reference's digest
//!   work/HEX…        what is being made; never used, and removed when the store is opened
//!   locks/HEX        who makes it
//!   lock             shared by who adds, alone by who collects
//! ```
//!
//! Whatever is in `layers` and `images` is whole: it was made in `work`, written to the disk, and renamed.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exeat_digest::Digest;

use crate::digest::LayerId;
use crate::error::{Doing, Error};
use crate::image::Image;
use crate::install::Unpack;
use crate::limits::{self, Limits};
use crate::lock::{Hold, Lock};
use crate::reference::Reference;
use crate::unpack::OPAQUE;

/// Images and layers in a folder. Several processes may use one at the same time.
#[derive(Clone)]
pub struct Store {
    pub(crate) root: PathBuf,
    pub(crate) unpacker: Arc<dyn Unpack>,
    pub(crate) limits: Limits,
}

/// What collecting gave back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Collected {
    /// How many layers are gone.
    pub layers: u64,
    /// The disk space that they took, in bytes.
    pub bytes: u64,
}

impl Store {
    /// Opens the store in a folder, which is made if it is not there, and removes what a process that died has left.
    /// It blocks.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be made or cleaned.
    pub fn open(root: &Path, unpacker: Arc<dyn Unpack>, limits: Limits) -> Result<Self, Error> {
        // A layer holds set-user-ID programs of strangers: nobody else on the machine may reach them.
        for folder in ["", "layers", "images", "work", "locks"] {
            let path = root.join(folder);
            DirBuilder::new().recursive(true).mode(0o700).create(&path).doing("make", &path)?;
        }
        let store = Self { root: root.to_owned(), unpacker, limits };
        store.sweep()?;
        Ok(store)
    }

    /// Every image, by its reference.
    ///
    /// # Errors
    /// [`Error::Record`] where one is damaged.
    pub fn list(&self) -> Result<Vec<Image>, Error> {
        let folder = self.root.join("images");
        let mut images = Vec::new();
        for name in names(&folder)? {
            // One that is removed at this moment is not there.
            images.extend(read_record(&folder.join(name))?);
        }
        images.sort_by(|one, other| one.reference.cmp(&other.reference));
        Ok(images)
    }

    /// One image.
    ///
    /// # Errors
    /// [`Error::NoImage`] where it was never pulled, [`Error::Record`] where its record is damaged.
    pub fn get(&self, reference: &Reference) -> Result<Image, Error> {
        read_record(&self.record_path(reference))?.ok_or_else(|| Error::NoImage(reference.to_string()))
    }

    /// Forgets an image. Its layers stay until they are collected. Says whether there was one.
    ///
    /// # Errors
    /// [`Error::Io`] where the record cannot be removed.
    pub fn remove(&self, reference: &Reference) -> Result<bool, Error> {
        let path = self.record_path(reference);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            done => done.doing("remove", &path).map(|()| true),
        }
    }

    /// Where a layer is, to be mounted read-only and with `userxattr`. It is there if an image of the store has it.
    #[must_use]
    pub fn layer_path(&self, layer: &LayerId) -> PathBuf {
        self.root.join("layers").join(layer.hex())
    }

    /// Removes the layers that neither an image nor `keep` needs. It blocks, and waits for those who add images.
    ///
    /// # Errors
    /// [`Error::Record`] where an image's record is damaged: its layers are not known, so nothing is removed.
    pub fn collect(&self, keep: &HashSet<LayerId>) -> Result<Collected, Error> {
        let _alone = Lock::take(&self.root.join("lock"), Hold::Alone)?;
        let mut needed = keep.clone();
        needed.extend(self.list()?.into_iter().flat_map(|image| image.layers));
        let mut collected = Collected::default();
        for name in names(&self.root.join("layers"))? {
            match Digest::from_hex(&name).map(LayerId) {
                Some(layer) if !needed.contains(&layer) => {
                    collected.bytes += self.discard(&layer)?;
                    collected.layers += 1;
                }
                _ => {}
            }
        }
        Ok(collected)
    }

    /// Removes a layer. It leaves `layers` in one step.
    fn discard(&self, layer: &LayerId) -> Result<u64, Error> {
        let _lock = self.lock(&layer.hex())?;
        let (path, gone) = (self.layer_path(layer), self.work(&layer.hex(), ""));
        self.unpacker.remove(&gone).doing("remove", &gone)?;
        fs::rename(&path, &gone).doing("remove", &path)?;
        self.unpacker.remove(&gone).doing("remove", &gone)
    }

    /// Removes what nobody is making any more.
    fn sweep(&self) -> Result<(), Error> {
        for name in names(&self.root.join("work"))? {
            let key = name.split('.').next().unwrap_or_default();
            if Digest::from_hex(key).is_none() {
                continue;
            }
            if let Some(_lock) = Lock::try_take(&self.root.join("locks").join(key), Hold::Alone)? {
                let path = self.root.join("work").join(&name);
                self.unpacker.remove(&path).doing("remove", &path)?;
            }
        }
        Ok(())
    }

    /// Waits to be the one who makes what is named by this digest.
    pub(crate) fn lock(&self, key: &str) -> Result<Lock, Error> {
        Lock::take(&self.root.join("locks").join(key), Hold::Alone)
    }

    /// Keeps layers from being collected while an image is added that needs them.
    pub(crate) fn adding(&self) -> Result<Lock, Error> {
        Lock::take(&self.root.join("lock"), Hold::Shared)
    }

    /// A place for something unfinished, which belongs to who holds the lock of that name.
    pub(crate) fn work(&self, key: &str, suffix: &str) -> PathBuf {
        self.root.join("work").join(format!("{key}{suffix}"))
    }

    fn record_path(&self, reference: &Reference) -> PathBuf {
        self.root.join("images").join(format!("{}.json", record_key(reference)))
    }

    /// Writes an image down, whose layers are all here.
    pub(crate) fn record(&self, mut image: Image) -> Result<Image, Error> {
        image.layers = self.visible(&image.layers)?;
        let key = record_key(&image.reference);
        let _lock = self.lock(&key)?;
        let (new, path) = (self.work(&key, ".json"), self.record_path(&image.reference));
        let damaged = |error: serde_json::Error| Error::Record { path: path.clone(), why: error.to_string() };
        fs::write(&new, serde_json::to_vec_pretty(&image).map_err(damaged)?).doing("write", &new)?;
        File::open(&new).and_then(|file| file.sync_all()).doing("write", &new)?;
        self.settle(&new, &path)?;
        Ok(image)
    }

    /// Gives something finished its name, durably.
    pub(crate) fn settle(&self, new: &Path, path: &Path) -> Result<(), Error> {
        fs::rename(new, path).doing("put in place", path)?;
        let folder = path.parent().unwrap_or(&self.root);
        File::open(folder).and_then(|file| file.sync_all()).doing("write", folder)
    }

    /// The layers down to the first whose root is opaque: it hides all below, and overlayfs would not see that, since
    /// it does not look at the attributes of a layer's own root.
    fn visible(&self, layers: &[LayerId]) -> Result<Vec<LayerId>, Error> {
        for (index, layer) in layers.iter().enumerate().rev() {
            let path = self.layer_path(layer);
            let mut value = [0; 1];
            match rustix::fs::getxattr(&path, OPAQUE, &mut value) {
                Ok(_) => return Ok(layers[index..].to_vec()),
                Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error).doing("look at the layer", &path),
            }
        }
        Ok(layers.to_vec())
    }
}

fn record_key(reference: &Reference) -> String {
    Digest::of(reference.to_string().as_bytes()).hex()
}

fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).doing("list", folder)? {
        names.extend(entry.doing("list", folder)?.file_name().into_string());
    }
    Ok(names)
}

fn read_record(path: &Path) -> Result<Option<Image>, Error> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.doing("read", path)?,
    };
    let damaged = |why: String| Error::Record { path: path.to_owned(), why };
    if bytes.len() as u64 > 2 * limits::CONFIG_BYTES {
        return Err(damaged("it is larger than any that is written here".into()));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(error.to_string()))
}
