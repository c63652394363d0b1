//! Why something was not done. Whatever it is, the sandbox is as it was before, or as it should be after.

use std::io;
use std::path::Path;

use exeat_lifecycle::Refused;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing has this name.
    #[error("there is no {kind} `{name}`")]
    NotFound {
        /// `sandbox`, `snapshot`, `pool`.
        kind: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The name is taken.
    #[error("a sandbox `{0}` exists already")]
    Exists(String),
    /// Not now.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Its time is over.
    #[error("the time of sandbox `{0}` is over; give it a later shutdown time first")]
    Expired(String),
    /// What was asked for cannot be.
    #[error("{0}")]
    Input(String),
    /// A snapshot that cannot be started from.
    #[error("{0}")]
    Unusable(String),
    /// No room.
    #[error("the disk is full: {0}")]
    Full(String),
    /// Something that should have worked did not.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// What the kernel said about a file or folder.
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        Error::of(error.kind(), format!("cannot {doing} `{}`: {error}", path.display()))
    }

    fn of(kind: io::ErrorKind, message: String) -> Self {
        match kind {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full(message),
            _ => Error::Failed(message),
        }
    }
}

impl From<exeat_local::Error> for Error {
    fn from(error: exeat_local::Error) -> Self {
        match error {
            exeat_local::Error::Input(input) => Error::Input(input.to_string()),
            exeat_local::Error::Failed(failure) => {
                let kind = match &failure {
                    exeat_local::Failure::Io { source, .. } => source.kind(),
                    _ => io::ErrorKind::Other,
                };
                Error::of(kind, failure.to_string())
            }
        }
    }
}
