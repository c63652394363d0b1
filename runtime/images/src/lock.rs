//! Locks between processes: `flock` on a file of its own. The kernel lets go of one when its process dies.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Doing, Error};
use crate::limits;

/// How a lock is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hold {
    Shared,
    Alone,
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    path: PathBuf,
    hold: Hold,
}

impl Lock {
    /// Waits for the lock. It blocks.
    pub(crate) fn take(path: &Path, hold: Hold) -> Result<Self, Error> {
        let began = Instant::now();
        loop {
            if let Some(lock) = Self::try_take(path, hold)? {
                return Ok(lock);
            }
            if began.elapsed() > limits::LOCK_WAIT {
                return Err(Error::Busy(PathBuf::from(path)));
            }
            std::thread::sleep(limits::LOCK_PAUSE);
        }
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn try_take(path: &Path, hold: Hold) -> Result<Option<Self>, Error> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
        let file = file.doing("open the lock", path)?;
        let operation = match hold {
            Hold::Shared => FlockOperation::NonBlockingLockShared,
            Hold::Alone => FlockOperation::NonBlockingLockExclusive,
        };
        match flock(&file, operation) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
            other => other.doing("lock", path)?,
        }
        // Its last holder may have removed the file between our opening and locking it; then it locks nothing.
        let held = file.metadata().doing("look at the lock", path)?;
        let there = std::fs::metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (held.dev(), held.ino()));
        Ok(there.then(|| Self { _file: file, path: path.to_owned(), hold }))
    }
}

impl Drop for Lock {
    /// Whoever holds a lock alone removes its file, so that none pile up. Those who wait look for that.
    fn drop(&mut self) {
        if self.hold == Hold::Alone {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
