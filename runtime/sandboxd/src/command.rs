//! The command: started, sent its signals, and waited for together with everything that was orphaned.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::spawn_local;

/// What a terminal's keys send: meant for everything in the foreground.
const KEYBOARD: [Signal; 2] = [Signal::SIGINT, Signal::SIGQUIT];
/// What is meant for the command alone.
const OTHERS: [Signal; 4] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];
/// What would stop us, since gVisor protects no process 1 from it: on a terminal we are in its foreground.
const STOPS: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// A command that cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unstartable {
    #[error("no such command: `{0}`")]
    Missing(String),
    #[error("cannot run `{0}`: {1}")]
    Refused(String, io::Error),
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

impl Unstartable {
    /// The exit code that a shell gives in the same case.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Unstartable::Missing(_) => 127,
            Unstartable::Refused(..) => 126,
            Unstartable::Signals(_) => 1,
        }
    }
}

/// A running command.
pub(crate) struct Command {
    pid: Pid,
    on_terminal: bool,
    alone: bool,
    children: Signals,
    asked: mpsc::Receiver<Signal>,
}

impl Command {
    /// Starts `words`. On a terminal it shares our process group, which is the terminal's foreground: keys and
    /// window changes reach it there, and nothing is forwarded. Elsewhere it leads a group of its own, so that an
    /// interrupt reaches a whole pipeline as it would from a keyboard, and never us.
    pub(crate) fn start(words: &[OsString]) -> Result<Self, Unstartable> {
        let (program, arguments) = words.split_first().ok_or_else(|| Unstartable::Missing(String::new()))?;
        let on_terminal = io::stdin().is_terminal();
        // Before the start, so that no end and no signal is missed.
        let children = signal(SignalKind::child()).map_err(Unstartable::Signals)?;
        let asked = listen()?;
        let mut command = process::Command::new(program);
        command.args(arguments);
        if !on_terminal {
            command.process_group(0);
        }
        let child = command.spawn().map_err(|error| {
            let name = program.to_string_lossy().escape_debug().to_string();
            if error.kind() == io::ErrorKind::NotFound {
                Unstartable::Missing(name)
            } else {
                Unstartable::Refused(name, error)
            }
        })?;
        Ok(Command { pid: Pid::from_raw(child.id().cast_signed()), on_terminal, alone: false, children, asked })
    }

    /// The same where process 1 alone is told what is meant for the command, also on a terminal: all but keys.
    #[must_use]
    pub(crate) fn told_through_us(self) -> Self {
        Command { alone: true, ..self }
    }

    /// Waits for the command and gives its exit code: its own, or 128 and the signal's number. How others end until
    /// then is told to `others`.
    pub(crate) async fn finish(mut self, others: impl Fn(Pid, i32)) -> u8 {
        loop {
            if let Some(code) = self.reap(&others) {
                return code;
            }
            tokio::select! {
                _ = self.children.recv() => {}
                Some(signal) = self.asked.recv() => self.forward(signal),
            }
        }
    }

    /// Takes leave of all who have ended. Orphans are ours too: process 1 is their parent.
    fn reap(&self, others: &impl Fn(Pid, i32)) -> Option<u8> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
                Ok(WaitStatus::Stopped(pid, _)) if pid == self.pid => self.resume(),
                Ok(WaitStatus::Exited(pid, code)) if pid == self.pid => return Some(code.to_le_bytes()[0]),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.pid => return Some(128 | signal as u8),
                Ok(WaitStatus::Exited(pid, code)) => others(pid, code),
                Ok(WaitStatus::Signaled(pid, signal, _)) => others(pid, 128 | signal as i32),
                Ok(WaitStatus::StillAlive) => return None,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return Some(1),
            }
        }
    }

    /// No shell stands above the command that could continue it, so that it would stand still for ever. Linux lets
    /// a terminal stop nobody whom nobody can continue; gVisor does. Whoever else was stopped is in our group.
    fn resume(&self) {
        if self.on_terminal {
            let _ = kill(Pid::from_raw(0), Signal::SIGCONT);
        }
    }

    fn forward(&self, signal: Signal) {
        let heard = self.on_terminal && (!self.alone || KEYBOARD.contains(&signal));
        if heard || STOPS.contains(&signal) {
            return;
        }
        // The command may have ended a moment ago; then there is nobody to tell.
        let _ = if KEYBOARD.contains(&signal) { killpg(self.pid, signal) } else { kill(self.pid, signal) };
    }
}

/// Signals that are sent to us, one after the other. Taking them also keeps them from ending
/// or stopping process 1; the command begins without our handlers.
fn listen() -> Result<mpsc::Receiver<Signal>, Unstartable> {
    let (sender, receiver) = mpsc::channel(KEYBOARD.len() + OTHERS.len() + STOPS.len());
    for number in KEYBOARD.into_iter().chain(OTHERS).chain(STOPS) {
        let mut arrivals = signal(SignalKind::from_raw(number as i32)).map_err(Unstartable::Signals)?;
        let sender = sender.clone();
        spawn_local(async move { while arrivals.recv().await.is_some() && sender.send(number).await.is_ok() {} });
    }
    Ok(receiver)
}

/// Takes the signals that must not end or stop us, and does nothing about them as long as what it returns lives.
pub(crate) fn ignore_others() -> io::Result<Vec<Signals>> {
    let ignored = [Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];
    ignored.into_iter().chain(STOPS).map(|number| signal(SignalKind::from_raw(number as i32))).collect()
}
