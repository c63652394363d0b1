//! What the supervisor knows, as objects of the API.

mod claim;
mod pod;
mod pool;
mod sandbox;
mod snapshot;

pub(crate) use claim::{bound, failed, over};
pub(crate) use pod::pod;
pub(crate) use pool::{pool, template};
pub(crate) use sandbox::{Showing, sandbox};
pub(crate) use snapshot::{failed_trigger, snapshot, taken_trigger};

#[cfg(test)]
mod tests;
