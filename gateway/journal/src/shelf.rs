//! The directory an index is kept in: one user at a time, and files that are as they were left.
//!
//! sled cannot be trusted with files that it did not write: it may panic on them, which ends a program that is built
//! to abort, or take the end of its log for torn and go on without what was there. So when an index is put away, a
//! seal is written beside it: a SHA-256 over all of its files. An index without a seal, or with one that does not
//! agree, is never opened.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::index::{Index, IndexError, SledIndex};

/// How long a reader waits for another one to put the index away.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// An index in use. Dropping it puts the index away.
pub(crate) struct Shelf {
    directory: PathBuf,
    index: Option<SledIndex>,
    _lock: File,
}

impl Shelf {
    /// Takes the index off its shelf, or an empty one where there is none that can be trusted. `None` when somebody
    /// else has it for too long.
    pub(crate) fn take(directory: &Path) -> Result<Option<Shelf>, IndexError> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let Some(lock) = lock(directory)? else { return Ok(None) };
        let mut shelf = Shelf { directory: directory.to_owned(), index: None, _lock: lock };
        let sealed = std::fs::read(shelf.seal()).is_ok_and(|seal| digest(&shelf.files()).is_ok_and(|now| now == seal));
        // From here on the files change: whoever is killed now leaves an index that nobody opens.
        remove(std::fs::remove_file(shelf.seal()))?;
        if !sealed {
            remove(std::fs::remove_dir_all(shelf.files()))?;
        }
        shelf.index = Some(guarded(|| SledIndex::open(&shelf.files()))?);
        Ok(Some(shelf))
    }

    /// Throws the index away and makes an empty one.
    pub(crate) fn renew(&mut self) -> Result<(), IndexError> {
        self.index = None;
        remove(std::fs::remove_dir_all(self.files()))?;
        self.index = Some(guarded(|| SledIndex::open(&self.files()))?);
        Ok(())
    }

    /// Asks the index something. A panic in it is an error like any other, where panics can be caught.
    pub(crate) fn ask<T>(
        &mut self, question: impl FnOnce(&mut dyn Index) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let Some(index) = &mut self.index else { return Err(IndexError("it is closed".to_owned())) };
        guarded(|| question(index))
    }

    /// Throws the index away, for whoever comes next.
    pub(crate) fn discard(mut self) {
        self.index = None;
        let _ = std::fs::remove_dir_all(self.files());
    }

    fn files(&self) -> PathBuf {
        self.directory.join("sled")
    }

    fn seal(&self) -> PathBuf {
        self.directory.join("seal")
    }

    fn put_away(&mut self, index: SledIndex) -> Result<(), IndexError> {
        index.settle()?;
        drop(index);
        std::fs::write(self.seal(), digest(&self.files())?)?;
        Ok(())
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        if let Some(index) = self.index.take()
            && let Err(error) = guarded(|| self.put_away(index))
        {
            tracing::debug!(%error, "the index could not be sealed and will be made anew");
        }
    }
}

fn lock(directory: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let lock = options.write(true).create(true).truncate(false).mode(0o600).open(directory.join("lock"))?;
    let end = Instant::now() + PATIENCE;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// What is already gone need not be removed.
fn remove(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A SHA-256 over the names and contents of all files below a directory.
fn digest(directory: &Path) -> io::Result<Vec<u8>> {
    let mut files = Vec::new();
    collect(directory, &mut files)?;
    files.sort();
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    for path in files {
        let mut file = File::open(&path)?;
        let name = path.as_os_str().as_encoded_bytes();
        sum.update((name.len() as u64).to_le_bytes());
        sum.update(name);
        sum.update(file.metadata()?.len().to_le_bytes());
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => sum.update(&buffer[..read]),
            }
        }
    }
    Ok(sum.finalize().to_vec())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => collect(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}

fn guarded<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(IndexError("it panicked".to_owned())))
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        IndexError(error.to_string())
    }
}
