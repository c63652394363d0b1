//! Opening a journal to write it: one writer, a chain that is whole, and a known end.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Config;
use crate::segments::{self, UNFINISHED};
use crate::tail::{Disk, Found, Tail};
use crate::walk::{Bad, Step, Torn, Walk};

/// So many bytes at the end of the journal are read record by record when it is opened, which takes about a second. Of
/// what is older only the headers are: a missing segment shows, a changed record in it is the verifier's to find.
const READ_ON_OPEN: u64 = 512 * 1024 * 1024;

/// Why a journal cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else writes it.
    #[error("the journal in `{}` is being written by another process", directory.display())]
    Locked {
        /// The journal's directory.
        directory: PathBuf,
    },
    /// It was changed. Nothing on the disk was touched.
    #[error(
        "the journal is damaged in `{segment}` at byte {offset}, where record {sequence} should be: {why}; nothing was changed; run `exeat audit verify`"
    )]
    Damaged {
        /// The segment's file name.
        segment: String,
        /// Where in it, in bytes from its beginning.
        offset: u64,
        /// The number of the first record that is wrong.
        sequence: u64,
        /// What is wrong.
        why: String,
    },
    /// The disk refused something.
    #[error("cannot open the journal in `{}`: {error}", directory.display())]
    Io {
        /// The journal's directory.
        directory: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

impl From<Bad> for OpenError {
    fn from(Bad { segment, offset, sequence, why }: Bad) -> Self {
        OpenError::Damaged { segment, offset, sequence, why }
    }
}

/// A journal that is ready to be written.
pub(crate) struct Opened {
    pub(crate) tail: Tail,
    /// Held as long as the journal is written.
    pub(crate) lock: File,
    /// What a crash left behind the last whole record, if anything.
    pub(crate) set_aside: Option<SetAside>,
}

/// What was taken from the end of the journal because it was no whole record.
pub(crate) struct SetAside {
    pub(crate) bytes: u64,
    pub(crate) file: String,
}

/// Locks the journal, reads its end and puts that end in order.
pub(crate) fn open(config: &Config, disk: Arc<dyn Disk>) -> Result<Opened, OpenError> {
    let io = |error| OpenError::Io { directory: config.directory.clone(), error };
    let lock = lock(&config.directory)?;
    let firsts = segments::list(&config.directory).map_err(io)?;
    let Some(last) = firsts.last().copied() else {
        let tail = Tail::create(disk, &config.directory, config.segment_bytes).map_err(io)?;
        return Ok(Opened { tail, lock, set_aside: None });
    };
    check_headers(&config.directory, &firsts).map_err(io)?.map_or(Ok(()), |bad| Err(OpenError::from(bad)))?;
    let (found, torn) = read_end(&config.directory, &firsts).map_err(io)??;
    // Nothing was changed so far. From here on the journal is known to be whole, but for its very end.
    debug_assert!(found.first == last);
    let _ = std::fs::remove_file(config.directory.join(UNFINISHED));
    let next = found.next;
    let mut tail = Tail::open(disk, &config.directory, config.segment_bytes, found).map_err(io)?;
    let set_aside = match torn {
        Some(torn) => Some(set_aside(&config.directory, &mut tail, &torn).map_err(io)?),
        None => unreported(&config.directory, next).map_err(io)?,
    };
    Ok(Opened { tail, lock, set_aside })
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let io = |error| OpenError::Io { directory: directory.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io)?;
    let mut options = OpenOptions::new();
    let lock = options.write(true).create(true).truncate(false).mode(0o600).open(directory.join("lock")).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { directory: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Whether the segments follow one another, by what their headers say.
fn check_headers(directory: &Path, firsts: &[u64]) -> io::Result<Option<Bad>> {
    let mut before = 0;
    for first in firsts.iter().copied() {
        let bad = |why: &str| Bad { segment: segments::name(first), offset: 0, sequence: first, why: why.to_owned() };
        match segments::header(&File::open(segments::path(directory, first))?)? {
            Err(why) => return Ok(Some(bad(why))),
            Ok(header) if header.first != first => {
                return Ok(Some(bad("the segment's name is not the number of its first record")));
            }
            Ok(_) if before == 0 && first != 1 => {
                let why = "the first segment is missing".to_owned();
                return Ok(Some(Bad { segment: segments::name(1), offset: 0, sequence: 1, why }));
            }
            Ok(header) if header.before > before => {
                let segment = segments::name(header.before);
                return Ok(Some(Bad {
                    segment,
                    offset: 0,
                    sequence: header.before,
                    why: "the segment is missing".to_owned(),
                }));
            }
            Ok(header) if header.before != before => {
                return Ok(Some(bad("the segment names another segment before it")));
            }
            Ok(_) => before = first,
        }
    }
    Ok(None)
}

/// Walks the newest segments to the end of the journal.
fn read_end(directory: &Path, firsts: &[u64]) -> io::Result<Result<(Found, Option<Torn>), Bad>> {
    let mut walk = Walk::open(directory, begin(directory, firsts)?)?;
    let mut last_place = None;
    let torn = loop {
        match walk.step()? {
            Step::Record(record) => last_place = Some(record.place),
            Step::End => break None,
            Step::Torn(torn) => break Some(torn),
            Step::Bad(bad) => return Ok(Err(bad)),
        }
    };
    let Some(place) = walk.place() else { return Err(io::Error::other("the segments went away")) };
    let last_offset = last_place.filter(|last| last.segment == place.segment).map(|last| last.offset);
    let found = Found { first: place.segment, offset: place.offset, last_offset, next: walk.due(), last: walk.last() };
    Ok(Ok((found, torn)))
}

/// The oldest segment that is read record by record: at least the last two, so that one seam is among what is read.
fn begin(directory: &Path, firsts: &[u64]) -> io::Result<u64> {
    let mut bytes = 0;
    let mut begin = 1;
    for (age, first) in firsts.iter().rev().enumerate() {
        bytes += std::fs::metadata(segments::path(directory, *first))?.len();
        if age >= 2 && bytes > READ_ON_OPEN {
            break;
        }
        begin = *first;
    }
    Ok(begin)
}

/// Copies what is not whole to a file of its own, then fills its place with zeros.
fn set_aside(directory: &Path, tail: &mut Tail, torn: &Torn) -> io::Result<SetAside> {
    let source = File::open(directory.join(&torn.bad.segment))?;
    let mut bytes = vec![0; (torn.end - torn.bad.offset) as usize];
    let read = segments::read_at(&source, &mut bytes, torn.bad.offset)?;
    let (name, mut file) = unused(directory, torn.bad.sequence)?;
    io::Write::write_all(&mut file, &bytes[..read])?;
    file.sync_all()?;
    File::open(directory)?.sync_all()?;
    tail.clear(torn.end)?;
    tracing::warn!(file = name, bytes = read, "the journal did not end in a whole record; the rest was set aside");
    Ok(SetAside { bytes: read as u64, file: name })
}

/// A file that is not there yet: one from an earlier attempt may hold more than what is left.
fn unused(directory: &Path, sequence: u64) -> io::Result<(String, File)> {
    for attempt in 1.. {
        let name = set_aside_name(sequence, attempt);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join(&name)) {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no name is left for what is set aside"))
}

/// What an earlier opening set aside, where a crash came before it was put on record: the record that says so has the
/// very number that is in the file's name, and that number is still to come.
fn unreported(directory: &Path, next: u64) -> io::Result<Option<SetAside>> {
    let file = set_aside_name(next, 1);
    match std::fs::metadata(directory.join(&file)) {
        Ok(metadata) => Ok(Some(SetAside { bytes: metadata.len(), file })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn set_aside_name(sequence: u64, attempt: u32) -> String {
    match attempt {
        1 => format!("set-aside-{sequence}.bin"),
        _ => format!("set-aside-{sequence}-{attempt}.bin"),
    }
}
