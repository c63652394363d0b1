//! What a recorder remembers of a request, and the body that is hashed as it passes.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use sha2::{Digest, Sha256};

use crate::body::BoxError;

/// Of each body, this much is kept: more than any API call of the tests, less than a large push.
pub const KEPT_BODY_BYTES: usize = 1024 * 1024;
/// So many requests are remembered. At more the recorder refuses, since a record with holes proves nothing.
pub const REMEMBERED_REQUESTS: usize = 10_000;

/// A request as it arrived at an origin.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// The name in the TLS ClientHello.
    pub server_name: Option<String>,
    /// `:authority`, or the `Host` header, or nothing.
    pub authority: String,
    /// The path with its query, not decoded.
    pub target: String,
    /// The headers in the order they came in, names in lower case; values of one name stand together.
    pub headers: Vec<(String, String)>,
    /// The body's length, as far as it was read.
    pub body_length: u64,
    /// The SHA-256 of the body as far as it was read, in hex.
    pub body_sha256: String,
    /// The body's first [`KEPT_BODY_BYTES`].
    pub body: Bytes,
    /// Whether the body was read to its end.
    pub complete: bool,
}

impl Seen {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    fn new(parts: &Parts, server_name: Option<&str>) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let written = parts.uri.authority().map(ToString::to_string);
        let authority = written.or_else(|| parts.headers.get(http::header::HOST).map(text)).unwrap_or_default();
        Seen {
            method: parts.method.to_string(),
            version: format!("{:?}", parts.version),
            server_name: server_name.map(str::to_owned),
            authority,
            target: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body_length: 0,
            body_sha256: String::new(),
            body: Bytes::new(),
            complete: false,
        }
    }
}

/// One line a request, so that a failed assertion can be read.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { method, version, authority, target, body_length, headers, .. } = self;
        write!(f, "{method} https://{authority}{target} {version}, {body_length} bytes, {headers:?}")
    }
}

/// A request that is still arriving.
struct Arriving {
    seen: Seen,
    hash: Sha256,
    kept: Vec<u8>,
}

/// What was seen, shared by a recorder and the bodies that pass through it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<VecDeque<Arc<Mutex<Arriving>>>>>);

impl Log {
    /// Remembers a request, from its head on. `None` if there is no room.
    pub(crate) fn open(&self, parts: &Parts, body: Incoming, server_name: Option<&str>) -> Option<Recorded> {
        let seen = Seen::new(parts, server_name);
        let arriving = Arc::new(Mutex::new(Arriving { seen, hash: Sha256::new(), kept: Vec::new() }));
        let mut log = lock(&self.0);
        if log.len() >= REMEMBERED_REQUESTS {
            return None;
        }
        log.push_back(Arc::clone(&arriving));
        let mut recorded = Recorded { body, arriving };
        // A request without a body is never polled for one.
        recorded.note_end();
        Some(recorded)
    }

    /// Everything remembered, in the order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.0).iter().map(|arriving| lock(arriving).snapshot()).collect()
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}

impl Arriving {
    fn take(&mut self, data: &[u8]) {
        self.seen.body_length += data.len() as u64;
        self.hash.update(data);
        let room = KEPT_BODY_BYTES - self.kept.len();
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
    }

    fn snapshot(&self) -> Seen {
        let body_sha256 = hex::encode(self.hash.clone().finalize());
        Seen { body_sha256, body: Bytes::copy_from_slice(&self.kept), ..self.seen.clone() }
    }
}

/// A request's body on its way to the handler, hashed as it passes.
pub(crate) struct Recorded {
    body: Incoming,
    arriving: Arc<Mutex<Arriving>>,
}

impl Recorded {
    fn note_end(&mut self) {
        if http_body::Body::is_end_stream(&self.body) {
            lock(&self.arriving).seen.complete = true;
        }
    }
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => lock(&self.arriving).seen.complete = true,
            Some(Err(_)) => {}
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    lock(&self.arriving).take(data);
                }
                self.note_end();
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)))
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

/// A lock that a panic elsewhere does not take away: a record of what was seen stays readable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
