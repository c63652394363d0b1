//! The one thread that writes: takes what waits, commits it in groups, wakes those who wait.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::AppendError;
use crate::journal::{Acknowledge, QUEUE_BYTES};
use crate::tail::{GROUP_RECORDS, Tail};

/// Bytes of events that nobody waits for and that the disk refused, kept to be tried again. A quarter of the queue,
/// so that a disk that stays full still leaves room for appends, which then fail at once instead of waiting.
const KEPT_BYTES: usize = QUEUE_BYTES / 4;
/// The same, in records.
const KEPT_RECORDS: usize = 1024;
/// How often kept events are tried again while nothing else comes.
const RETRY: Duration = Duration::from_millis(500);
/// How long events that nobody waits for may wait for an append to share its sync. A sync of their own would hold up the
/// appends that come in the meantime.
const LINGER: Duration = Duration::from_millis(5);

/// What the writer is asked to do.
pub(crate) enum Task {
    Append(Pending),
    Check(oneshot::Sender<Result<(), AppendError>>),
    Close(oneshot::Sender<Result<(), AppendError>>),
}

impl Task {
    /// Whether somebody waits for it to be done.
    fn is_awaited(&self) -> bool {
        match self {
            Task::Append(pending) => pending.done.is_some(),
            Task::Check(_) | Task::Close(_) => true,
        }
    }
}

/// A record that waits to be written.
pub(crate) struct Pending {
    /// Room for the frame, then the payload.
    pub(crate) bytes: Vec<u8>,
    /// Who waits for it, if anybody does.
    pub(crate) done: Option<Acknowledge>,
    /// Its part of the queue's bytes.
    pub(crate) _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Pending {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for Pending {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// The writer's thread.
pub(crate) struct Writer {
    tail: Tail,
    lock: File,
    /// In the order in which they are to be written.
    waiting: VecDeque<Pending>,
    /// The last error, while events that it hit are still waiting.
    refused: Option<Arc<io::Error>>,
    /// Events that could not be kept.
    lost: Option<Arc<io::Error>>,
}

impl Writer {
    pub(crate) fn new(tail: Tail, lock: File) -> Self {
        Writer { tail, lock, waiting: VecDeque::new(), refused: None, lost: None }
    }

    /// Works until the journal is closed or its last handle is gone.
    pub(crate) fn run(mut self, tasks: Receiver<Task>) {
        let mut taken = Vec::with_capacity(GROUP_RECORDS);
        let (mut checks, mut closing) = (Vec::new(), None);
        while closing.is_none() && self.take(&tasks, &mut taken) {
            for task in taken.drain(..) {
                match task {
                    Task::Append(pending) if closing.is_none() => self.waiting.push_back(pending),
                    Task::Append(pending) => fail(pending, AppendError::Closed),
                    Task::Check(done) => checks.push(done),
                    Task::Close(done) => closing = Some(done),
                }
            }
            self.write();
            for done in checks.drain(..) {
                let _ = done.send(self.tail.check().map_err(|error| AppendError::Disk(Arc::new(error))));
            }
        }
        drop(tasks);
        let unwritten = self.refused.or(self.lost).map_or(Ok(()), |error| Err(AppendError::Disk(error)));
        if let Err(error) = &unwritten {
            tracing::error!(%error, records = self.waiting.len(), "events were lost when the journal was closed");
        }
        // Whoever waited for the end may open the journal again at once.
        drop((self.tail, self.lock));
        if let Some(done) = closing {
            let _ = done.send(unwritten);
        }
    }

    /// Waits for tasks, up to a group of them. `false` when none can come any more.
    fn take(&self, tasks: &Receiver<Task>, taken: &mut Vec<Task>) -> bool {
        let first = match self.waiting.is_empty() {
            true => tasks.recv().map_err(|_| RecvTimeoutError::Disconnected),
            // Refused events wait for another try.
            false => tasks.recv_timeout(RETRY),
        };
        match first {
            Ok(task) => taken.push(task),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        let deadline = Instant::now() + LINGER;
        while taken.len() < GROUP_RECORDS {
            let more = match tasks.try_recv() {
                Err(_) if !taken.iter().any(Task::is_awaited) => {
                    tasks.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
                }
                more => more.ok(),
            };
            match more {
                Some(task) => taken.push(task),
                None => break,
            }
        }
        true
    }

    /// Writes all that waits, group by group.
    fn write(&mut self) {
        while !self.waiting.is_empty() {
            let first = self.tail.next();
            match self.tail.commit(self.waiting.make_contiguous()) {
                Ok(count) => {
                    for (sequence, pending) in (first..).zip(self.waiting.drain(..count)) {
                        acknowledge(pending, sequence);
                    }
                    self.refused = None;
                }
                Err(error) => return self.refuse(error),
            }
        }
    }

    /// Fails all who wait, keeps what nobody waits for, and goes back to the last acknowledged record at once, so that
    /// a crash after this finds no trace of what failed.
    fn refuse(&mut self, error: io::Error) {
        let error = Arc::new(error);
        tracing::error!(%error, records = self.waiting.len(), "the journal cannot be written");
        let mut kept = 0;
        for pending in std::mem::take(&mut self.waiting) {
            if pending.done.is_some() {
                fail(pending, AppendError::Disk(Arc::clone(&error)));
            } else if kept + pending.bytes.len() <= KEPT_BYTES && self.waiting.len() < KEPT_RECORDS {
                kept += pending.bytes.len();
                self.waiting.push_back(pending);
            } else {
                self.lost = Some(Arc::clone(&error));
            }
        }
        self.refused = (!self.waiting.is_empty()).then_some(error);
        if let Err(error) = self.tail.repair() {
            tracing::error!(%error, "the journal's last acknowledged record cannot be reached yet");
        }
    }
}

fn acknowledge(pending: Pending, sequence: u64) {
    if let Some(done) = pending.done {
        let _ = done.send(Ok(sequence));
    }
}

fn fail(pending: Pending, error: AppendError) {
    if let Some(done) = pending.done {
        let _ = done.send(Err(error));
    }
}
