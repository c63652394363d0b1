//! The bodies that origins take and give: one type, so that handlers need no type parameters.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

/// A body in either direction, streamed.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Whatever ends a body early.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(BoxError::from).boxed_unsync()
}

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(BoxError::from).boxed_unsync()
}
