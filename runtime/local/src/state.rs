//! The sandbox's folder: made at the start, gone at the end.
//!
//! ```text
//!   config.json   rootfs/   runsc/ (its state)   runsc.log
//! ```

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Doing, Failure};

/// A folder that is removed when this is dropped.
pub(crate) struct StateFolder(PathBuf);

impl StateFolder {
    /// Makes the folder, readable for nobody else. One that exists belongs to another sandbox.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent).doing_to("make the folder", parent)?;
        }
        DirBuilder::new().mode(0o700).create(path).doing_to("make the sandbox's folder", path)?;
        Ok(StateFolder(path.to_owned()))
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.0.join("rootfs")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.json")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes a sandbox's folder. Only for processes outside of init's mount namespace: there, no bind can be seen, and
/// so none can be followed into the host's files.
pub(crate) fn remove(path: &Path) {
    // Nothing can be done about a failure, and its owner has ended.
    let _ = fs::remove_dir_all(path);
}
