//! Checking a whole journal, record by record, from its files alone.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::format::Hash;
use crate::reader::decode;
use crate::walk::{Bad, Located, Step, Walk};
use crate::{Event, segments};

/// How many unfinished intents a report names.
const NAMED_INTENTS: usize = 1_000;
/// How many open intents are remembered at once, which is far more than requests can be under way; the oldest are then
/// counted as unfinished.
const OPEN_INTENTS: usize = 1_000_000;
/// How often, and how long, the verifier waits for a write that is half done: one that a writer is in the middle of
/// is done soon.
const LOOKS: usize = 10;
const PAUSE: Duration = Duration::from_millis(50);
/// After how many records progress is reported.
const PROGRESS: u64 = 10_000;

/// How far the verifier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records that are whole so far.
    pub records: u64,
    /// Bytes of segments read so far.
    pub bytes: u64,
    /// Bytes of all segments, including the zeros that wait for records.
    pub total_bytes: u64,
}

/// What the verifier found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// How many records are whole and chained, up to the first bad one.
    pub records: u64,
    /// How many segments they are in.
    pub segments: u64,
    /// The number of the first of them.
    pub first_sequence: Option<u64>,
    /// The number of the last of them.
    pub last_sequence: Option<u64>,
    /// The last one's SHA-256 in hex. Kept elsewhere, it shows later whether the journal was cut back or written anew.
    pub last_hash: Option<String>,
    /// The first thing that is wrong. What is behind it was not judged.
    pub bad: Option<Bad>,
    /// The first thousand intents without an outcome. Requests under way are among them while a gateway runs.
    pub unfinished: Vec<u64>,
    /// How many such intents there are.
    pub unfinished_count: u64,
}

/// Why a journal could not be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
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

/// Checks every record: its checksum, number and place in the chain, and that it can be read; and that nothing but
/// zeros is behind the last.
///
/// It may run while a writer is at work. What it cannot know is said in the [crate's documentation](crate): compare
/// [`Report::last_hash`] with one that was kept elsewhere.
///
/// # Errors
/// [`VerifyError::Io`]. A journal that is damaged is no error here but [`Report::bad`].
pub fn verify(directory: &Path, mut on_progress: impl FnMut(Progress)) -> Result<Report, VerifyError> {
    check(directory, &mut on_progress).map_err(|error| VerifyError::Io { directory: directory.to_owned(), error })
}

fn check(directory: &Path, on_progress: &mut dyn FnMut(Progress)) -> io::Result<Report> {
    let sizes = segments::list(directory)?.into_iter().map(|first| segments::path(directory, first).metadata());
    let total_bytes = sizes.map(|metadata| metadata.map_or(0, |metadata| metadata.len())).sum();
    let mut progress = Progress { records: 0, bytes: 0, total_bytes };
    let mut tally = Tally::default();
    let mut walk = Walk::open(directory, 1)?;
    let mut looks = 0;
    let bad = loop {
        match walk.step()? {
            Step::Record(located) => {
                looks = 0;
                if let Err(bad) = tally.add(&located) {
                    break Some(bad);
                }
                progress.records += 1;
                progress.bytes += located.size();
                if progress.records.is_multiple_of(PROGRESS) {
                    on_progress(progress);
                }
            }
            Step::End => break None,
            Step::Torn(torn) if looks == LOOKS => {
                let why = format!("{}; a crash in the middle of a write leaves the same", torn.bad.why);
                break Some(Bad { why, ..torn.bad });
            }
            Step::Torn(_) => {
                looks += 1;
                std::thread::sleep(PAUSE);
            }
            Step::Bad(bad) => break Some(bad),
        }
    };
    on_progress(Progress { bytes: total_bytes, ..progress });
    Ok(tally.report(bad))
}

/// What is counted on the way.
#[derive(Default)]
struct Tally {
    report: Report,
    last: Option<Hash>,
    open: BTreeSet<u64>,
    /// Open intents that are no longer remembered: how many, and up to which.
    forgotten: (u64, u64),
    segment: u64,
}

impl Tally {
    fn add(&mut self, located: &Located) -> Result<(), Bad> {
        let record = decode(located)?;
        if self.segment != located.place.segment {
            self.segment = located.place.segment;
            self.report.segments += 1;
        }
        self.report.records += 1;
        self.report.first_sequence.get_or_insert(located.sequence);
        self.report.last_sequence = Some(located.sequence);
        self.last = Some(located.hash);
        match record.event {
            Event::Intent(_) => self.begin(located.sequence),
            Event::Outcome { intent, .. } => self.end(intent),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, intent: u64) {
        self.open.insert(intent);
        if self.open.len() > OPEN_INTENTS {
            let oldest = self.open.pop_first().unwrap_or(0);
            self.forgotten = (self.forgotten.0 + 1, oldest);
        }
    }

    fn end(&mut self, intent: u64) {
        let known = self.open.remove(&intent);
        if !known && intent <= self.forgotten.1 {
            self.forgotten.0 = self.forgotten.0.saturating_sub(1);
        }
    }

    fn report(self, bad: Option<Bad>) -> Report {
        Report {
            bad,
            last_hash: self.last.map(hex::encode),
            unfinished: self.open.iter().copied().take(NAMED_INTENTS).collect(),
            unfinished_count: self.open.len() as u64 + self.forgotten.0,
            ..self.report
        }
    }
}
