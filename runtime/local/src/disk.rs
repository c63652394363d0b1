//! Work on the folders of a disk, done by a helper as root of a user namespace: whatever modes a sandbox gave to its
//! files, and whatever marks overlayfs put on them, it can read and make them.

use std::io::Read;
use std::path::{Path, PathBuf};

use exeat_images::{Limits, Unpack, UnpackError, Unpacked};
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Error, Failure};
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
    /// See [`exeat_images::unpack`]. The layer's bytes are the helper's standard input.
    Unpack { folder: PathBuf, limits: Limits },
}

impl Work {
    /// The helper's part: what it did.
    pub(crate) fn perform(&self) -> Result<Done, Failure> {
        match self {
            Work::Capture { upper, previous, into } => {
                let captured = exeat_disks::capture(upper, previous.as_deref(), into);
                Ok(Done::Captured { bytes: captured.map_err(failed)?.copied_bytes })
            }
            Work::Flatten { stack, below, into } => {
                exeat_disks::flatten(stack, below, into).map_err(failed)?;
                Ok(Done::Flattened)
            }
            Work::Unpack { folder, limits } => {
                let unpacked = exeat_images::unpack(std::io::stdin().lock(), folder, limits);
                unpacked.map(Done::Unpacked).map_err(failed)
            }
        }
    }

    fn have_done(self, input: &mut dyn Read) -> Result<Done, Error> {
        let (reader, mut writer) = std::io::pipe().doing("make a pipe")?;
        let helper = Helper::start(&Order::Work(self), Streams { stdin: reader.into(), ..Streams::none() })?;
        // Where it wants no more of it, it says why.
        let _ = std::io::copy(input, &mut writer);
        drop(writer);
        let report = helper.hear()?;
        helper.finish(None)?;
        match report {
            Report::Done(done) => Ok(done),
            report => Err(crate::helper::failure(report).into()),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Helper(error.to_string())
}

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Done {
    /// So many bytes were copied.
    Captured { bytes: u64 },
    /// There is one layer.
    Flattened,
    /// There is an image's layer.
    Unpacked(Unpacked),
}

fn out_of_turn() -> Error {
    failed("the sandbox's helper did something else").into()
}

/// Copies a held generation's upper folder into the new layer `into`, as far as it differs from the layer `previous` that
/// was copied from it before. Gives the bytes that were copied.
///
/// # Errors
/// [`Failure`]; there is no such layer then.
pub fn capture(upper: &Path, previous: Option<&Path>, into: &Path) -> Result<u64, Error> {
    let (upper, previous, into) = (upper.to_owned(), previous.map(Path::to_owned), into.to_owned());
    match (Work::Capture { upper, previous, into }).have_done(&mut std::io::empty())? {
        Done::Captured { bytes } => Ok(bytes),
        _ => Err(out_of_turn()),
    }
}

/// Makes one layer of several, the topmost first, which stand above the layers `below`.
///
/// # Errors
/// [`Failure`]; there is no such layer then.
pub fn flatten(stack: Vec<PathBuf>, below: Vec<PathBuf>, into: &Path) -> Result<(), Error> {
    match (Work::Flatten { stack, below, into: into.to_owned() }).have_done(&mut std::io::empty())? {
        Done::Flattened => Ok(()),
        _ => Err(out_of_turn()),
    }
}

/// Unpacks images' layers.
pub struct Unpacker;

impl Unpack for Unpacker {
    fn unpack(&self, layer: &mut dyn Read, folder: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
        match (Work::Unpack { folder: folder.to_owned(), limits: *limits }).have_done(layer) {
            Ok(Done::Unpacked(unpacked)) => Ok(unpacked),
            Ok(_) => Err(UnpackError::Helper(out_of_turn().to_string())),
            Err(error) => Err(UnpackError::Helper(error.to_string())),
        }
    }
}
