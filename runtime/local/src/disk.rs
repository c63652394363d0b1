//! Work on the folders of a disk, done by a helper as root of a user namespace: whatever modes a sandbox gave to its
//! files, and whatever marks overlayfs put on them, it can read and make them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Failure};
use crate::helper::Helper;
use crate::order::{Order, Report};
use crate::streams::Streams;

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// See [`exeat_disks::capture`].
    Capture { upper: PathBuf, previous: Option<PathBuf>, into: PathBuf },
    /// See [`exeat_disks::flatten`].
    Flatten { stack: Vec<PathBuf>, below: Vec<PathBuf>, into: PathBuf },
}

impl Work {
    /// The helper's part: how many bytes it took.
    pub(crate) fn perform(&self) -> Result<u64, Failure> {
        let failed = |error: exeat_disks::Error| Failure::Helper(error.to_string());
        match self {
            Work::Capture { upper, previous, into } => exeat_disks::capture(upper, previous.as_deref(), into)
                .map(|captured| captured.copied_bytes)
                .map_err(failed),
            Work::Flatten { stack, below, into } => exeat_disks::flatten(stack, below, into).map(|_| 0).map_err(failed),
        }
    }

    fn have_done(self) -> Result<u64, Error> {
        let helper = Helper::start(&Order::Work(self), Streams::none())?;
        let report = helper.hear()?;
        helper.finish(None)?;
        match report {
            Report::Worked { bytes } => Ok(bytes),
            report => Err(crate::helper::failure(report).into()),
        }
    }
}

/// Copies a held generation's upper folder into the new layer `into`, as far as it differs from the layer `previous` that
/// was copied from it before. Gives the bytes that were copied.
///
/// # Errors
/// [`Failure`]; there is no such layer then.
pub fn capture(upper: &Path, previous: Option<&Path>, into: &Path) -> Result<u64, Error> {
    let (upper, previous, into) = (upper.to_owned(), previous.map(Path::to_owned), into.to_owned());
    Work::Capture { upper, previous, into }.have_done()
}

/// Makes one layer of several, the topmost first, which stand above the layers `below`.
///
/// # Errors
/// [`Failure`]; there is no such layer then.
pub fn flatten(stack: Vec<PathBuf>, below: Vec<PathBuf>, into: &Path) -> Result<(), Error> {
    Work::Flatten { stack, below, into: into.to_owned() }.have_done().map(|_| ())
}
