//! A workspace on its way out of a pod and into the store.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use exeat_api::{ResourceExt, SandboxSnapshot};
use exeat_inside::Api;
use exeat_inside::client::{Archive, Inside};
use exeat_snapshots::{Error, Meta, Snapshot};
use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_util::io::StreamReader;

use super::plan::Source;
use super::{Snapshots, Untaken};
use crate::limits;
use crate::wiring::WORKSPACE;

impl Snapshots {
    /// Takes it, or finds that it has been taken.
    pub(super) async fn take(&self, snapshot: &SandboxSnapshot, from: &Source) -> Result<Snapshot, Untaken> {
        let passing = |why: String| Untaken { why, passes: true };
        let storage = self.storage.as_ref().ok_or_else(|| passing("there is no store".to_owned()))?;
        let namespace = storage.namespace(&snapshot.namespace().unwrap_or_default()).await?;
        let (name, sandbox) = (snapshot.name_any(), snapshot.spec.sandbox_name.clone());
        match namespace.get(&name).await {
            Ok(record) if record.sandbox == sandbox && record.sandbox_uid == from.sandbox_uid => return Ok(record),
            Ok(_) => {
                let why =
                    format!("the store has a snapshot `{name}` of another sandbox: take this one under another name");
                return Err(Untaken { why, passes: false });
            }
            Err(Error::NoSnapshot { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let inside = inside(from.address).await.map_err(|error| passing(error.to_string()))?;
        let archive = inside.archive(WORKSPACE).await.map_err(|error| passing(error.to_string()))?;
        let meta = Meta {
            name,
            sandbox,
            sandbox_uid: from.sandbox_uid.clone(),
            parent: from.parent.clone(),
            taken: Timestamp::now(),
            folder: WORKSPACE.trim_start_matches('/').to_owned(),
        };
        Ok(namespace.take(meta, StreamReader::new(pieces(archive))).await?)
    }
}

/// sandboxd in the pod at this address.
pub(crate) async fn inside(address: IpAddr) -> io::Result<Inside> {
    let address = SocketAddr::new(address, Api::Exeat.port());
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let stream = timeout(limits::DIAL_TIME, socket.connect(address)).await??;
    Inside::over(stream).await.map_err(io::Error::other)
}

/// An archive as bytes to be read.
fn pieces(archive: Archive) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
    Box::pin(stream::try_unfold(archive, |mut archive| async {
        let piece = archive.next().await.map_err(io::Error::other)?;
        Ok(piece.map(|piece| (piece, archive)))
    }))
}

impl From<Error> for Untaken {
    fn from(error: Error) -> Self {
        // What the workspace holds can change, and a name can be free again; nobody waits for either in passing.
        let passes = !matches!(error, Error::Refused { .. } | Error::Exists { .. } | Error::Name { .. });
        Untaken { why: error.to_string(), passes }
    }
}
