//! The handle that everybody writes through.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use jiff::Timestamp;
use tokio::sync::{Semaphore, oneshot};

use crate::format::{FRAME, MAX_PAYLOAD};
use crate::recover::{self, OpenError};
use crate::tail::{Disk, RealDisk};
use crate::writer::{Pending, Task, Writer};
use crate::{Event, record};

/// The size of a segment where nothing else is asked for. At 1 KiB a record it is 60,000 requests.
pub const DEFAULT_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of records that wait for the writer at once. More wait for room.
pub(crate) const QUEUE_BYTES: usize = 16 * 1024 * 1024;

/// Where a journal is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its directory. It is made, for its owner only, where it is missing.
    pub directory: PathBuf,
    /// About how large a segment becomes: [`DEFAULT_SEGMENT_BYTES`]. A segment always takes one record, however small
    /// it is.
    pub segment_bytes: u64,
}

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A journal that is being written, by this process alone. Clones are handles to the same one.
///
/// When the last handle goes, the writer writes what is queued and ends; [`Journal::close`] also waits for that and
/// says whether it worked.
#[derive(Clone)]
pub struct Journal {
    queue: mpsc::Sender<Task>,
    room: Arc<Semaphore>,
    clock: Clock,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens a journal to write it, and makes it where there is none: takes its lock, reads its end, sets aside what a
    /// crash left half written there, and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`] when somebody else writes it, when it was changed, and when the disk refuses.
    pub fn open(config: &Config) -> Result<Journal, OpenError> {
        Journal::open_with_clock(config, Arc::new(Timestamp::now))
    }

    /// The same with another clock.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_with_clock(config: &Config, clock: Clock) -> Result<Journal, OpenError> {
        Journal::open_on(config, clock, Arc::new(RealDisk))
    }

    /// The same on another disk.
    pub(crate) fn open_on(config: &Config, clock: Clock, disk: Arc<dyn Disk>) -> Result<Journal, OpenError> {
        let io = |error| OpenError::Io { directory: config.directory.clone(), error };
        let mut opened = recover::open(config, disk)?;
        if let Some(set_aside) = opened.set_aside.take() {
            let event = Event::Recovered { set_aside_bytes: set_aside.bytes, file: Some(set_aside.file) };
            let bytes = encode(clock(), &event).map_err(|error| io(io::Error::other(error)))?;
            opened.tail.commit(&mut [bytes]).map_err(io)?;
        }
        let (queue, tasks) = mpsc::channel();
        let writer = Writer::new(opened.tail, opened.lock);
        std::thread::Builder::new().name("journal".into()).spawn(move || writer.run(tasks)).map_err(io)?;
        Ok(Journal { queue, room: Arc::new(Semaphore::new(QUEUE_BYTES)), clock })
    }

    /// Appends an event and returns its sequence number when the record is on the disk, written and synced. Appends
    /// that wait at the same time share one sync.
    ///
    /// Dropping the future does not take the event back: once queued, it is written.
    ///
    /// # Errors
    /// [`AppendError`]: the event is not acknowledged and must be treated as if it had not been written. (A crash right
    /// after an error of the disk can leave it there nevertheless, as an intent without an outcome.)
    pub async fn append(&self, event: Event) -> Result<u64, AppendError> {
        let (done, sequence) = oneshot::channel();
        self.enqueue(&event, Some(done)).await?;
        sequence.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Queues an event behind all that is queued, to be written and synced with the next group; returns when it is
    /// queued, not when it is on the disk. For outcomes.
    ///
    /// If the disk refuses, the event is kept and tried again with the next group, as long as not too many wait so;
    /// it is lost if the process ends before that.
    ///
    /// # Errors
    /// [`AppendError::TooLarge`] and [`AppendError::Closed`].
    pub async fn append_soon(&self, event: Event) -> Result<(), AppendError> {
        self.enqueue(&event, None).await
    }

    /// Whether a record could be written now. None is.
    ///
    /// # Errors
    /// [`AppendError`], as an append now would give.
    pub async fn check(&self) -> Result<(), AppendError> {
        let (done, checked) = oneshot::channel();
        self.queue.send(Task::Check(done)).map_err(|_| AppendError::Closed)?;
        checked.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Makes everything queued so far durable and stops the writer, for all handles. When it returns, the lock is free.
    ///
    /// # Errors
    /// [`AppendError`] when something queued with [`Journal::append_soon`] could not be written, and when the journal
    /// was closed already.
    pub async fn close(self) -> Result<(), AppendError> {
        let (done, closed) = oneshot::channel();
        self.queue.send(Task::Close(done)).map_err(|_| AppendError::Closed)?;
        closed.await.unwrap_or(Err(AppendError::Closed))
    }

    async fn enqueue(&self, event: &Event, done: Option<Acknowledge>) -> Result<(), AppendError> {
        let bytes = encode((self.clock)(), event)?;
        let room = Arc::clone(&self.room).acquire_many_owned(bytes.len() as u32).await;
        let room = room.map_err(|_| AppendError::Closed)?;
        let pending = Pending { bytes, done, _room: room };
        self.queue.send(Task::Append(pending)).map_err(|_| AppendError::Closed)
    }
}

/// How an append learns what became of it.
pub(crate) type Acknowledge = oneshot::Sender<Result<u64, AppendError>>;

/// Room for a frame, then the payload.
pub(crate) fn encode(time: Timestamp, event: &Event) -> Result<Vec<u8>, AppendError> {
    let mut bytes = Vec::with_capacity(1024);
    bytes.resize(FRAME, 0);
    record::encode(&mut bytes, time, event).map_err(|error| AppendError::Unwritable(error.to_string()))?;
    match bytes.len() - FRAME {
        length if length > MAX_PAYLOAD => Err(AppendError::TooLarge { bytes: length, limit: MAX_PAYLOAD }),
        _ => Ok(bytes),
    }
}

/// Why an event is not in the journal. Whatever depended on it must not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// It is larger than a record may be.
    #[error("the record has {bytes} bytes, more than the {limit} that one may have")]
    TooLarge {
        /// Its size as JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It cannot be written as JSON.
    #[error("the event cannot be written: {0}")]
    Unwritable(String),
    /// The disk refused. The next append finds out whether it still does.
    #[error("the journal cannot be written: {0}")]
    Disk(#[source] Arc<io::Error>),
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}
