//! Taking a snapshot.
//!
//! ```text
//!   feed (async) ─▶ channel ─▶ archive::read (a thread) ─▶ channel ─▶ keep (async, several at once)
//! ```
//!
//! Channels are short, so that whatever is slowest holds up the rest, and a workspace of any size takes the same
//! memory, but for its manifest.

use std::io::{self, Read};

use bytes::{Buf, Bytes, BytesMut};
use exeat_digest::Digest;
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::archive::{self, Contents};
use crate::claim::Claim;
use crate::error::Error;
use crate::record::{self, Snapshot};
use crate::store::Namespace;
use crate::{limits, names};

/// Pieces of the archive, and chunks, on their way.
const WAITING: usize = 2;

/// What is known of a snapshot before it is taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meta {
    /// What it is to be called.
    pub name: String,
    /// Of which sandbox.
    pub sandbox: String,
    /// That sandbox's UID.
    pub sandbox_uid: String,
    /// The snapshot that it follows.
    pub parent: Option<String>,
    /// When it is taken.
    pub taken: Timestamp,
    /// The folder that all names in the archive begin with, and which is not kept: `workspace` for one that sandboxd
    /// makes of `/workspace`. Empty where names begin in the workspace.
    pub folder: String,
}

impl Namespace {
    /// Takes a snapshot from a workspace's tar archive. When it returns, the snapshot is on the disk. It can be dropped
    /// at any time: what was written so far is collected later.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is one of that name, [`Error::Refused`] where the archive holds what is not kept,
    /// [`Error::Source`] where it breaks off, [`Error::Busy`] where a collector does not end.
    pub async fn take(&self, meta: Meta, archive: impl AsyncRead + Send + Unpin) -> Result<Snapshot, Error> {
        let meta = meta.checked()?;
        let claim = self.claim_use().await?;
        let taken = self.take_claimed(meta, archive, &claim).await;
        claim.release().await;
        taken
    }

    async fn take_claimed(
        &self, meta: Meta, archive: impl AsyncRead + Send + Unpin, claim: &Claim,
    ) -> Result<Snapshot, Error> {
        let key = self.record(&meta.name);
        let exists = || Error::Exists { namespace: self.name.clone(), name: meta.name.clone() };
        if self.backend.has(&key).await? {
            return Err(exists());
        }
        let (contents, stored_chunks) = self.store_contents(&meta.folder, archive).await?;
        let (bytes, files, skipped) = (contents.bytes, contents.files, contents.skipped);
        let mut folders: Vec<_> =
            contents.manifest.chunks.iter().map(|chunk| self.chunks(chunk.digest.as_bytes()[0])).collect();
        folders.push(self.manifests());
        let (digest, stored_manifest) = self.put_manifest(contents.manifest).await?;
        self.backend.settle(folders).await?;

        let stored_bytes = stored_chunks + stored_manifest;
        let Meta { name, sandbox, sandbox_uid, parent, taken, .. } = meta.clone();
        let namespace = self.name.clone();
        let snapshot = Snapshot {
            namespace,
            name,
            sandbox,
            sandbox_uid,
            parent,
            taken,
            digest,
            bytes,
            stored_bytes,
            files,
            skipped,
        };
        claim.check()?;
        if !self.backend.create(&key, record::encode(&snapshot)?).await? {
            return Err(exists());
        }
        if claim.check().is_err() {
            // A collector may have removed a chunk that this snapshot relies on.
            self.backend.delete(&key).await?;
            return Err(Error::Overdue);
        }
        Ok(snapshot)
    }

    /// Stores all chunks that are not there, and says what the archive holds and how many bytes that took.
    async fn store_contents(
        &self, folder: &str, archive: impl AsyncRead + Send + Unpin,
    ) -> Result<(Contents, u64), Error> {
        let (feeding, pieces) = mpsc::channel(WAITING);
        let (found, chunks) = mpsc::channel(WAITING);
        let (folder, limits) = (folder.to_owned(), self.limits);
        let reading = spawn_blocking(move || {
            let keep = |digest, content| found.blocking_send((digest, content)).map_err(|_| gone());
            archive::read(Pieces { pieces, current: Bytes::new() }, &folder, limits, keep)
        });
        // Where storing fails, its reason counts, and not that the thread then finds nobody who takes its chunks.
        let ((), stored) = tokio::try_join!(feed(archive, feeding), self.store_chunks(chunks))?;
        let contents = reading.await?.map_err(Error::from)?;
        Ok((contents, stored))
    }

    async fn store_chunks(&self, chunks: mpsc::Receiver<(Digest, Vec<u8>)>) -> Result<u64, Error> {
        let chunks = futures_util::stream::unfold(chunks, async |mut chunks| {
            let chunk = chunks.recv().await;
            chunk.map(|chunk| (chunk, chunks))
        });
        let stored = chunks.map(|(digest, content)| self.put_chunk(digest, content));
        stored.buffer_unordered(limits::TRANSFERS).try_fold(0, async |sum, bytes| Ok(sum + bytes)).await
    }
}

impl Meta {
    fn checked(self) -> Result<Self, Error> {
        names::snapshot(&self.name)?;
        names::name("sandbox", &self.sandbox)?;
        names::name("sandbox's UID", &self.sandbox_uid)?;
        self.parent.as_deref().map(names::snapshot).transpose()?;
        if self.folder.contains(['/', '\0']) || matches!(&*self.folder, "." | "..") {
            let why = "one name without `/` is";
            return Err(Error::Name { what: "workspace's folder", text: self.folder, why });
        }
        Ok(self)
    }
}

/// Reads the archive as fast as it is used. An error of it goes through the channel, so that the thread ends with it.
async fn feed(
    mut archive: impl AsyncRead + Send + Unpin, pieces: mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), Error> {
    loop {
        let mut bytes = BytesMut::with_capacity(limits::BUFFER_BYTES);
        let read = tokio::time::timeout(limits::SILENCE, archive.read_buf(&mut bytes)).await;
        let silent =
            || io::Error::new(io::ErrorKind::TimedOut, format!("silent for {} seconds", limits::SILENCE.as_secs()));
        let piece = match read.unwrap_or_else(|_| Err(silent())) {
            Ok(0) => return Ok(()),
            Ok(_) => Ok(bytes.freeze()),
            Err(error) => Err(error),
        };
        let failed = piece.is_err();
        // Where the thread has ended, it says why.
        if pieces.send(piece).await.is_err() || failed {
            return Ok(());
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes the chunks any more")
}

/// The archive on the thread's side.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let size = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..size]);
        Ok(size)
    }
}
