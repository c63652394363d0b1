//! Framing that cannot be read in two ways, checked before hyper sees a byte.
//!
//! hyper accepts what RFC 9112 lets a lenient recipient accept: a bare LF, a repeated Transfer-Encoding, `Content-Length: 010`,
//! a missing Host. Each is harmless alone and a request smuggled past us where the origin reads it differently. So a
//! [`Scanner`] follows the bytes of an HTTP/1 connection and [`Strict`] hands on only those that have one reading.

mod head;
mod scanner;
mod stream;

pub(crate) use head::is_misleading;
pub use scanner::Scanner;
pub(crate) use scanner::Violation;
pub(crate) use stream::Strict;
