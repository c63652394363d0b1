//! What only this server knows, one JSON file each: `sandboxclaims/UID.json`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

/// The kinds of files, each a folder.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drawer {
    Claims,
    Triggers,
    Snapshots,
    Notes,
}

impl Drawer {
    const ALL: [Drawer; 4] = [Drawer::Claims, Drawer::Triggers, Drawer::Snapshots, Drawer::Notes];

    fn folder(self) -> &'static str {
        match self {
            Drawer::Claims => "sandboxclaims",
            Drawer::Triggers => "podsnapshotmanualtriggers",
            Drawer::Snapshots => "podsnapshots",
            Drawer::Notes => "notes",
        }
    }
}

/// The folder. A file is there whole or not at all, and is on the disk when a call returns.
#[derive(Clone)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Makes what is missing of the folders, for their owner alone.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        for drawer in Drawer::ALL {
            DirBuilder::new().recursive(true).mode(0o700).create(folder.join(drawer.folder()))?;
        }
        Ok(Disk(folder.to_owned()))
    }

    /// Everything in a drawer, by file name.
    ///
    /// # Errors
    /// A file cannot be read, or is not one of this server's.
    pub(crate) fn load(&self, drawer: Drawer) -> io::Result<Vec<(String, Value)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.0.join(drawer.folder()))? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                // What a crash left of a file that was never acknowledged.
                fs::remove_file(&path)?;
                continue;
            }
            let bad = |error| io::Error::other(format!("`{}` cannot be read: {error}", path.display()));
            let value = serde_json::from_slice(&fs::read(&path)?).map_err(bad)?;
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            found.push((name.to_owned(), value));
        }
        Ok(found)
    }

    /// Writes a file, or replaces it.
    pub(crate) async fn write(&self, drawer: Drawer, id: &str, value: &impl Serialize) -> io::Result<()> {
        let (folder, path, bytes) = (self.folder(drawer), self.path(drawer, id), serde_json::to_vec(value)?);
        blocking(move || {
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            File::open(&folder)?.sync_all()
        })
        .await
    }

    /// Removes a file, where there is one.
    pub(crate) async fn remove(&self, drawer: Drawer, id: &str) -> io::Result<()> {
        let (folder, path) = (self.folder(drawer), self.path(drawer, id));
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => File::open(&folder)?.sync_all(),
        })
        .await
    }

    fn folder(&self, drawer: Drawer) -> PathBuf {
        self.0.join(drawer.folder())
    }

    /// Identifiers are made here or by the supervisor, never taken from a client.
    fn path(&self, drawer: Drawer, id: &str) -> PathBuf {
        self.folder(drawer).join(format!("{id}.json"))
    }
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_was_written_is_found_again_and_what_was_not_finished_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        disk.write(Drawer::Claims, "a", &json!({ "v": 1 })).await.unwrap();
        disk.write(Drawer::Claims, "a", &json!({ "v": 2 })).await.unwrap();
        disk.write(Drawer::Claims, "b", &json!({})).await.unwrap();
        disk.remove(Drawer::Claims, "b").await.unwrap();
        disk.remove(Drawer::Claims, "b").await.unwrap();
        fs::write(folder.path().join("sandboxclaims/.tmpX"), "{").unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        assert_eq!(disk.load(Drawer::Claims).unwrap(), [("a".to_owned(), json!({ "v": 2 }))]);
        fs::write(folder.path().join("sandboxclaims/c.json"), "{").unwrap();
        assert!(disk.load(Drawer::Claims).is_err());
    }
}
