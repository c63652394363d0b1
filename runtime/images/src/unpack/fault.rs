//! Why a layer is refused.

use std::io;

use crate::limits;

/// Why a layer was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The layer holds something that is not unpacked.
    #[error("entry `{entry}`: {reason}")]
    Refused {
        /// The entry's name as the layer has it, shown as text.
        entry: String,
        /// What is wrong with it.
        reason: Reason,
    },
    /// The layer as a whole is no good.
    #[error("{0}")]
    Stream(Reason),
    /// The machine refused a step.
    #[error("cannot {doing}: {source}")]
    Io {
        /// The step.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Whoever unpacks elsewhere, such as a process in a user namespace, reports a failure.
    #[error("{0}")]
    Helper(String),
}

impl UnpackError {
    pub(super) fn stream(error: io::Error) -> Self {
        Self::Stream(Reason::from(error))
    }
}

/// What is wrong with a layer or with one of its entries.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// `..` anywhere in a name.
    #[error("its name holds `..`")]
    ParentFolder,
    /// A name without a letter.
    #[error("its name is empty")]
    NoName,
    /// A byte that no name can hold.
    #[error("its name or its target holds a zero byte")]
    ZeroByte,
    /// A name that Linux does not have.
    #[error(
        "its name or its target is too long: at most {} bytes, {} for each part",
        limits::PATH_BYTES,
        limits::NAME_BYTES
    )]
    LongName,
    /// Too many folders in folders.
    #[error("it lies deeper than {} folders", limits::PATH_DEPTH)]
    Deep,
    /// A path that goes through a link.
    #[error("a part of its path is a symbolic link, and links are not followed")]
    ThroughLink,
    /// A path that goes through something that is no folder.
    #[error("a part of its path is not a folder")]
    ThroughFile,
    /// A whiteout that deletes no name.
    #[error("it is a whiteout of no file's name")]
    Whiteout,
    /// A hard link to something that this layer does not have.
    #[error("it is a hard link to `{0}`, which is no file of this layer")]
    HardLink(String),
    /// A link without a target.
    #[error("it is a link to nothing")]
    NoTarget,
    /// A root that is no folder.
    #[error("it would take the place of the layer's root")]
    Root,
    /// A folder, link or device with content.
    #[error("it is of a kind that has no content, and carries {0} bytes")]
    Content(u64),
    /// A file with holes: no container engine writes one into a layer.
    #[error("it is a sparse file, which layers do not have")]
    Sparse,
    /// Something that tar does not define.
    #[error("it is of the unknown kind {0:#04x}")]
    Kind(u8),
    /// Headers that cannot be read.
    #[error("its headers cannot be read: {0}")]
    Header(String),
    /// A user or group that Linux does not have.
    #[error("its owner {0} is not a user or group identifier")]
    Owner(u64),
    /// More than a layer may hold.
    #[error("the layer is larger than {0} bytes after decompression")]
    LayerBytes(u64),
    /// More than a layer may make.
    #[error("the layer makes more than {0} files")]
    Entries(u64),
    /// More folders than can be remembered.
    #[error("the names and attributes of the layer's folders take more than {} bytes", limits::FOLDER_BYTES)]
    FolderBytes,
    /// Damaged, cut off, or not a tar at all.
    #[error("the layer cannot be read: {0}")]
    Unreadable(io::Error),
    /// The machine refused a step.
    #[error("cannot {doing}: {source}")]
    Io {
        /// The step.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl From<io::Error> for Reason {
    /// An error of a reader below, which may hold a reason of ours.
    fn from(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Unreadable)
    }
}

/// Puts the entry's name to a reason.
pub(super) trait Named {
    fn named(self, entry: &[u8]) -> UnpackError;
}

impl Named for Reason {
    fn named(self, entry: &[u8]) -> UnpackError {
        if entry.is_empty() {
            return UnpackError::Stream(self);
        }
        let shown = &entry[..entry.len().min(limits::SHOWN_BYTES)];
        UnpackError::Refused { entry: shown.escape_ascii().to_string(), reason: self }
    }
}

/// Says what was being done when the kernel refused.
pub(super) trait Step<T> {
    fn step(self, doing: &'static str) -> Result<T, Reason>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, doing: &'static str) -> Result<T, Reason> {
        self.map_err(|error| Reason::Io { doing, source: error.into() })
    }
}
