//! What can go wrong, in words for whoever pulls an image.

use std::io;
use std::path::{Path, PathBuf};

use exeat_digest::{Digest, NoDigest};

use crate::digest::LayerId;
use crate::limits;
use crate::unpack::UnpackError;

/// Why an image cannot be had, listed or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Text that names no image.
    #[error("`{text}` does not name an image: {why}")]
    Reference {
        /// What was given.
        text: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// Text that is no digest.
    #[error(transparent)]
    Digest(#[from] NoDigest),
    /// A manifest, an index or a configuration that cannot be used.
    #[error("the image's {what} is refused: {why}")]
    Document {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// An image made for others.
    #[error("the image is not for this machine, which is `{wanted}`; it is for {offered}")]
    Platform {
        /// This machine.
        wanted: String,
        /// What the image offers.
        offered: String,
    },
    /// A blob that is not what its descriptor says.
    #[error("blob `{digest}` is refused: {fault}")]
    Blob {
        /// The digest that was promised.
        digest: Digest,
        /// How it differs.
        fault: BlobFault,
    },
    /// A layer that cannot be unpacked.
    #[error("layer `{layer}` cannot be unpacked: {source}")]
    Unpack {
        /// Which layer.
        layer: LayerId,
        /// The entry and the reason.
        source: UnpackError,
    },
    /// A layer whose content is not what the configuration says.
    #[error("layer `{layer}` is refused: its content has the digest `{found}`")]
    DiffId {
        /// What the configuration says.
        layer: LayerId,
        /// What was unpacked.
        found: LayerId,
    },
    /// A registry that does not give what is asked for.
    #[error("registry `{host}`: {why}")]
    Registry {
        /// Where.
        host: String,
        /// What it did.
        why: String,
    },
    /// No credentials where there should be some.
    #[error("credentials for `{host}` cannot be read: {why}")]
    Credentials {
        /// For which registry.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// A layout or an archive that does not hold what it should.
    #[error("`{}` holds no image that can be used: {why}", path.display())]
    Import {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An image that was never pulled.
    #[error("there is no image `{0}` here: pull it first")]
    NoImage(String),
    /// A record of ours that cannot be read.
    #[error("the record `{}` is damaged ({why}): remove it and pull the image again", path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another process that does not end.
    #[error("another process has held `{}` for {} minutes: end it, or wait longer", .0.display(), limits::LOCK_WAIT.as_secs() / 60)]
    Busy(PathBuf),
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

/// How a blob differs from its descriptor.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BlobFault {
    /// It ends too early.
    #[error("it has {found} bytes of the {promised} promised")]
    Short {
        /// By the descriptor, in bytes.
        promised: u64,
        /// What came, in bytes.
        found: u64,
    },
    /// It goes on.
    #[error("it is longer than the {promised} bytes promised")]
    Long {
        /// By the descriptor, in bytes.
        promised: u64,
    },
    /// It is something else.
    #[error("its content has the digest `{found}`")]
    Digest {
        /// What came.
        found: Digest,
    },
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
