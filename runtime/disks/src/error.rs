//! What can go wrong with a disk, said for the person whose disk it is.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Why a disk could not be captured, read or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a step.
    #[error("could not {doing} `{}`: {source}", path.display())]
    Io {
        /// The step, as a verb: "open", "copy to".
        doing: &'static str,
        /// What it was about.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The disk, or the user's share of it, is full.
    #[error("no space is left to {doing} `{}`: remove snapshots or sandboxes that are no longer needed", path.display())]
    Full {
        /// The step, as a verb.
        doing: &'static str,
        /// What it was about.
        path: PathBuf,
    },
    /// What was to be made is there already.
    #[error("`{}` exists already", .0.display())]
    Exists(PathBuf),
    /// Another process is making the same folder.
    #[error("`{}` is being made by another process: wait for it", .0.display())]
    Busy(PathBuf),
    /// Deeper than 2048 folders, or a path longer than Linux takes.
    #[error("`{}` is nested too deeply", shortened(.0))]
    TooDeep(PathBuf),
    /// A folder, a walk, or a stack has more members than the limit.
    #[error("`{}` has too many entries", .0.display())]
    TooMany(PathBuf),
    /// Something moved or replaced a folder while it was being read.
    #[error("`{}` changed while it was read: pause the sandbox first", .0.display())]
    Changed(PathBuf),
    /// The path cannot be a path inside a tree: it is absolute, has `..`, or does not lead where it should.
    #[error("`{}` is not {wanted} in this tree", path.display())]
    NotThere {
        /// The path as it was asked for.
        path: PathBuf,
        /// What was looked for: "a file", "a symlink".
        wanted: &'static str,
    },
}

impl Error {
    /// Names the step and the path for an answer of the kernel; a full disk gets its own error.
    pub(crate) fn on<P: AsRef<Path> + ?Sized>(doing: &'static str, path: &P) -> impl FnOnce(Errno) -> Self {
        move |errno| {
            let path = path.as_ref().to_owned();
            match errno {
                Errno::NOSPC | Errno::DQUOT => Self::Full { doing, path },
                Errno::NAMETOOLONG => Self::TooDeep(path),
                other => Self::Io { doing, path, source: other.into() },
            }
        }
    }
}

/// The start of a path that is too long to print.
fn shortened(path: &Path) -> String {
    path.to_string_lossy().chars().take(120).collect()
}
