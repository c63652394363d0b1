//! The processes that were started for somebody outside: a bounded table of those that run and of how the last ones
//! ended.
//!
//! ```text
//!   launch ──▶ Running (pid, input, terminal) ──▶ output: its pipes ──▶ events, as fast as somebody takes them
//!                 ▲                                                        or thrown away, where nobody does
//!   SIGCHLD ──▶ reap ──▶ exit code ──▶ ended
//! ```
//!
//! A process knows nothing of the connection that it was started over, so it outlives that.

mod input;
mod launch;
mod output;
mod terminal;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::spawn_local;

pub(crate) use self::input::Input;
pub(crate) use self::launch::{Launch, Stdio, Unstartable};
pub(crate) use self::output::Event;
pub(crate) use self::terminal::{Size, Terminal, become_leader};
use crate::limits;

/// All of them.
pub(crate) struct Processes {
    running: RefCell<HashMap<i32, Rc<Running>>>,
    ended: RefCell<VecDeque<(i32, i32)>>,
}

/// One that has not been reaped.
pub(crate) struct Running {
    pid: Pid,
    exit: watch::Sender<Option<i32>>,
    input: Mutex<Option<Input>>,
    terminal: Option<Rc<Terminal>>,
}

/// What became of a process by its id.
pub(crate) enum Found {
    Running(Rc<Running>),
    /// Its exit code.
    Ended(i32),
    Unknown,
}

impl Processes {
    /// An empty table, filled by [`start`](Processes::start) and emptied by whoever reaps.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Processes { running: RefCell::default(), ended: RefCell::default() })
    }

    /// Reaps from now on. There is one who does: where there is a command, it is that one until its end.
    pub(crate) fn reap_from_now_on(self: &Rc<Self>) -> io::Result<()> {
        let mut children = signal(SignalKind::child())?;
        let processes = Rc::clone(self);
        spawn_local(async move {
            processes.reap();
            while children.recv().await.is_some() {
                processes.reap();
            }
        });
        Ok(())
    }

    /// Starts a process. Its events wait in the channel, and it waits with them.
    pub(crate) fn start(&self, launch: &Launch) -> Result<(Rc<Running>, mpsc::Receiver<Event>), Unstartable> {
        if self.running.borrow().len() >= limits::PROCESSES {
            return Err(Unstartable::TooMany);
        }
        let started = launch.start()?;
        let (exit, exited) = watch::channel(None);
        let running =
            Rc::new(Running { pid: started.pid, exit, input: Mutex::new(started.input), terminal: started.terminal });
        // Nothing has been awaited since the start, so the reaper has not looked yet.
        self.running.borrow_mut().insert(started.pid.as_raw(), Rc::clone(&running));
        let (sender, events) = mpsc::channel(1);
        spawn_local(output::carry(started.outputs, exited, sender));
        Ok((running, events))
    }

    /// Looks up a process.
    pub(crate) fn find(&self, id: i32) -> Found {
        if let Some(running) = self.running.borrow().get(&id) {
            return Found::Running(Rc::clone(running));
        }
        let ended = self.ended.borrow();
        ended.iter().rev().find(|(pid, _)| *pid == id).map_or(Found::Unknown, |(_, code)| Found::Ended(*code))
    }

    /// How the last ones ended, the latest last: pids and exit codes.
    pub(crate) fn ended(&self) -> Vec<(i32, i32)> {
        self.ended.borrow().iter().copied().collect()
    }

    /// Asks all of them to end, and waits for it, within bounds.
    pub(crate) async fn end(&self) {
        let all: Vec<_> = self.running.borrow().values().cloned().collect();
        for running in &all {
            running.signal(Signal::SIGTERM);
        }
        let ends = async {
            for running in &all {
                running.exit_code().await;
            }
        };
        let _ = tokio::time::timeout(limits::END_TIME, ends).await;
    }

    /// Takes leave of all who have ended, orphans among them.
    fn reap(&self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => self.note_end(pid, code),
                Ok(WaitStatus::Signaled(pid, signal, _)) => self.note_end(pid, 128 | signal as i32),
                Ok(WaitStatus::StillAlive) => return,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Takes down how a process ended that has been reaped.
    pub(crate) fn note_end(&self, pid: Pid, code: i32) {
        let Some(running) = self.running.borrow_mut().remove(&pid.as_raw()) else { return };
        running.exit.send_replace(Some(code));
        let mut ended = self.ended.borrow_mut();
        if ended.len() >= limits::ENDED {
            ended.pop_front();
        }
        ended.push_back((pid.as_raw(), code));
    }
}

impl Running {
    /// Its pid, which is its id.
    pub(crate) fn id(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Its terminal, if it has one.
    pub(crate) fn terminal(&self) -> Option<&Terminal> {
        self.terminal.as_deref()
    }

    /// Its standard input; nothing once that is closed. Whoever waits for it gets it in turn.
    pub(crate) async fn input(&self) -> tokio::sync::MutexGuard<'_, Option<Input>> {
        self.input.lock().await
    }

    /// Sends a signal to its group, and to what stands in its terminal's foreground. Whether somebody was reached.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        if self.exit.borrow().is_some() {
            return false;
        }
        let foreground = self.terminal.as_ref().and_then(|terminal| terminal.foreground());
        if let Some(foreground) = foreground.filter(|group| *group != self.pid.as_raw()) {
            let _ = killpg(Pid::from_raw(foreground), signal);
        }
        // A moment after its start it may not lead a group yet.
        killpg(self.pid, signal).or_else(|_| kill(self.pid, signal)).is_ok()
    }

    /// Kills its group, and gives it a moment to be gone.
    pub(crate) async fn kill(&self) {
        self.signal(Signal::SIGKILL);
        let _ = tokio::time::timeout(Duration::from_secs(1), self.exit_code()).await;
    }

    async fn exit_code(&self) -> Option<i32> {
        let mut exit = self.exit.subscribe();
        exit.wait_for(Option::is_some).await.ok().and_then(|code| *code)
    }
}
