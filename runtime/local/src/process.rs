//! A process that is found again: its number alone may be another's by then.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process, by its number and the moment it was started: what can be written down and compared later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number in our pid namespace.
    pub pid: i32,
    /// When it was started, in clock ticks since the machine was (proc(5), `/proc/pid/stat`, field 22).
    pub start_time: u64,
}

impl Process {
    /// The process that has this number now.
    pub(crate) fn now(pid: i32) -> io::Result<Self> {
        let start_time = stat(pid).map(|(_, start_time)| start_time);
        start_time.map(|start_time| Process { pid, start_time }).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether it has not ended.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|(state, start_time)| start_time == self.start_time && !matches!(state, 'Z' | 'X'))
    }

    /// A descriptor of it, which is readable when it has ended; nothing where it has.
    ///
    /// # Errors
    /// Where this process has no more descriptors.
    pub fn open(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // Looked at after it was opened: from here on, the descriptor is that process and no other.
            Ok(descriptor) => Ok(self.is_alive().then_some(descriptor)),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills it and waits until it has ended.
    ///
    /// # Errors
    /// `TimedOut` where the kernel does not end it in time.
    pub fn end(&self, time: Duration) -> io::Result<()> {
        let Some(descriptor) = self.open()? else { return Ok(()) };
        match pidfd_send_signal(&descriptor, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: 0 };
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&time))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

/// The state and the start time in `/proc/pid/stat`. The name before them may hold anything, parentheses too.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_known_until_it_ends_and_a_number_alone_is_none() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::now(child.id().cast_signed()).unwrap();
        let other = Process { start_time: process.start_time + 1, ..process };
        assert!(process.is_alive() && !other.is_alive());
        assert!(other.open().unwrap().is_none());
        other.end(Duration::from_secs(1)).unwrap();
        assert!(process.is_alive());
        process.end(Duration::from_secs(10)).unwrap();
        // Its parent has not taken leave of it yet.
        assert!(!process.is_alive());
        child.wait().unwrap();
        assert!(process.open().unwrap().is_none());
    }
}
