//! What the processes of one sandbox say to each other, over the pair of sockets that also tells them who lives.
//!
//! ```text
//!   run ── Order ─────────────▶ helper
//!   run ◀──────────── Entered ─ helper      it has a user namespace, without identities
//!   run ── Mapped ────────────▶ helper      it has identities
//!   run ◀───────────── Failed ─ helper, init: only where something fails
//! ```

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::limits;

/// What the helper shall do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// See whether there are namespaces at all.
    Check,
    /// Start a sandbox.
    Launch(Launch),
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
