//! Why a workspace is not kept.

use std::io;

use crate::limits;

/// What is wrong with a workspace's archive or with one of its entries.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// `..` anywhere in a name.
    #[error("its name holds `..`")]
    ParentFolder,
    /// A name that does not begin at the workspace.
    #[error("it lies outside of the workspace")]
    Outside,
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
    /// Two entries of one name.
    #[error("the archive holds it twice")]
    Twice,
    /// A path through something that is no folder of the archive.
    #[error("it lies in something that is no folder of the archive")]
    NoFolder,
    /// The workspace itself is no folder, or not in the archive.
    #[error("the archive does not hold the workspace's own folder")]
    NoRoot,
    /// A hard link to something that is no earlier file of the archive.
    #[error("it is a hard link to `{0}`, which is no earlier file of the archive")]
    HardLink(String),
    /// A link without a target.
    #[error("it is a link to nothing")]
    NoTarget,
    /// A folder or link with content.
    #[error("it is of a kind that has no content, and carries {0} bytes")]
    Content(u64),
    /// A sparse file whose regions overlap, or are not as long as its content.
    #[error("it is a sparse file whose regions are wrong")]
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
    /// More than a snapshot may hold.
    #[error("its files have more than {0} bytes: remove what need not be kept, or raise the limit")]
    Bytes(u64),
    /// More than a snapshot may hold.
    #[error("it has more than {0} files, folders and links: remove what need not be kept, or raise the limit")]
    Entries(u64),
    /// More names and attributes than a manifest may hold.
    #[error("its names and attributes take more than {} bytes", limits::MANIFEST_BYTES)]
    Names,
    /// More headers than any workspace has.
    #[error("the archive's headers take more than {} bytes", limits::HEADER_BYTES)]
    Headers,
    /// Something behind the archive's end.
    #[error("more than {} bytes follow the archive's end", limits::TRAILING_BYTES)]
    Trailing,
    /// Cut off, or what it comes from has failed.
    #[error("the archive cannot be read: {0}")]
    Unreadable(io::Error),
}

impl From<io::Error> for Reason {
    /// An error of a reader below, which may hold a reason of ours.
    fn from(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Unreadable)
    }
}

impl From<Reason> for io::Error {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unreadable(error) => error,
            reason => io::Error::other(reason),
        }
    }
}
