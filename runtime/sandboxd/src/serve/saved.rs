//! Telling when the sandbox has been saved.
//!
//! That breaks the host's sockets, and who waits for one to become readable does not hear of it: gVisor closes it without
//! a word. Instead it has a file whose reading ends when a checkpoint is over that came after it was opened, in the
//! sandbox that goes on and in those that are restored (gVisor, `pkg/sentry/fsimpl/proc/checkpoint.go`). It cannot be
//! polled, so a thread reads it.

use std::fs::File;
use std::io::Read;
use std::thread;

use tokio::sync::watch;

use crate::limits;

const FILE: &str = "/proc/gvisor/checkpoint";

/// Tells when the sandbox has been saved.
pub(super) struct Saved(watch::Receiver<()>);

impl Saved {
    /// Watches from now on. Outside of gVisor there is nothing to tell.
    pub(super) fn watch() -> Self {
        let (sender, receiver) = watch::channel(());
        let wait = move || {
            while let Ok(mut file) = File::open(FILE) {
                let mut said = [0; 16];
                if file.read(&mut said).is_err() || sender.send(()).is_err() {
                    return;
                }
            }
        };
        // Without the thread a connection is found to be lost when somebody writes to it.
        let _ = thread::Builder::new().stack_size(limits::WATCH_STACK_BYTES).spawn(wait);
        Saved(receiver)
    }

    /// What happened so far does not count.
    pub(super) fn forget(&mut self) {
        self.0.mark_unchanged();
    }

    /// Returns once the sandbox has been saved.
    pub(super) async fn happened(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
