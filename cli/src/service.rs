//! What every command needs that serves until it is stopped.

use exeat_policy::Watcher;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::problem::Problem;

/// Each connection is a file descriptor, and the usual soft limit is 1,024. Where the hard one is low too, fewer clients fit.
pub(crate) fn allow_many_connections() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Waits until a folder of policies has changed; for ever where it cannot be watched.
pub(crate) async fn changed(watcher: &mut Option<Watcher>) {
    match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    }
}

/// What a signal asks for.
pub(crate) enum Wanted {
    Stop,
    Reload,
}

/// The signals that a service listens to.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    reload: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, Problem> {
        let listen = |kind| signal(kind).map_err(Problem::failure);
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            reload: listen(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Wanted {
        tokio::select! {
            _ = self.interrupt.recv() => Wanted::Stop,
            _ = self.terminate.recv() => Wanted::Stop,
            _ = self.reload.recv() => Wanted::Reload,
        }
    }
}
