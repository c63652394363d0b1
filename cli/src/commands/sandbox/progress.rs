//! What is said while something takes its time: on a terminal only, and only after a second.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::human;

/// From when on it is said that something goes on.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is said anew.
const BEAT: Duration = Duration::from_millis(250);
/// The width of a bar in characters.
const BAR: u64 = 24;

/// Waits for `work`, and says `what` it waits for where that takes long.
pub(super) async fn during<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut line = Line::new(what);
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(BEAT, &mut work).await {
            Ok(done) => return done,
            Err(_) => line.say(""),
        }
    }
}

/// A line at the foot of a terminal, gone when it is dropped.
struct Line {
    what: String,
    began: Instant,
    said: Option<Instant>,
    is_terminal: bool,
}

impl Line {
    fn new(what: &str) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Line { what: what.to_owned(), began: Instant::now(), said: None, is_terminal }
    }

    fn say(&mut self, more: &str) {
        let due = self.said.map_or(self.began + PATIENCE, |said| said + BEAT / 2);
        if self.is_terminal && Instant::now() >= due {
            self.said = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r\x1b[K{} ({}) {more}", self.what, human::span(self.began.elapsed()));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.said.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Bytes that are counted, of a total where that is known.
pub(super) struct Counter {
    line: Line,
    done: u64,
    total: Option<u64>,
}

impl Counter {
    pub(super) fn new(what: &str, total: Option<u64>) -> Self {
        Counter { line: Line::new(what), done: 0, total }
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        let bar = self.total.filter(|total| *total > 0).map(|total| {
            let full = (self.done.min(total) * BAR / total) as usize;
            format!("[{}{}] ", "#".repeat(full), " ".repeat(BAR as usize - full))
        });
        self.line.say(&format!("{}{}", bar.unwrap_or_default(), human::size(self.done)));
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }
}
