//! What the journal promises, one promise a file. This one is what they share: a directory, and events to put there.

mod crash;
mod disk;
mod index;
mod recovery;
mod tampering;
mod writing;

use std::path::{Path, PathBuf};

use crate::{Config, Event, Intent, Journal, OperationFacts, Reader, Record, RefusalFacts, Report, segments, verify};

/// A journal's directory that goes with the test.
struct Place {
    directory: tempfile::TempDir,
    segment_bytes: u64,
}

impl Place {
    fn new() -> Place {
        Place::with_segments(256 * 1024)
    }

    fn with_segments(segment_bytes: u64) -> Place {
        Place { directory: tempfile::tempdir().unwrap(), segment_bytes }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    fn config(&self) -> Config {
        Config { directory: self.path(), segment_bytes: self.segment_bytes }
    }

    fn open(&self) -> Journal {
        Journal::open(&self.config()).unwrap()
    }

    /// One group for each event.
    fn write(&self, events: impl IntoIterator<Item = Event>) {
        run(async {
            let journal = self.open();
            for event in events {
                journal.append(event).await.unwrap();
            }
            journal.close().await.unwrap();
        });
    }

    fn verify(&self) -> Report {
        verify(&self.path(), |_| {}).unwrap()
    }

    fn records(&self) -> Vec<Record> {
        Reader::open(&self.path(), 0).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn segments(&self) -> Vec<PathBuf> {
        segments::list(&self.path()).unwrap().into_iter().map(|first| segments::path(&self.path(), first)).collect()
    }

    /// The first segment's bytes.
    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.segments()[0]).unwrap()
    }

    /// Writes the first segment anew, as somebody would who can.
    fn rewrite(&self, bytes: &[u8]) {
        std::fs::write(&self.segments()[0], bytes).unwrap();
    }

    /// Everything in the directory but the lock.
    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        contents(&self.path())
    }
}

fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file() && !path.ends_with("lock"));
    let mut contents: Vec<_> = files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect();
    contents.sort();
    contents
}

/// Where each record of a segment begins, and where the last one ends.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![crate::format::HEADER];
    while let crate::format::Parsed::Record(frame) = crate::format::parse(&bytes[*starts.last().unwrap()..]) {
        starts.push(starts.last().unwrap() + frame.bytes().len());
    }
    starts
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(work)
}

fn message(text: &str) -> Event {
    Event::PolicyRejected { message: text.to_owned(), scope: None }
}

fn intent(session: &str, action: &str) -> Event {
    let operation = OperationFacts { action: action.to_owned(), allowed: true, ..OperationFacts::default() };
    Event::Intent(Box::new(Intent { session: session.to_owned(), operations: vec![operation], ..Intent::default() }))
}

fn refusal(session: &str, action: &str) -> Event {
    let operation = OperationFacts { action: action.to_owned(), ..OperationFacts::default() };
    let session = Some(session.to_owned());
    Event::Refusal(Box::new(RefusalFacts { session, operations: vec![operation], ..RefusalFacts::default() }))
}

fn outcome(intent: u64) -> Event {
    Event::Outcome { intent, status: Some(200), error: None, sent_bytes: 0, received_bytes: 0, duration_us: 1 }
}

fn messages(count: u64) -> impl Iterator<Item = Event> {
    (1..=count).map(|number| message(&format!("event {number}")))
}
