//! The scanner between a socket and hyper.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use exeat_core::limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

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
    end: Option<End>,
    /// Until when a head must be complete, while one is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// Why nothing more is read.
enum End {
    /// The client has closed its side.
    Closed,
    /// A violation has been handed on as a request. The connection ends with its answer, not before.
    Violation,
}

impl<S> Strict<S> {
    pub(crate) fn new(inner: S) -> Self {
        Strict { inner, scanner: Scanner::default(), arrived: BytesMut::new(), accepted: 0, end: None, deadline: None }
    }

    /// Whether a head has been waited for too long: the first of the connection, or one that has begun. hyper has a timer of its own
    /// for heads, but sees none of the bytes before a head is complete; between requests it alone knows whether one is
    /// still being answered.
    fn head_is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let begun = self.scanner.between_requests() && !self.arrived.is_empty();
        if !begun && !self.scanner.is_first() {
            self.deadline = None;
            return false;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(limits::REQUEST_HEAD_TIME)));
        deadline.as_mut().poll(cx).is_ready()
    }

    /// Accepts what can be accepted of what has arrived. A violation between two requests becomes a request of its own, after
    /// which nothing more is read; one inside a body ends the body.
    fn scan(&mut self) -> io::Result<()> {
        while self.accepted < self.arrived.len() && self.end.is_none() {
            match self.scanner.scan(&self.arrived[self.accepted..]) {
                Ok(0) => break,
                Ok(more) => self.accepted += more,
                Err(violation) if self.scanner.between_requests() => {
                    self.arrived.truncate(self.accepted);
                    self.arrived.extend_from_slice(stand_in(violation).as_bytes());
                    self.accepted = self.arrived.len();
                    self.end = Some(End::Violation);
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
            match this.end {
                Some(End::Closed) => return Poll::Ready(Ok(())),
                // The end of the stream would make hyper drop the connection with the answer still under way.
                Some(End::Violation) => return Poll::Pending,
                None => {}
            }
            if this.head_is_late(cx) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            this.arrived.reserve(READ_BYTES);
            let read = ready!(tokio_util::io::poll_read_buf(Pin::new(&mut this.inner), cx, &mut this.arrived))?;
            match read {
                0 => this.end = Some(End::Closed),
                _ => this.scan()?,
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
