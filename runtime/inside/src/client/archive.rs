//! Files in and out, as tar archives.

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::calls::{Messages, whole};
use super::{Error, Inside, Outgoing};
use crate::control::{Piece, Place, path};
use crate::framing::frame;
use crate::process::Empty;
use crate::{Api, limits};

/// Pieces of an archive on their way to the connection.
const WAITING: usize = 2;

impl Inside {
    /// The file or folder at `path` as a tar archive, whose names begin with its last part.
    ///
    /// # Errors
    /// [`Error::Refused`] with `NotFound` where there is nothing.
    pub async fn archive(&self, path: &str) -> Result<Archive, Error> {
        let place = Place { path: path.to_owned() };
        Ok(Archive(self.call(Api::Exeat, path::ARCHIVE, whole(&place)?).await?))
    }

    /// Unpacks a tar archive into the folder at `path`. What is there is overwritten; names that lead out of the
    /// folder are left out by sandboxd, which is for tidiness: everything inside is the same agent's.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ResourceExhausted` where the disk is full, `InvalidArgument` where it is no archive;
    /// [`Error::Lost`] also where `archive` itself cannot be read.
    pub async fn extract(&self, path: &str, archive: impl AsyncRead + Send + Unpin + 'static) -> Result<(), Error> {
        self.unpack(Piece { path: Some(path.to_owned()), ..Piece::default() }, archive).await
    }

    /// The same in place of what is there. Until it returns well, the folder may hold anything.
    ///
    /// # Errors
    /// Those of [`Inside::extract`].
    pub async fn replace(&self, path: &str, archive: impl AsyncRead + Send + Unpin + 'static) -> Result<(), Error> {
        self.unpack(Piece { path: Some(path.to_owned()), clear: true, ..Piece::default() }, archive).await
    }

    async fn unpack(&self, first: Piece, archive: impl AsyncRead + Send + Unpin + 'static) -> Result<(), Error> {
        let body = pieces(first, archive);
        let mut answer: Messages<Empty> = self.call(Api::Exeat, path::EXTRACT, body).await?;
        while answer.next().await?.is_some() {}
        Ok(())
    }
}

/// A tar archive as it comes. It is hostile: whoever unpacks it outside must not follow its names.
#[derive(Debug)]
pub struct Archive(Messages<Piece>);

impl Archive {
    /// The next bytes; nothing where the archive is complete.
    ///
    /// # Errors
    /// Any [`Error`]; what came until then is not the whole archive.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        Ok(self.0.next().await?.map(|piece| piece.bytes))
    }
}

/// Reads `archive` as fast as the sandbox takes it.
fn pieces(first: Piece, mut archive: impl AsyncRead + Send + Unpin + 'static) -> Outgoing {
    let (sender, receiver) = mpsc::channel::<std::io::Result<Frame<Bytes>>>(WAITING);
    tokio::spawn(async move {
        let mut first = Some(first);
        loop {
            let mut bytes = bytes::BytesMut::with_capacity(limits::CHUNK_BYTES);
            let read = archive.read_buf(&mut bytes).await;
            let ended = matches!(read, Ok(0)) && first.is_none();
            let named = first.take().unwrap_or_default();
            let piece = read.map(|_| Frame::data(frame(&Piece { bytes: bytes.freeze(), ..named })));
            let failed = piece.is_err();
            if ended || sender.send(piece).await.is_err() || failed {
                return;
            }
        }
    });
    StreamBody::new(Waiting(receiver)).map_err(Into::into).boxed_unsync()
}

/// A channel's end as a stream.
struct Waiting(mpsc::Receiver<std::io::Result<Frame<Bytes>>>);

impl futures_util::Stream for Waiting {
    type Item = std::io::Result<Frame<Bytes>>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
