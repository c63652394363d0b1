//! A view of the journal that finds records without reading all. It holds no truth: whatever is missing in it or
//! looks wrong, it is thrown away and made anew.

use crate::Filter;
pub use crate::filter::Facts;
pub use crate::sled_index::SledIndex;
pub use crate::walk::Place;

/// The last record that an index knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub sequence: u64,
    /// Its SHA-256: a journal that has another record there is another journal.
    pub hash: [u8; 32],
}

/// A record as an index takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// What can be asked about it.
    pub facts: Facts,
    /// Where it is.
    pub place: Place,
    /// Its SHA-256.
    pub hash: [u8; 32],
}

/// An index cannot be used: it is damaged, or its disk is.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the index cannot be used: {0}")]
pub struct IndexError(pub String);

/// Finds records by what they say.
pub trait Index: Send {
    /// The last record applied. `None` in a new index.
    ///
    /// # Errors
    /// [`IndexError`], as with everything below: throw the index away and make a new one.
    fn head(&self) -> Result<Option<Head>, IndexError>;

    /// Takes the records that follow the head, in order.
    ///
    /// # Errors
    /// [`IndexError`]
    fn apply(&mut self, records: &[Indexed]) -> Result<(), IndexError>;

    /// The numbers of the records that a filter asks for, in order; with a limit, the newest of them.
    ///
    /// # Errors
    /// [`IndexError`]
    fn select(&self, filter: &Filter) -> Result<Vec<u64>, IndexError>;

    /// Where a record is.
    ///
    /// # Errors
    /// [`IndexError`]
    fn place(&self, sequence: u64) -> Result<Option<Place>, IndexError>;

    /// The number of an intent's outcome: the first, where there are more.
    ///
    /// # Errors
    /// [`IndexError`]
    fn outcome(&self, intent: u64) -> Result<Option<u64>, IndexError>;
}
