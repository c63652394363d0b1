//! Reading records in order, while a writer may be at work.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Record;
use crate::segments;
use crate::walk::{Bad, Located, Place, Step, Walk};

/// How often a follower looks for new records.
const POLL: Duration = Duration::from_millis(200);

/// Why a journal cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It was changed. What was read before this record is whole.
    #[error(
        "the journal is damaged in `{}` at byte {}, where record {} should be: {}; run `exeat audit verify`",
        .0.segment, .0.offset, .0.sequence, .0.why
    )]
    Damaged(Bad),
    /// The disk refused something, or there is no journal.
    #[error("cannot read the journal in `{}`: {error}", directory.display())]
    Io {
        /// The journal's directory.
        directory: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

/// The records of a journal, in order, from some number on.
///
/// It ends where the journal ends for now, also where a writer is in the middle of a group; asked again later, it
/// goes on. After an error it ends for good. The writer's last group may be read a moment before it is on the disk:
/// should the disk refuse it then, another record gets its number.
pub struct Reader {
    walk: Walk,
    directory: PathBuf,
    from: u64,
    failed: bool,
}

impl Reader {
    /// A reader that begins with the record `from`; 0 and 1 are the beginning.
    ///
    /// # Errors
    /// [`ReadError::Io`] where there is no journal.
    pub fn open(directory: &Path, from: u64) -> Result<Reader, ReadError> {
        let walk =
            Walk::open(directory, from).map_err(|error| ReadError::Io { directory: directory.to_owned(), error })?;
        Ok(Reader { walk, directory: directory.to_owned(), from, failed: false })
    }

    /// The number of the record that comes next in the journal.
    pub(crate) fn due(&self) -> u64 {
        self.walk.due()
    }

    /// The next record with where it is.
    pub(crate) fn next_located(&mut self) -> Option<Result<(Located, Record), ReadError>> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }

    fn advance(&mut self) -> Result<Option<(Located, Record)>, ReadError> {
        loop {
            let step = self.walk.step().map_err(|error| ReadError::Io { directory: self.directory.clone(), error })?;
            match step {
                Step::Record(located) if located.sequence < self.from => {}
                Step::Record(located) => {
                    let record = decode(&located).map_err(ReadError::Damaged)?;
                    return Ok(Some((located, record)));
                }
                Step::End | Step::Torn(_) => return Ok(None),
                Step::Bad(bad) => return Err(ReadError::Damaged(bad)),
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_located().map(|next| next.map(|(_, record)| record))
    }
}

/// Reads a record's payload. One that is whole and yet no record was not written by a journal.
pub(crate) fn decode(located: &Located) -> Result<Record, Bad> {
    Record::decode(located.sequence, &located.payload).map_err(|error| {
        let Place { segment, offset } = located.place;
        let why = format!("the payload is not a record: {error}");
        Bad { segment: segments::name(segment), offset, sequence: located.sequence, why }
    })
}

/// The number of the last record, without reading more than the last segment; 0 in an empty journal.
///
/// # Errors
/// [`ReadError`] as from a [`Reader`] on that segment.
pub fn last_sequence(directory: &Path) -> Result<u64, ReadError> {
    let mut reader = Reader::open(directory, u64::MAX)?;
    for record in reader.by_ref() {
        record?;
    }
    Ok(reader.due() - 1)
}

/// Follows a journal from the record `from` on: what is there, then what comes, as it comes.
///
/// # Errors
/// [`ReadError::Io`] where there is no journal.
pub fn follow(directory: &Path, from: u64) -> Result<Follow, ReadError> {
    Reader::open(directory, from).map(|reader| Follow { reader })
}

/// Records as they come: an iterator that waits on the thread, and [`Follow::recv`], which waits without one. It ends
/// only after an error.
pub struct Follow {
    reader: Reader,
}

impl Follow {
    /// The next record, as soon as there is one. `None` after an error.
    pub async fn recv(&mut self) -> Option<Result<Record, ReadError>> {
        loop {
            match self.reader.next() {
                None if !self.reader.failed => tokio::time::sleep(POLL).await,
                next => return next,
            }
        }
    }
}

impl Iterator for Follow {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next() {
                None if !self.reader.failed => std::thread::sleep(POLL),
                next => return next,
            }
        }
    }
}
