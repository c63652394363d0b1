//! What can go wrong, by who can put it right.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be: the caller's to change.
    #[error(transparent)]
    Input(#[from] Input),
    /// What was asked for is fine and did not work: the machine's, or ours, to change.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A [`Spec`](crate::Spec) that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum Input {
    /// The workspace is not there.
    #[error("the workspace `{}` does not exist", .0.display())]
    NoWorkspace(PathBuf),
    /// The workspace is a file or something else.
    #[error("the workspace `{}` is not a folder", .0.display())]
    WorkspaceNotFolder(PathBuf),
    /// The workspace is the whole machine, or holds the sandbox's folder or the gateway's.
    #[error("the workspace `{}` holds exeat's own files: choose a folder below it", .0.display())]
    WorkspaceTooWide(PathBuf),
    /// The folder with the gateway's socket is not there.
    #[error("the gateway's folder `{}` does not exist", .0.display())]
    NoGateway(PathBuf),
    /// An identifier that is no file name.
    #[error("`{0}` cannot name a sandbox: use letters, digits, `-` and `_`, at most 64")]
    BadId(String),
    /// No folder to keep the sandbox in.
    #[error("no state folder given")]
    NoState,
    /// Nothing to run.
    #[error("no command given")]
    NoCommand,
    /// A path or argument that `config.json` cannot hold.
    #[error("`{0}` is not UTF-8, which a sandbox's configuration must be")]
    NotUtf8(String),
    /// A file for the home folder that would land elsewhere.
    #[error("`{}` is not a path within the home folder", .0.display())]
    HomeFile(PathBuf),
    /// A variable that no environment can hold.
    #[error("`{0}` cannot be the name of an environment variable, or its value holds a zero byte")]
    Variable(String),
    /// Too many ports, or port 0.
    #[error("ports must be 1 to 65535, at most 64 of them")]
    Ports,
}

/// Something that a sandbox needs and did not get.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No runsc anywhere.
    #[error("no `runsc` found ({looked}): build it with `make runsc`, or name one in EXEAT_RUNSC")]
    NoRunsc {
        /// Where it was looked for.
        looked: String,
    },
    /// A runsc that cannot do what is needed.
    #[error(
        "`{}` is `{version}`, and release 20240729 or later is needed: build one with `make runsc`, or name one in \
         EXEAT_RUNSC",
        path.display()
    )]
    UnfitRunsc {
        /// The program that was found.
        path: PathBuf,
        /// What it says about itself.
        version: String,
    },
    /// No sandboxd anywhere.
    #[error("no `exeat-sandboxd` found ({looked}): it belongs beside `exeat`, or name one in EXEAT_SANDBOXD")]
    NoSandboxd {
        /// Where it was looked for.
        looked: String,
    },
    /// This machine lets this user have no namespaces.
    #[error("this machine gives this user no namespaces ({why}): {advice}")]
    NoNamespaces {
        /// What the kernel said.
        why: String,
        /// What to do.
        advice: String,
    },
    /// A step before gVisor.
    #[error("cannot {doing}: {source}")]
    Io {
        /// The step, with the path it was about.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A disk's folder.
    #[error(transparent)]
    Disk(#[from] exeat_disks::Error),
    /// A step in a process of ours that reports here.
    #[error("{0}")]
    Helper(String),
    /// gVisor did not start, or stopped by itself.
    #[error("runsc failed: {log}")]
    Runsc {
        /// The last lines of its log.
        log: String,
    },
}

/// Says what was being done when an I/O error came, and to which path.
pub(crate) trait Doing<T> {
    /// `cannot {doing}: …`
    fn doing(self, doing: &str) -> Result<T, Failure>;
    /// ``cannot {doing} `{path}`: …``
    fn doing_to(self, doing: &str, path: &Path) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::Io { doing: doing.to_owned(), source: error.into() })
    }

    fn doing_to(self, doing: &str, path: &Path) -> Result<T, Failure> {
        self.map_err(|error| Failure::Io { doing: format!("{doing} `{}`", path.display()), source: error.into() })
    }
}
