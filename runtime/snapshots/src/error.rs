//! What can go wrong, in words for whoever takes a snapshot or goes back to one.

use std::io;
use std::path::{Path, PathBuf};

use exeat_digest::{Digest, NoDigest};

use crate::archive::Reason;

/// Why a snapshot cannot be taken, found, restored or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Text that can be no name here.
    #[error("`{}` cannot be the name of a {what}: {why}", text.escape_debug())]
    Name {
        /// Of what.
        what: &'static str,
        /// What was given.
        text: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// Text that is no digest.
    #[error(transparent)]
    Digest(#[from] NoDigest),
    /// Settings that cannot be used.
    #[error("the settings of the snapshot store cannot be used: {0}")]
    Settings(String),
    /// A name that is in use.
    #[error("there is a snapshot `{name}` in namespace `{namespace}` already: take this one under another name")]
    Exists {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
    },
    /// A snapshot that is not there.
    #[error("there is no snapshot `{name}` in namespace `{namespace}`")]
    NoSnapshot {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
    },
    /// Content that is not there.
    #[error("namespace `{namespace}` holds no snapshot with the digest `{digest}`")]
    NoContent {
        /// Where.
        namespace: String,
        /// Which.
        digest: Digest,
    },
    /// A workspace that holds what is not kept.
    #[error("the workspace cannot be kept: {}{reason}", named(entry.as_deref()))]
    Refused {
        /// The entry's name as the archive has it, shown as text.
        entry: Option<String>,
        /// What is wrong.
        reason: Reason,
    },
    /// The archive broke off. It is the sandbox's side that failed.
    #[error("the workspace could not be read to its end: {0}; take the snapshot again")]
    Source(io::Error),
    /// Something stored is not what it was.
    #[error("the snapshot is damaged, go back to another one: {first}{}", more(*.others))]
    Damaged {
        /// The first damage.
        first: Damage,
        /// How many more objects are damaged.
        others: u64,
    },
    /// What a damaged snapshot needs is not known, so nothing can be collected beside it.
    #[error("nothing is removed, since snapshot `{name}` is damaged: {first}; delete that snapshot")]
    Uncollectable {
        /// Which snapshot.
        name: String,
        /// What is wrong with it.
        first: Damage,
    },
    /// A collector or a snapshot is in the way.
    #[error("{0}: try again in a minute")]
    Busy(String),
    /// The claim ran out before the work was done.
    #[error("the work was held up for so long that it cannot be relied upon, and was undone: try again")]
    Overdue,
    /// The storage does not do what is asked.
    #[error("{place}: cannot {doing} `{key}`: {why}")]
    Storage {
        /// Which storage.
        place: String,
        /// What was being done.
        doing: &'static str,
        /// With which object.
        key: String,
        /// What it said, and what helps.
        why: String,
    },
    /// The machine refused a step.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// The step.
        doing: &'static str,
        /// What it was about.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A thread of ours ended early.
    #[error("the work was interrupted: {0}")]
    Interrupted(String),
}

fn named(entry: Option<&str>) -> String {
    entry.map(|entry| format!("`{entry}`: ")).unwrap_or_default()
}

fn more(others: u64) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more objects)") }
}

/// One object that is not what it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{object}` {fault}{}", affected(.paths, *.others))]
pub struct Damage {
    /// The object's key in the storage.
    pub object: String,
    /// How it differs.
    pub fault: Fault,
    /// The first paths of the workspace that need it.
    pub paths: Vec<String>,
    /// How many more paths do.
    pub others: u64,
}

fn affected(paths: &[String], others: u64) -> String {
    let shown: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
    match (paths.is_empty(), others) {
        (true, _) => String::new(),
        (false, 0) => format!(", which {} needs", shown.join(", ")),
        (false, others) => format!(", which {} and {others} more need", shown.join(", ")),
    }
}

/// How an object differs from what it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// It is not there.
    #[error("is gone")]
    Gone,
    /// It is longer than any of its kind.
    #[error("is longer than {0} bytes")]
    Long(u64),
    /// It cannot be decompressed: it was cut off or changed.
    #[error("cannot be decompressed: {0}")]
    Compression(String),
    /// It is something else.
    #[error("has the digest `{0}`")]
    Digest(Digest),
    /// Its digest is right, and it makes no sense: it was written by another version, or by somebody else.
    #[error("cannot be read: {0}")]
    Form(String),
}

impl Damage {
    pub(crate) fn of(object: impl Into<String>, fault: Fault) -> Self {
        Self { object: object.into(), fault, paths: Vec::new(), others: 0 }
    }
}

impl From<Damage> for Error {
    fn from(first: Damage) -> Self {
        Self::Damaged { first, others: 0 }
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Interrupted(error.to_string())
    }
}

/// Says what was being done when an I/O error came, and to which path.
pub(crate) trait Doing<T> {
    /// ``cannot {doing} `{path}`: …``
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|error| Error::Io { doing, path: path.to_owned(), source: error.into() })
    }
}
