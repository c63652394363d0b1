//! Process 1 of the sandbox's pid namespace: mounts what the root filesystem needs, runs runsc, and passes signals on.
//!
//! When it dies, the kernel kills everything in the namespace, gVisor's processes and the sandbox with them. It dies
//! with the helper, and the helper with the caller: so nothing is ever left behind.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use crate::error::{Doing, Failure};
use crate::order::{Launch, Report, send};
use crate::runsc::{self, Runsc, Written};
use crate::{helper, limits, namespaces};

/// Runs a sandbox to its end and gives its exit code. `alive` ends when the helper does.
pub(crate) fn serve(launch: &Launch, arrivals: &SignalFd, alive: &OwnedFd, socket: &UnixStream) -> i32 {
    match prepare(launch, alive).and_then(|init| Ok(init.run(arrivals)?)) {
        Ok(code) => code,
        Err(report) => {
            let _ = send(socket, &report);
            1
        }
    }
}

fn prepare<'a>(launch: &'a Launch, alive: &OwnedFd) -> Result<Init<'a>, Report> {
    set_pdeathsig(Signal::SIGKILL).doing("tie process 1 to its helper")?;
    // A helper that died before that line sends no signal, but has let go of the pipe.
    let mut helper = [PollFd::new(alive.as_fd(), PollFlags::empty())];
    if poll(&mut helper, PollTimeout::ZERO) != Ok(0) {
        return Err(Failure::Helper("the sandbox's helper is gone".to_owned()).into());
    }
    namespaces::enter_mounts().map_err(|errno| Report::NoNamespaces(errno.desc().to_owned()))?;
    namespaces::bind(&launch.binds)?;
    namespaces::mount_proc()?;
    Ok(Init { launch, runsc: Runsc::new(&launch.runsc, &launch.state, Written::ToMemory) })
}

struct Init<'a> {
    launch: &'a Launch,
    runsc: Runsc,
}

impl Init<'_> {
    fn run(&self, arrivals: &SignalFd) -> Result<i32, Failure> {
        let mut command = self.runsc.run(&self.launch.id);
        unblock_signals(&mut command);
        let child = command.spawn().doing_to("start", &self.launch.runsc)?;
        let runsc = Pid::from_raw(child.id().cast_signed());
        loop {
            match helper::next(arrivals) {
                Some(Signal::SIGCHLD) => {}
                Some(signal) if self.launch.terminal => {
                    // runsc sends it on to whatever is in the terminal's foreground.
                    let _ = kill(runsc, signal);
                }
                Some(signal) => self.send_to_sandboxd(signal, runsc),
                None => return Err(Failure::Helper("process 1 hears no signals any more".to_owned())),
            }
            if let Some(code) = reap(runsc) {
                return Ok(code);
            }
        }
    }

    /// Without a terminal, `runsc run` forwards nothing, and the sandbox is told by another runsc. Before the
    /// command runs there is nobody to tell, so this is tried for a while.
    fn send_to_sandboxd(&self, signal: Signal, runsc: Pid) {
        let deadline = Instant::now() + limits::SIGNAL_TIME;
        while !has_ended(runsc) && Instant::now() < deadline {
            if self.is_running() {
                let mut command = self.runsc.kill(&self.launch.id, signal);
                unblock_signals(&mut command);
                if command.status().is_ok_and(|status| status.success()) {
                    return;
                }
            }
            thread::sleep(limits::SIGNAL_PAUSE);
        }
    }

    /// Whether there is a process to tell: runsc takes a signal for a sandbox that is made but not started, and forgets it.
    fn is_running(&self) -> bool {
        let mut command = self.runsc.state(&self.launch.id);
        unblock_signals(&mut command);
        command.output().is_ok_and(|output| runsc::is(&output.stdout, "running"))
    }
}

fn has_ended(child: Pid) -> bool {
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    !matches!(waitid(Id::Pid(child), peek), Ok(WaitStatus::StillAlive))
}

/// Takes leave of all who have ended, and gives the exit code of `runsc` if it is among them.
fn reap(runsc: Pid) -> Option<i32> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == runsc => return Some(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == runsc => return Some(128 + signal as i32),
            Ok(WaitStatus::StillAlive) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return Some(1),
        }
    }
}

/// Our signals are blocked to be read one by one; a child begins without that.
#[allow(unsafe_code)]
pub(crate) fn unblock_signals(command: &mut Command) {
    let unblock = || SigSet::empty().thread_set_mask().map_err(io::Error::from);
    // SAFETY: the closure makes one system call, which is async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(unblock) };
}
