//! Follows the bytes of a connection: heads, bodies by length, chunks. Pure, so that a fuzzer can drive it.

use exeat_core::limits;

use super::head::{self, Framing};

/// The connection preface of HTTP/2 (RFC 9113, section 3.4). What follows it is framed by HTTP/2 itself.
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A chunk's size in hex digits: 4 GiB at most in one chunk.
const CHUNK_SIZE_DIGITS: usize = 8;

/// Where in the connection's bytes we are.
#[derive(Debug)]
pub struct Scanner {
    state: State,
    first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    TrailerEnd,
    /// HTTP/2 or a tunnel: not HTTP/1, so nothing of ours.
    Opaque,
}

impl Default for Scanner {
    fn default() -> Self {
        Scanner { state: State::Head, first: true }
    }
}

impl Scanner {
    /// Given the bytes that follow those accepted so far, says how many of them may be handed on. `0` asks for more.
    ///
    /// # Errors
    /// The [`Violation`] that makes the bytes mean two things. Nothing after it can be trusted.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        if bytes.is_empty() {
            return Ok(0);
        }
        match self.state {
            State::Opaque => Ok(bytes.len()),
            State::Head => self.head(bytes),
            State::Body(left) => Ok(self.data(bytes, left, State::Head, State::Body)),
            State::ChunkData(left) => Ok(self.data(bytes, left, State::ChunkEnd, State::ChunkData)),
            State::ChunkSize => self.chunk_size(bytes),
            State::ChunkEnd => self.line_end(bytes, State::ChunkSize, Violation::Chunk),
            State::TrailerEnd => self.line_end(bytes, State::Head, Violation::Trailers),
        }
    }

    /// Whether nothing has been asked yet on this connection.
    pub(crate) fn is_first(&self) -> bool {
        self.first && self.state == State::Head
    }

    /// Whether the connection is between two requests, so that a violation can be answered as a request of its own.
    pub(crate) fn between_requests(&self) -> bool {
        self.state == State::Head
    }

    fn head(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        if self.first && bytes.starts_with(&H2_PREFACE[..bytes.len().min(H2_PREFACE.len())]) {
            if bytes.len() < H2_PREFACE.len() {
                return Ok(0);
            }
            self.state = State::Opaque;
            return Ok(bytes.len());
        }
        let Some(end) = end_of_head(bytes)? else {
            return if bytes.len() > limits::REQUEST_HEAD_BYTES { Err(Violation::HeadTooLarge) } else { Ok(0) };
        };
        if end > limits::REQUEST_HEAD_BYTES {
            return Err(Violation::HeadTooLarge);
        }
        self.first = false;
        self.state = match head::read(&bytes[..end])? {
            Framing::Length(0) => State::Head,
            Framing::Length(length) => State::Body(length),
            Framing::Chunked => State::ChunkSize,
            Framing::Tunnel => State::Opaque,
        };
        Ok(end)
    }

    fn data(&mut self, bytes: &[u8], left: u64, after: State, more: fn(u64) -> State) -> usize {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left - taken as u64;
        self.state = if left == 0 { after } else { more(left) };
        taken
    }

    /// `HEX CRLF`. Chunk extensions are refused: nobody needs them, and parsers disagree on where they end.
    fn chunk_size(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let digits = bytes.iter().take(CHUNK_SIZE_DIGITS + 1).take_while(|b| b.is_ascii_hexdigit()).count();
        if digits > CHUNK_SIZE_DIGITS || (digits == 0) {
            return Err(Violation::Chunk);
        }
        match &bytes[digits..] {
            [] | [b'\r'] => return Ok(0),
            [b'\r', b'\n', ..] => {}
            _ => return Err(Violation::Chunk),
        }
        let text = std::str::from_utf8(&bytes[..digits]).map_err(|_| Violation::Chunk)?;
        let size = u64::from_str_radix(text, 16).map_err(|_| Violation::Chunk)?;
        self.state = if size == 0 { State::TrailerEnd } else { State::ChunkData(size) };
        Ok(digits + 2)
    }

    fn line_end(&mut self, bytes: &[u8], after: State, otherwise: Violation) -> Result<usize, Violation> {
        match bytes {
            [b'\r'] => Ok(0),
            [b'\r', b'\n', ..] => {
                self.state = after;
                Ok(2)
            }
            _ => Err(otherwise),
        }
    }
}

/// Where the head ends, if it does; every line of it must end in CRLF, and CR and LF may stand nowhere else.
fn end_of_head(bytes: &[u8]) -> Result<Option<usize>, Violation> {
    let mut line_start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if at == 0 || bytes[at - 1] != b'\r' => return Err(Violation::LineEnd),
            b'\n' if at - line_start == 1 => return Ok(Some(at + 1)),
            b'\n' => line_start = at + 1,
            b'\r' if bytes.get(at + 1).is_some_and(|next| *next != b'\n') => return Err(Violation::LineEnd),
            0 => return Err(Violation::Grammar),
            _ => {}
        }
    }
    Ok(None)
}

/// Why bytes have more than one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.explanation())]
pub enum Violation {
    /// CR or LF alone.
    LineEnd,
    /// Not a request line and headers.
    Grammar,
    /// Larger than the limit.
    HeadTooLarge,
    /// More than the limit.
    TooManyHeaders,
    /// A header's name that servers fold into another.
    HeaderName,
    /// None, or several.
    Host,
    /// Odd or repeated.
    ContentLength,
    /// Anything but one `chunked`.
    TransferEncoding,
    /// Both lengths, or chunks in HTTP/1.0.
    TwoFramings,
    /// A body on CONNECT, GET or HEAD.
    BodyWithoutMeaning,
    /// Extensions, signs, spaces, or data that does not end where its size says.
    Chunk,
    /// Trailer fields.
    Trailers,
}

impl Violation {
    /// What is wrong, for the client.
    pub(crate) fn explanation(self) -> &'static str {
        match self {
            Violation::LineEnd => "a line does not end in CRLF (RFC 9112, section 2.2)",
            Violation::Grammar => "the request head breaks the grammar of HTTP/1.1 (RFC 9112)",
            Violation::HeadTooLarge => "the request head is larger than 16 KiB",
            Violation::TooManyHeaders => "the request has more than 100 headers",
            Violation::HeaderName => "servers may read a header's name as another one (underscores, odd hyphens)",
            Violation::Host => "the request needs exactly one Host header (RFC 9112, section 3.2)",
            Violation::ContentLength => "Content-Length must be given once, in digits, without a leading zero",
            Violation::TransferEncoding => "Transfer-Encoding must be `chunked`, once",
            Violation::TwoFramings => "the request frames its body in two ways (RFC 9112, section 6.1)",
            Violation::BodyWithoutMeaning => "a body has no meaning in this method, and servers disagree on its end",
            Violation::Chunk => "a chunk is malformed or has an extension",
            Violation::Trailers => "trailer fields in requests are not forwarded",
        }
    }

    /// All of them; a violation's place here is what it is called between the stream and the service.
    pub(super) const ALL: [Violation; 12] = [
        Violation::LineEnd,
        Violation::Grammar,
        Violation::HeadTooLarge,
        Violation::TooManyHeaders,
        Violation::HeaderName,
        Violation::Host,
        Violation::ContentLength,
        Violation::TransferEncoding,
        Violation::TwoFramings,
        Violation::BodyWithoutMeaning,
        Violation::Chunk,
        Violation::Trailers,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of every size; all ways must agree.
    fn scan(bytes: &[u8]) -> Result<usize, Violation> {
        let whole = in_pieces(bytes, bytes.len());
        for size in 1..bytes.len() {
            let pieces = in_pieces(bytes, size);
            assert_eq!(pieces.is_ok(), whole.is_ok(), "pieces of {size}: {:?}", String::from_utf8_lossy(bytes));
        }
        whole
    }

    fn in_pieces(bytes: &[u8], size: usize) -> Result<usize, Violation> {
        let (mut scanner, mut accepted, mut arrived) = (Scanner::default(), 0, 0);
        while arrived < bytes.len() {
            arrived = (arrived + size).min(bytes.len());
            loop {
                match scanner.scan(&bytes[accepted..arrived])? {
                    0 => break,
                    n => accepted += n,
                }
            }
        }
        Ok(accepted)
    }

    #[test]
    fn ordinary_requests_pass_whole() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"CONNECT a:443 HTTP/1.0\r\n\r\n\x16\x03\x01\x00anything\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00anything\n",
            b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        ] {
            assert_eq!(scan(bytes), Ok(bytes.len()), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_reads_in_two_ways_is_refused() {
        let with = |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n0\r\n\r\n").into_bytes();
        for (bytes, violation) in [
            (b"GET / HTTP/1.1\nHost: a\n\n".to_vec(), Violation::LineEnd),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n".to_vec(), Violation::LineEnd),
            (b"GET / HTTP/1.1\r\nHost: a\0\r\n\r\n".to_vec(), Violation::Grammar),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Violation::Host),
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_vec(), Violation::Host),
            (with("Content-Length: 010"), Violation::ContentLength),
            (with("Content-Length: +1"), Violation::ContentLength),
            (with("Content-Length: 1, 1"), Violation::ContentLength),
            (with("Content-Length: 1\r\nContent-Length: 1"), Violation::ContentLength),
            (with("Content-Length: 5\r\nTransfer-Encoding: chunked"), Violation::TwoFramings),
            (with("Transfer-Encoding: chunked, chunked"), Violation::TransferEncoding),
            (with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), Violation::TransferEncoding),
            (with("Transfer-Encoding: identity"), Violation::TransferEncoding),
            (with("Transfer_Encoding: chunked"), Violation::HeaderName),
            (with("Exeat-Violation: 0"), Violation::HeaderName),
            (with("Transfer---Encoding: chunked"), Violation::HeaderName),
            (with("ContentLength: 1"), Violation::HeaderName),
            (with("Transfer-Encoding : chunked"), Violation::Grammar),
            (with("X: a\r\n b"), Violation::Grammar),
            (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), Violation::TwoFramings),
            (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx".to_vec(), Violation::BodyWithoutMeaning),
        ] {
            assert_eq!(in_pieces(&bytes, bytes.len()), Err(violation), "{:?}", String::from_utf8_lossy(&bytes));
            assert!(scan(&bytes).is_err());
        }
        let chunked = |body: &str| {
            let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            format!("{head}{body}").into_bytes()
        };
        for body in [
            "3;a=b\r\nabc\r\n",
            "+3\r\nabc\r\n",
            "3 \r\nabc\r\n",
            "3\nabc\n",
            "3\r\nabcd\r\n",
            "100000000\r\n",
            "\r\n",
            "0x3\r\n",
        ] {
            assert_eq!(scan(&chunked(body)), Err(Violation::Chunk), "{body:?}");
        }
        assert_eq!(scan(&chunked("0\r\nX: y\r\n\r\n")), Err(Violation::Trailers));
    }

    #[test]
    fn a_head_is_bounded() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(limits::REQUEST_HEAD_BYTES));
        assert_eq!(in_pieces(long.as_bytes(), 1024), Err(Violation::HeadTooLarge));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_scanned_without_panic(bytes: Vec<u8>, size in 1usize..64) {
            let _ = in_pieces(&bytes, size);
        }
    }
}
