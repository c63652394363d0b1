//! What happens to a process whose caller goes away.

use std::cell::Cell;
use std::rc::Rc;

use nix::sys::signal::Signal;

use super::super::Context;
use crate::processes::Running;

/// Sends a signal to a process's group when the call is dropped: cancelled, or over its time. Not where the whole
/// connection is lost, which is a snapshot and nobody's wish.
pub(crate) struct Guard {
    running: Option<Rc<Running>>,
    signal: Signal,
    lost: Rc<Cell<bool>>,
}

impl Guard {
    pub(crate) fn new(context: &Context, running: Rc<Running>, signal: Signal) -> Self {
        Guard { running: Some(running), signal, lost: Rc::clone(&context.lost) }
    }

    /// The process has ended.
    pub(crate) fn disarm(&mut self) {
        self.running = None;
    }

    /// Kills the group now.
    pub(crate) fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::SIGKILL);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(running) = self.running.take().filter(|_| !self.lost.get()) {
            running.signal(self.signal);
        }
    }
}
