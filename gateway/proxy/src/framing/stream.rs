//! The scanner between a socket and hyper.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::scanner::{Scanner, Violation};

/// Carries a violation to the service, so that it is answered in its turn, recorded and explained like every other refusal.
/// No client can send it over HTTP/1: the scanner refuses the name.
pub(crate) const VIOLATION_HEADER: &str = "exeat-violation";
/// Read from the socket at once. Bodies pass through this buffer, so it is as large as a TLS record.
const READ_BYTES: usize = 16 * 1024;

/// A stream that gives only bytes with one reading.
pub(crate) struct Strict<S> {
    inner: S,
    scanner: Scanner,
    /// Bytes from the socket; the first `accepted` of them may be handed on.
    arrived: BytesMut,
    accepted: usize,
    finished: bool,
}

impl<S> Strict<S> {
    pub(crate) fn new(inner: S) -> Self {
        Strict { inner, scanner: Scanner::default(), arrived: BytesMut::new(), accepted: 0, finished: false }
    }

    /// Accepts what can be accepted of what has arrived. A violation between two requests becomes a request of its own, after
    /// which nothing more is read; one inside a body ends the body.
    fn scan(&mut self) -> io::Result<()> {
        while self.accepted < self.arrived.len() && !self.finished {
            match self.scanner.scan(&self.arrived[self.accepted..]) {
                Ok(0) => break,
                Ok(more) => self.accepted += more,
                Err(violation) if self.scanner.between_requests() => {
                    self.arrived.truncate(self.accepted);
                    self.arrived.extend_from_slice(stand_in(violation).as_bytes());
                    self.accepted = self.arrived.len();
                    self.finished = true;
                }
                Err(violation) => return Err(io::Error::new(io::ErrorKind::InvalidData, violation)),
            }
        }
        Ok(())
    }
}

fn stand_in(violation: Violation) -> String {
    let place = Violation::ALL.iter().position(|other| *other == violation).unwrap_or_default();
    format!("GET / HTTP/1.1\r\nHost: malformed.invalid\r\n{VIOLATION_HEADER}: {place}\r\nConnection: close\r\n\r\n")
}

impl Violation {
    /// The violation that a request stands for, where it stands for one.
    pub(crate) fn of(headers: &http::HeaderMap) -> Option<Violation> {
        let place: usize = headers.get(VIOLATION_HEADER)?.to_str().ok()?.parse().ok()?;
        Violation::ALL.get(place).copied()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.accepted > 0 {
                let n = this.accepted.min(out.remaining());
                out.put_slice(&this.arrived[..n]);
                this.arrived.advance(n);
                this.accepted -= n;
                return Poll::Ready(Ok(()));
            }
            if this.finished {
                return Poll::Ready(Ok(()));
            }
            this.arrived.reserve(READ_BYTES);
            let read = ready!(tokio_util::io::poll_read_buf(Pin::new(&mut this.inner), cx, &mut this.arrived))?;
            this.finished = read == 0;
            if read > 0 {
                this.scan()?;
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
