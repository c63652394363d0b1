//! What a process writes, carried to whoever listens and never kept: where nobody takes it, the process waits.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::terminal::Terminal;
use crate::limits;

/// What a process did next.
#[derive(Debug)]
pub(crate) enum Event {
    Stdout(Bytes),
    Stderr(Bytes),
    /// Its exit code; nothing follows.
    Exit(i32),
}

/// Where a process writes to.
pub(super) enum Outputs {
    Pipes(Option<pipe::Receiver>, Option<pipe::Receiver>),
    Terminal(Rc<Terminal>),
}

impl Outputs {
    /// The next output; nothing where all has been written. To drop the future loses nothing.
    async fn next(&mut self) -> Option<Event> {
        match self {
            Outputs::Pipes(stdout, stderr) => next_of_pipes(stdout, stderr).await,
            Outputs::Terminal(terminal) => {
                let mut buffer = BytesMut::zeroed(limits::CHUNK_BYTES);
                let read = terminal.read(&mut buffer).await;
                (read > 0).then(|| Event::Stdout(Bytes::copy_from_slice(&buffer[..read])))
            }
        }
    }
}

async fn next_of_pipes(stdout: &mut Option<pipe::Receiver>, stderr: &mut Option<pipe::Receiver>) -> Option<Event> {
    while stdout.is_some() || stderr.is_some() {
        tokio::select! {
            read = next_of_pipe(stdout), if stdout.is_some() => if let Some(bytes) = read {
                return Some(Event::Stdout(bytes));
            },
            read = next_of_pipe(stderr), if stderr.is_some() => if let Some(bytes) = read {
                return Some(Event::Stderr(bytes));
            },
        }
    }
    None
}

/// The next bytes of a pipe, which is closed after the last ones.
async fn next_of_pipe(pipe: &mut Option<pipe::Receiver>) -> Option<Bytes> {
    let open = pipe.as_mut()?;
    // No memory is taken while there is nothing to read.
    let mut buffer = BytesMut::new();
    if open.readable().await.is_ok() {
        buffer.reserve(limits::CHUNK_BYTES);
        if matches!(open.read_buf(&mut buffer).await, Ok(read) if read > 0) {
            return Some(buffer.freeze());
        }
    }
    *pipe = None;
    None
}

/// Carries everything until the process has ended and its output with it. Where what it started in the background
/// still holds the output open, the process's own end counts: what those write later is thrown away, since a closed
/// pipe would end them.
pub(super) async fn carry(mut outputs: Outputs, mut exit: watch::Receiver<Option<i32>>, events: mpsc::Sender<Event>) {
    let mut rest = limits::AFTER_EXIT_BYTES;
    while let Some(event) = next_or_end(&mut outputs, &mut exit).await {
        if exit.borrow().is_some() {
            rest = rest.saturating_sub(event.len());
        }
        // Where nobody listens any more, the process goes on all the same.
        let _ = events.send(event).await;
        if rest == 0 {
            break;
        }
    }
    if let Ok(code) = exit.wait_for(Option::is_some).await.map(|code| code.unwrap_or_default()) {
        let _ = events.send(Event::Exit(code)).await;
    }
    drop(events);
    while outputs.next().await.is_some() {}
}

/// The next output, until all is written or, once the process has ended, nothing comes for a moment.
async fn next_or_end(outputs: &mut Outputs, exit: &mut watch::Receiver<Option<i32>>) -> Option<Event> {
    if exit.borrow_and_update().is_none() {
        tokio::select! {
            event = outputs.next() => return event,
            _ = exit.changed() => {}
        }
    }
    timeout(limits::AFTER_EXIT_TIME, outputs.next()).await.ok().flatten()
}

impl Event {
    fn len(&self) -> usize {
        match self {
            Event::Stdout(bytes) | Event::Stderr(bytes) => bytes.len(),
            Event::Exit(_) => 0,
        }
    }
}
