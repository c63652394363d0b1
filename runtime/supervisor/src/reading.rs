//! Disks that are read while sandboxes go on.

use std::path::PathBuf;

use exeat_lifecycle::SnapshotId;

use crate::error::Error;
use crate::supervisor::{Supervisor, blocking};

impl Supervisor {
    /// Runs `work` with the folders of two snapshots' disks, each the topmost first. None of them is removed meanwhile.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn with_disks<T: Send + 'static>(
        &self, before: &SnapshotId, after: &SnapshotId,
        work: impl FnOnce(Vec<PathBuf>, Vec<PathBuf>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let _kept = self.0.sweeping.read().await;
        let (before, after) = (self.folders(before)?, self.folders(after)?);
        blocking(move || Ok(work(before, after))).await
    }

    fn folders(&self, id: &SnapshotId) -> Result<Vec<PathBuf>, Error> {
        let saved = self.snapshot_of(id)?.saved;
        Ok(saved.layers.iter().map(|layer| self.0.paths.layer(layer)).collect())
    }
}
