//! Why an origin cannot start or does not answer. `exeat demo` shows these to people, so each says what to do.

use std::io;

/// What went wrong with an origin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, a socket or a process could not be used.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was being done, to follow "cannot".
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A name that no certificate can carry.
    #[error("cannot issue a certificate for `{names}`: {source}; give DNS names or addresses")]
    Certificate {
        /// The names asked for.
        names: String,
        /// What was wrong with them.
        source: rcgen::Error,
    },
    /// TLS could not be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A program that the origin is made of is missing.
    #[error("{0}")]
    Missing(String),
    /// A program that the origin is made of failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The program and its first arguments.
        command: String,
        /// What it printed.
        output: String,
    },
    /// A name that is not a repository's or a package's.
    #[error("`{0}` is not a name of the form `owner/name`")]
    Name(String),
    /// Verdaccio did not come up, or refused what it was asked.
    #[error("verdaccio {what}; it printed:\n{output}")]
    Verdaccio {
        /// What it did or did not do.
        what: String,
        /// The end of what it printed.
        output: String,
    },
}

/// Puts what was being done beside the system's answer.
pub(crate) trait Doing<T> {
    /// `doing` follows "cannot".
    fn doing(self, doing: impl Into<String>) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing: doing.into(), source })
    }
}
