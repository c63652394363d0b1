//! Signals on their way from the caller to the command.
//!
//! ```text
//!   kill, keyboard ─▶ run: handler ─▶ helper ─▶ init ─┬─▶ runsc run ─▶ foreground of the terminal
//!                                                     └─▶ runsc kill ─▶ sandboxd ─▶ command
//! ```
//!
//! The helper is in a process group of its own, so a key reaches `run` alone and the command once.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

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

/// Whom the handler tells: a process, or one of the two below.
static RECEIVER: AtomicI32 = AtomicI32::new(NOBODY);
/// There is no sandbox in the foreground.
const NOBODY: i32 = 0;
/// There is one, which can be told nothing yet, or nothing any more: what comes is held.
const LATER: i32 = -1;
/// The signals that are held, a bit for each.
static HELD: AtomicU64 = AtomicU64::new(0);

/// While this lives, signals to this process are for the command. Handlers are the process's, so there is one at a
/// time; a second sandbox in the foreground of the same process would hear none.
pub(crate) struct Forwarding {
    is_ours: bool,
    earlier: Vec<(Signal, SigAction)>,
}

impl Forwarding {
    /// Takes the signals, and holds them until there is somebody to tell.
    pub(crate) fn begin(terminal: bool) -> Self {
        let is_ours = RECEIVER.compare_exchange(NOBODY, LATER, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        let earlier = if is_ours { forwarded(terminal).filter_map(take_over).collect() } else { Vec::new() };
        Forwarding { is_ours, earlier }
    }

    /// Tells `receiver` what was held, and from now on what comes.
    pub(crate) fn to(&self, receiver: Pid) {
        if self.is_ours {
            RECEIVER.store(receiver.as_raw(), Ordering::SeqCst);
            forwarded(true).for_each(|signal| tell(signal, receiver));
        }
    }

    /// Tells nobody any more.
    pub(crate) fn hold(&self) {
        if self.is_ours {
            RECEIVER.store(LATER, Ordering::SeqCst);
        }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        for (signal, action) in self.earlier.drain(..) {
            restore(signal, &action);
        }
        if self.is_ours {
            RECEIVER.store(NOBODY, Ordering::SeqCst);
            HELD.store(0, Ordering::SeqCst);
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

/// Every signal is held first and then told, so that it is told once, by whoever comes to it: the handler, or the
/// thread that brings the receiver.
extern "C" fn forward(number: i32) {
    let errno = Errno::last_raw();
    if let Ok(signal) = Signal::try_from(number) {
        HELD.fetch_or(bit(signal), Ordering::SeqCst);
        let receiver = RECEIVER.load(Ordering::SeqCst);
        if receiver > 0 {
            tell(signal, Pid::from_raw(receiver));
        }
    }
    Errno::set_raw(errno);
}

fn tell(signal: Signal, receiver: Pid) {
    if HELD.fetch_and(!bit(signal), Ordering::SeqCst) & bit(signal) != 0 {
        let _ = kill(receiver, signal);
    }
}

fn bit(signal: Signal) -> u64 {
    1 << (signal as u64 & 63)
}
