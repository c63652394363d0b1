//! Records on disk: whole or not at all, and there once it is said that they are.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::limits;

/// Writes a record in place of the one before, and returns when it is on disk.
pub(crate) fn write(path: &Path, record: &impl Serialize) -> Result<(), Error> {
    let failed = |error: io::Error| Error::io("write", path, &error);
    let json = serde_json::to_vec_pretty(record).map_err(|error| failed(error.into()))?;
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).map_err(failed)?;
    file.write_all(&json).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&temporary, path).and_then(|()| sync_folder(path)).map_err(failed)
}

/// Reads a record.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut json = Vec::new();
    File::open(path)?.take(limits::RECORD_BYTES).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// Removes a record, and returns when that is on disk.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path).and_then(|()| sync_folder(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Has the kernel write down everything of the file system that `path` is on.
pub(crate) fn sync_all(path: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| Error::io("write down", path, &error);
    let folder = File::open(path).map_err(failed)?;
    rustix::fs::syncfs(&folder).map_err(|errno| failed(errno.into()))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
