//! What the processes of one sandbox say to each other, over the pair of sockets that also tells them who lives.
//!
//! ```text
//!   run ── Order ─────────────▶ helper
//!   run ◀──────────── Entered ─ helper      it has a user namespace, without identities
//!   run ── Mapped ────────────▶ helper      it has identities
//!   run ◀───────────── Failed ─ helper, init: only where something fails
//! ```
//!
//! A sandbox that is kept goes on:
//!
//! ```text
//!   keep ◀──────────── Forked ─ helper      process 1 exists
//!   keep ◀─────────── Running ─ init        the sandbox runs
//!   keep ── Kept ─────────────▶ helper      it is written down, and may outlive us
//! ```

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::disk::{Done, Work};
use crate::error::Failure;
use crate::limits;
use crate::process::Process;

/// What the helper shall do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// See whether there are namespaces at all.
    Check,
    /// Start a sandbox, which ends with whoever asked.
    Launch(Launch),
    /// Start a sandbox that stays.
    Keep(Keep),
    /// Do something with a sandbox that stays. The helper takes no namespaces of its own, but the sandbox's.
    Enter(Enter),
    /// Work on folders as root of a user namespace, to whom no mode is an obstacle.
    Work(Work),
}

/// A bundle that is ready but for its mounts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The sandbox's name.
    pub(crate) id: String,
    /// The sandbox's folder.
    pub(crate) state: PathBuf,
    /// The program.
    pub(crate) runsc: PathBuf,
    /// What init binds.
    pub(crate) binds: Vec<Bind>,
    /// Standard input, output and error are one terminal.
    pub(crate) terminal: bool,
}

/// A generation's folder with its `config.json`, ready but for its mounts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Keep {
    /// The sandbox's name.
    pub(crate) id: String,
    /// The generation's folder.
    pub(crate) folder: PathBuf,
    /// The program.
    pub(crate) runsc: PathBuf,
    /// The layers of its disk, the topmost first.
    pub(crate) layers: Vec<PathBuf>,
    /// The image of the memory that it goes on from.
    pub(crate) memory: Option<PathBuf>,
}

/// What is to be done with a sandbox that stays.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Enter {
    /// Its process 1.
    pub(crate) init: Process,
    /// Its name.
    pub(crate) id: String,
    /// The generation's folder.
    pub(crate) folder: PathBuf,
    /// The program.
    pub(crate) runsc: PathBuf,
    /// What to do.
    pub(crate) verb: Verb,
}

/// Something that runsc does with a running sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Verb {
    /// Nothing in it runs any more.
    Hold,
    /// It runs again.
    Release,
    /// Its memory is saved into a folder.
    Checkpoint(PathBuf),
}

/// A file or folder of the host that appears in the root filesystem.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
}

/// What the helper says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// It is in its namespaces and waits for its identities.
    Entered,
    /// A sandbox that is kept has a process 1, with this number outside.
    Forked { pid: i32 },
    /// A sandbox that is kept runs.
    Running,
    /// Work on folders is done.
    Done(Done),
    /// The kernel refused a namespace.
    NoNamespaces(String),
    /// Something else went wrong.
    Failed(String),
}

impl From<Failure> for Report {
    fn from(failure: Failure) -> Self {
        Report::Failed(failure.to_string())
    }
}

/// What the parent answers to [`Report::Entered`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mapped;

/// What the parent answers to [`Report::Running`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept;

/// Sends one message, behind its length.
pub(crate) fn send(mut socket: impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= limits::MESSAGE_BYTES);
    let length = length.ok_or_else(|| io::Error::other("the message is too long"))?;
    socket.write_all(&[&length.to_be_bytes()[..], &bytes].concat())
}

/// Receives one message; nothing where the other side has closed.
pub(crate) fn receive<T: DeserializeOwned>(mut socket: impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length);
    if length > limits::MESSAGE_BYTES {
        return Err(io::Error::other("the message is too long"));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    socket.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_and_the_end_is_no_message() {
        let mut wire = Vec::new();
        send(&mut wire, &Report::Failed("x".into())).unwrap();
        let mut wire = wire.as_slice();
        assert!(matches!(receive(&mut wire).unwrap(), Some(Report::Failed(text)) if text == "x"));
        assert!(receive::<Report>(&mut wire).unwrap().is_none());
        assert!(receive::<Report>(&[0xff; 8][..]).is_err());
    }
}
