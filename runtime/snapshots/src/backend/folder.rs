//! A folder on a volume. Several processes on several machines may use one at the same time.
//!
//! An object is a file. It is written under another name in `.work`, synced, and renamed, so that nobody ever reads
//! half of one. A rename itself is on the disk when the folders above it are synced, which is done once for all chunks
//! of a snapshot, before its record is written.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{Object, too_many};
use crate::error::{Damage, Doing, Error, Fault};
use crate::{limits, random};

/// What is being written. No namespace has a name that begins with a dot.
const WORK: &str = ".work";

/// Objects as files.
#[derive(Clone)]
pub(crate) struct Folder {
    root: Arc<Path>,
}

impl Folder {
    /// Opens a folder, which is made if it is not there.
    pub(crate) async fn open(root: &Path) -> Result<Self, Error> {
        let folder = Self { root: root.into() };
        let work = folder.root.join(WORK);
        // Workspaces hold what only their owners may read.
        let made = move || DirBuilder::new().recursive(true).mode(0o700).create(&work).doing("make", &work);
        spawn_blocking(made).await??;
        Ok(folder)
    }

    pub(super) async fn get(&self, key: &str, most: u64) -> Result<Option<Bytes>, Error> {
        let (path, key) = (self.root.join(key), key.to_owned());
        let read = move || {
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened.doing("open", &path)?,
            };
            let mut bytes = Vec::new();
            file.take(most + 1).read_to_end(&mut bytes).doing("read", &path)?;
            if bytes.len() as u64 > most {
                return Err(Damage::of(key, Fault::Long(most)).into());
            }
            Ok(Some(bytes.into()))
        };
        spawn_blocking(read).await?
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let (root, path) = (Arc::clone(&self.root), self.root.join(key));
        let put = move || {
            let new = write(&root, &bytes)?;
            make_parent(&path)?;
            fs::rename(&new, &path).doing("put in place", &path)
        };
        spawn_blocking(put).await?
    }

    pub(super) async fn create(&self, key: &str, bytes: Bytes) -> Result<bool, Error> {
        let (root, path) = (Arc::clone(&self.root), self.root.join(key));
        let create = move || {
            let new = write(&root, &bytes)?;
            make_parent(&path)?;
            // Unlike a rename, a link takes no other's place.
            let created = match fs::hard_link(&new, &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
                linked => linked.doing("put in place", &path).map(|()| true)?,
            };
            fs::remove_file(&new).doing("remove", &new)?;
            path.parent().map_or(Ok(()), |folder| sync(&root, [folder.to_owned()]))?;
            Ok(created)
        };
        spawn_blocking(create).await?
    }

    pub(super) async fn settle(&self, folders: Vec<String>) -> Result<(), Error> {
        let root = Arc::clone(&self.root);
        spawn_blocking(move || sync(&root, folders.iter().map(|folder| root.join(folder)))).await?
    }

    pub(super) async fn has(&self, key: &str) -> Result<bool, Error> {
        let path = self.root.join(key);
        spawn_blocking(move || path.try_exists().doing("look for", &path)).await?
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let (path, folder) = (self.root.join(folder), folder.to_owned());
        let list = move || {
            let mut objects = Vec::new();
            for entry in entries(&path)? {
                let entry = entry.doing("list", &path)?;
                let about = match entry.metadata() {
                    // Removed at this moment.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    about => about.doing("look at", &entry.path())?,
                };
                let Ok(name) = entry.file_name().into_string() else { continue };
                if about.is_file() {
                    let modified = about.modified().doing("look at", &entry.path())?;
                    objects.push(Object { name, size: about.len(), modified });
                }
                if objects.len() > limits::LISTED {
                    return Err(io::Error::other(too_many(&folder))).doing("list", &path);
                }
            }
            Ok(objects)
        };
        spawn_blocking(list).await?
    }

    pub(super) async fn folders(&self) -> Result<Vec<String>, Error> {
        let path = Arc::clone(&self.root);
        let list = move || {
            let mut names = Vec::new();
            for entry in entries(&path)? {
                let entry = entry.doing("list", &path)?;
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    names.extend(entry.file_name().into_string());
                }
            }
            Ok(names)
        };
        spawn_blocking(list).await?
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Error> {
        let path = self.root.join(key);
        let delete = move || match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.doing("remove", &path),
        };
        spawn_blocking(delete).await?
    }

    pub(super) async fn sweep(&self) -> Result<(), Error> {
        for object in self.list(WORK).await? {
            let age = SystemTime::now().duration_since(object.modified).unwrap_or_default();
            if age > limits::WORK_AGE {
                self.delete(&format!("{WORK}/{}", object.name)).await?;
            }
        }
        Ok(())
    }
}

/// Writes a file that nobody knows yet, onto the disk.
fn write(root: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let new = root.join(WORK).join(random()?);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    if written.is_err() {
        // What could not be written in full helps nobody, least of all where the disk is full.
        let _ = fs::remove_file(&new);
    }
    written.doing("write", &new).map(|()| new)
}

fn make_parent(path: &Path) -> Result<(), Error> {
    let Some(parent) = path.parent() else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(parent).doing("make", parent)
}

/// Syncs folders and all above them up to the store's own: what was made or renamed in them is on the disk then.
fn sync(root: &Path, folders: impl IntoIterator<Item = PathBuf>) -> Result<(), Error> {
    let mut all = BTreeSet::new();
    for folder in folders {
        all.extend(folder.ancestors().take_while(|above| above.starts_with(root)).map(Path::to_owned));
    }
    for folder in all {
        match File::open(&folder) {
            // Nothing is in it then.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => opened.and_then(|folder| folder.sync_all()).doing("write to the disk", &folder)?,
        }
    }
    Ok(())
}

/// What is in a folder; nothing where there is none.
fn entries(path: &Path) -> Result<impl Iterator<Item = io::Result<fs::DirEntry>>, Error> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        entries => Some(entries.doing("list", path)?),
    };
    Ok(entries.into_iter().flatten())
}
