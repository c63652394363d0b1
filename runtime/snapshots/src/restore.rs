//! Going back: a snapshot as a tar archive.
//!
//! All chunks are read and checked before the first byte is given out: sandboxd unpacks over what is there, so an
//! archive that broke off half-way would leave a mixture. The first so many bytes are kept meanwhile; the rest is read
//! twice.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use exeat_digest::Digest;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use crate::archive::{self, Piece, Step};
use crate::error::Error;
use crate::limits;
use crate::manifest::{Kind, Manifest};
use crate::store::Namespace;
use crate::verify::Held;

/// Pieces of the archive on their way.
const WAITING: usize = 4;

/// A snapshot's archive, whose names begin in the workspace (`./`, `./a`). For equal workspaces it is the same, byte by
/// byte. It ends with an error where it could not be read to its end.
#[derive(Debug)]
pub struct Restored {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    ended: bool,
    bytes: u64,
    entries: u64,
}

impl Restored {
    /// All files in it, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Files, folders and links in it.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }
}

impl Namespace {
    /// A snapshot's content as a tar archive, once all of it was checked. While it is read, nothing of it is collected,
    /// even where the snapshot is deleted.
    ///
    /// # Errors
    /// [`Error::NoContent`] where no snapshot here has this digest, [`Error::Damaged`] where anything of it is wrong.
    pub async fn restore(&self, digest: &Digest) -> Result<Restored, Error> {
        let claim = self.claim_use().await?;
        let (manifest, held) = match self.checked(digest).await {
            Ok(checked) => checked,
            Err(error) => {
                claim.release().await;
                return Err(error);
            }
        };
        let (sender, pieces) = mpsc::channel(WAITING);
        let (bytes, entries) = (size(&manifest), manifest.entries.len() as u64);
        let namespace = self.clone();
        tokio::spawn(async move {
            let written = namespace.write(&manifest, &held, &sender).await;
            let last = written.map(|()| Bytes::new()).map_err(io::Error::other);
            claim.release().await;
            // Where nobody reads it any more, there is nobody to tell.
            let _ = sender.send(last).await;
        });
        Ok(Restored { pieces, current: Bytes::new(), ended: false, bytes, entries })
    }

    async fn checked(&self, digest: &Digest) -> Result<(Manifest, Held), Error> {
        let manifest = self.open_manifest(*digest).await?;
        let (verified, held) = self.check(&manifest).await?;
        let others = verified.others + (verified.damage.len() as u64).saturating_sub(1);
        match verified.damage.into_iter().next() {
            Some(first) => Err(Error::Damaged { first, others }),
            None => Ok((manifest, held)),
        }
    }

    async fn write(
        &self, manifest: &Manifest, held: &Held, sender: &mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<(), Error> {
        let mut chunks = std::pin::pin!(self.chunks_of(manifest, held));
        let mut open: Option<(u32, Bytes)> = None;
        for Step { entry, pieces, padding } in archive::steps(manifest) {
            let header = archive::header(entry).map_err(|error| Error::Interrupted(error.to_string()))?;
            let mut out = vec![Bytes::from(header)];
            for Piece { chunk, range } in pieces {
                if open.as_ref().is_none_or(|(place, _)| *place != chunk) {
                    open = chunks.next().await.transpose()?;
                }
                let part = open.as_ref().and_then(|(_, bytes)| (range.end <= bytes.len()).then(|| bytes.slice(range)));
                out.push(part.ok_or_else(|| Error::Interrupted("a chunk is shorter than it was".to_owned()))?);
                send(sender, &mut out).await?;
            }
            out.push(vec![0; padding].into());
            send(sender, &mut out).await?;
        }
        send(sender, &mut vec![archive::end().into()]).await
    }

    /// The chunks in the order in which they are needed, some of them read ahead.
    fn chunks_of<'a>(
        &'a self, manifest: &'a Manifest, held: &'a Held,
    ) -> impl Stream<Item = Result<(u32, Bytes), Error>> + 'a {
        let mut last = None;
        let needed = archive::steps(manifest).flat_map(|step| step.pieces).map(|piece| piece.chunk);
        let changes = needed.filter(move |place| last.replace(*place) != Some(*place));
        let read = changes.map(async |place| {
            let Some(chunk) = manifest.chunks.get(place as usize).copied() else {
                return Err(Error::Interrupted("a manifest lacks a chunk".to_owned()));
            };
            let stored = match held.get(&place) {
                Some(stored) => stored.clone(),
                None => self.stored_chunk(&chunk.digest).await?,
            };
            Ok((place, self.open_chunk(chunk, stored).await?))
        });
        futures_util::stream::iter(read).buffered(limits::TRANSFERS)
    }
}

async fn send(sender: &mpsc::Sender<io::Result<Bytes>>, out: &mut Vec<Bytes>) -> Result<(), Error> {
    for piece in out.drain(..).filter(|piece| !piece.is_empty()) {
        sender.send(Ok(piece)).await.map_err(|_| Error::Interrupted("nobody reads the archive any more".into()))?;
    }
    Ok(())
}

fn size(manifest: &Manifest) -> u64 {
    let sizes = manifest.entries.iter().map(|entry| match &entry.kind {
        Kind::File(content) => content.size(),
        Kind::Folder | Kind::Link(_) => 0,
    });
    sizes.fold(0, u64::saturating_add)
}

impl AsyncRead for Restored {
    fn poll_read(
        mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.current.is_empty() && !self.ended {
            match ready!(self.pieces.poll_recv(context)) {
                // An empty piece is the end; a channel that is closed without one broke off.
                Some(Ok(piece)) => {
                    self.ended = piece.is_empty();
                    self.current = piece;
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Err(io::Error::other("the snapshot could not be read to its end"))),
            }
        }
        let size = buffer.remaining().min(self.current.len());
        buffer.put_slice(&self.current[..size]);
        self.current.advance(size);
        Poll::Ready(Ok(()))
    }
}
