//! A process's output, kept up to a limit.

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::processes::Event;

/// Standard output and error so far.
pub(crate) struct Collected {
    stdout: Kept,
    stderr: Kept,
}

struct Kept {
    bytes: BytesMut,
    limit: usize,
    left_out: u64,
}

impl Collected {
    pub(crate) fn new(stdout: usize, stderr: usize) -> Self {
        let kept = |limit| Kept { bytes: BytesMut::new(), limit, left_out: 0 };
        Collected { stdout: kept(stdout), stderr: kept(stderr) }
    }

    /// Takes everything until the process has ended, and gives its exit code. To drop the future loses nothing.
    pub(crate) async fn until_the_end(&mut self, events: &mut mpsc::Receiver<Event>) -> i32 {
        loop {
            match events.recv().await {
                Some(Event::Stdout(bytes)) => self.stdout.add(&bytes),
                Some(Event::Stderr(bytes)) => self.stderr.add(&bytes),
                Some(Event::Exit(code)) => return code,
                // Whoever carries the events is gone only with the whole program.
                None => return -1,
            }
        }
    }

    /// Both, standard error with a line for each that was cut.
    pub(crate) fn finish(mut self) -> (Bytes, Bytes) {
        let lines = self.stdout.line("stdout") + &self.stderr.line("stderr");
        self.stderr.bytes.extend_from_slice(lines.as_bytes());
        (self.stdout.bytes.freeze(), self.stderr.bytes.freeze())
    }
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len();
        let (kept, rest) = bytes.split_at(bytes.len().min(room));
        self.bytes.extend_from_slice(kept);
        self.left_out += rest.len() as u64;
    }

    /// What is said about what was left out.
    fn line(&self, name: &str) -> String {
        match self.left_out {
            0 => String::new(),
            left_out => format!("\nexeat: {name} was cut after {} bytes; {left_out} more are left out\n", self.limit),
        }
    }
}
