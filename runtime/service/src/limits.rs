//! Every bound of this room in one place, each with its reason.

/// A request of the API in bytes: a specification with a large environment.
pub(crate) const REQUEST_BYTES: usize = 1024 * 1024;
/// Forks by one request: each is a start, and a typing error must not be ten thousand.
pub(crate) const FORKS: u32 = 100;
/// What an owner calls a snapshot, in bytes.
pub(crate) const LABEL_BYTES: usize = 200;
