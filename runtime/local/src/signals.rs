//! Signals on their way from the caller to the command.
//!
//! ```text
//!   kill, keyboard ─▶ run: handler ─▶ helper ─▶ init ─┬─▶ runsc run ─▶ foreground of the terminal
//!                                                     └─▶ runsc kill ─▶ sandboxd ─▶ command
//! ```
//!
//! The helper is in a process group of its own, so a key reaches `run` alone and the command once.

use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::Pid;

/// What is forwarded always.
const ALWAYS: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];
/// What is the terminal's: the command there is stopped and resized, not we.
const ON_TERMINAL: [Signal; 3] = [Signal::SIGWINCH, Signal::SIGTSTP, Signal::SIGCONT];

/// The signals that are forwarded.
pub(crate) fn forwarded(terminal: bool) -> impl Iterator<Item = Signal> {
    ALWAYS.into_iter().chain(ON_TERMINAL.into_iter().filter(move |_| terminal))
}

/// Where the handler sends signals: a process, or nobody.
static RECEIVER: AtomicI32 = AtomicI32::new(0);

/// While this lives, signals to this process go to another one. Handlers are the process's, so there is one at a
/// time; a second sandbox in the foreground of the same process would hear none.
pub(crate) struct Forwarding {
    is_ours: bool,
    earlier: Vec<(Signal, SigAction)>,
}

impl Forwarding {
    /// Forwards to `receiver`.
    pub(crate) fn to(receiver: Pid, terminal: bool) -> Self {
        let is_ours = RECEIVER.compare_exchange(0, receiver.as_raw(), Ordering::SeqCst, Ordering::SeqCst).is_ok();
        let earlier = if is_ours { forwarded(terminal).filter_map(take_over).collect() } else { Vec::new() };
        Forwarding { is_ours, earlier }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        for (signal, action) in self.earlier.drain(..) {
            restore(signal, &action);
        }
        if self.is_ours {
            RECEIVER.store(0, Ordering::SeqCst);
        }
    }
}

/// Installs the handler, except for a signal that the caller was told to ignore (`nohup`).
#[allow(unsafe_code)]
fn take_over(signal: Signal) -> Option<(Signal, SigAction)> {
    let action = SigAction::new(SigHandler::Handler(forward), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler calls `kill` only, which is async-signal-safe, and leaves errno as it was.
    let earlier = unsafe { sigaction(signal, &action) }.ok()?;
    if matches!(earlier.handler(), SigHandler::SigIgn) {
        restore(signal, &earlier);
        return None;
    }
    Some((signal, earlier))
}

#[allow(unsafe_code)]
fn restore(signal: Signal, action: &SigAction) {
    // SAFETY: the action is the one that was in force before ours.
    let _ = unsafe { sigaction(signal, action) };
}

extern "C" fn forward(number: i32) {
    let errno = Errno::last_raw();
    let receiver = RECEIVER.load(Ordering::SeqCst);
    if let (true, Ok(signal)) = (receiver > 0, Signal::try_from(number)) {
        let _ = kill(Pid::from_raw(receiver), signal);
    }
    Errno::set_raw(errno);
}
