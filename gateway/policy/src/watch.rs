//! Notices that policy files changed.

use std::path::Path;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// An editor writes a file in several steps; what follows within this time is the same change.
const SETTLE: Duration = Duration::from_millis(200);

/// Watches a folder of policies until it is dropped.
pub struct Watcher {
    changes: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Watcher {
    /// Starts watching `directory` and all below it.
    ///
    /// # Errors
    /// [`WatchError`] where the system gives no more watches.
    pub fn new(directory: &Path) -> Result<Self, WatchError> {
        // One place is enough: a change that is not read yet covers every later one.
        let (sender, changes) = mpsc::channel(1);
        let on_event = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                let _ = sender.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(on_event).map_err(|error| WatchError(error.to_string()))?;
        watcher.watch(directory, RecursiveMode::Recursive).map_err(|error| WatchError(error.to_string()))?;
        Ok(Watcher { changes, _watcher: watcher })
    }

    /// Waits for a change, and for it to settle.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            return std::future::pending().await;
        }
        tokio::time::sleep(SETTLE).await;
        let _ = self.changes.try_recv();
    }
}

/// The folder cannot be watched; SIGHUP still reloads.
#[derive(Debug, thiserror::Error)]
#[error("policy files cannot be watched: {0}")]
pub struct WatchError(String);
