//! The helper's and process 1's part of a sandbox that outlives whoever started it.
//!
//! ```text
//!   helper ── fork ──▶ init: mounts, runsc run or restore, Running ──▶ stays, until the sandbox's process ends
//!     │ Forked                                                          or somebody kills it
//!     ▼
//!   Kept? ── yes: one byte down the pipe, and leave ── no: kill init
//! ```

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2, setsid};

use crate::error::{Doing, Failure};
use crate::order::{Enter, Keep, Kept, Report, Verb, receive, send};
use crate::runsc::{self, Runsc, Written};
use crate::{helper, init, namespaces};

/// Where a generation's root filesystem is mounted, within its folder.
pub(crate) const ROOTFS: &str = "rootfs";
/// The writable folder of the overlay, within the generation's folder.
pub(crate) const UPPER: &str = "upper";
const WORK: &str = "work";
/// Short names for the layers: the kernel takes the options of a mount in one page.
const LOWER: &str = "l";

/// The helper's part: an exit code; nothing where the parent ended before it said that the sandbox is to be kept.
pub(crate) fn launch(keep: &Keep, mask: &SigSet, socket: &UnixStream) -> Result<Option<i32>, Failure> {
    let arrivals = SignalFd::with_flags(mask, SfdFlags::SFD_CLOEXEC).doing("listen for signals")?;
    let (alive, held) = pipe2(OFlag::O_CLOEXEC).doing("make a pipe")?;
    let Some(init) = helper::fork_alone().doing("fork")? else {
        drop(held);
        process::exit(serve(keep, &mut fs::File::from(alive), socket));
    };
    drop(alive);
    send(socket, &Report::Forked { pid: init.as_raw() }).doing("say who process 1 is")?;
    if is_wanted(init, &arrivals, socket) && fs::File::from(held).write_all(b"k").is_ok() {
        return Ok(Some(0));
    }
    let _ = kill(init, Signal::SIGKILL);
    let _ = waitpid(init, None);
    Ok(None)
}

/// Waits for the parent's word, or for the end of the parent or of init.
fn is_wanted(init: Pid, arrivals: &SignalFd, socket: &UnixStream) -> bool {
    loop {
        let mut awaited =
            [PollFd::new(arrivals.as_fd(), PollFlags::POLLIN), PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut awaited, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(_) => return false,
            Ok(_) => {}
        }
        if awaited[1].any() == Some(true) {
            return matches!(receive::<Kept>(socket), Ok(Some(Kept)));
        }
        let is_sigchld = helper::next(arrivals) == Some(Signal::SIGCHLD);
        if is_sigchld && waitpid(init, Some(WaitPidFlag::WNOHANG)) != Ok(WaitStatus::StillAlive) {
            return false;
        }
    }
}

/// Init's part.
fn serve(keep: &Keep, alive: &mut fs::File, socket: &UnixStream) -> i32 {
    // A terminal that is closed takes its session with it.
    let _ = setsid();
    let sandbox = match begin(keep) {
        Ok(sandbox) => sandbox,
        Err(report) => {
            let _ = send(socket, &report);
            return 1;
        }
    };
    let told = send(socket, &Report::Running);
    // Whoever holds this socket would seem to be somebody who waits.
    let _ = socket.shutdown(std::net::Shutdown::Write);
    let mut word = [0];
    if told.is_err() || alive.read_exact(&mut word).is_err() {
        return 1;
    }
    stay(Pid::from_raw(sandbox));
    0
}

fn begin(keep: &Keep) -> Result<i32, Report> {
    namespaces::enter_mounts().map_err(|errno| Report::NoNamespaces(errno.desc().to_owned()))?;
    mount_root(keep)?;
    namespaces::mount_proc()?;
    let runsc = Runsc::new(&keep.runsc, &keep.folder, Written::ToFolder);
    let mut command = runsc.start(&keep.id, keep.memory.as_deref());
    init::unblock_signals(&mut command);
    let status = command.status().doing_to("start", &keep.runsc)?;
    match runsc::started(&keep.folder) {
        Some(sandbox) if status.success() => Ok(sandbox),
        _ => {
            let log = runsc::failure(&keep.folder).unwrap_or_else(|| format!("it ended with {status}"));
            Err(Report::Failed(format!("runsc failed: {log}")))
        }
    }
}

/// Mounts the layers and the writable folder as one.
fn mount_root(keep: &Keep) -> Result<(), Failure> {
    for folder in [ROOTFS, UPPER, WORK, LOWER] {
        let path = keep.folder.join(folder);
        fs::create_dir_all(&path).doing_to("make", &path)?;
    }
    for (number, layer) in keep.layers.iter().enumerate() {
        symlink(layer, keep.folder.join(LOWER).join(number.to_string())).doing_to("name", layer)?;
    }
    std::env::set_current_dir(&keep.folder).doing_to("enter", &keep.folder)?;
    let lower: Vec<String> = (0..keep.layers.len()).map(|number| format!("{LOWER}/{number}")).collect();
    let options = format!("lowerdir={},upperdir={UPPER},workdir={WORK},userxattr", lower.join(":"));
    namespaces::mount_overlay(&options, Path::new(ROOTFS)).map_err(|errno| {
        let why = io::Error::from(errno);
        Failure::Helper(format!(
            "cannot mount the sandbox's disk: {why}; overlayfs in a user namespace needs Linux 5.11 or later, and a state \
             folder that is not on an overlay itself"
        ))
    })
}

/// Takes leave of all who end, until the sandbox's own process does.
fn stay(sandbox: Pid) {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) if pid == sandbox => return,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

/// Runs one of runsc's verbs where the sandbox is.
pub(crate) fn enter(order: &Enter) -> Result<i32, Report> {
    let gone = || Failure::Helper("the sandbox has ended".to_owned());
    let init = order.init.open().doing("find the sandbox")?.ok_or_else(gone)?;
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    setns(&init, all).doing("enter the sandbox's namespaces")?;
    let runsc = Runsc::new(&order.runsc, &order.folder, Written::ToFolder);
    let mut command = match &order.verb {
        Verb::Hold => runsc.hold(&order.id, true),
        Verb::Release => runsc.hold(&order.id, false),
        Verb::Checkpoint(folder) => runsc.checkpoint(&order.id, folder),
    };
    init::unblock_signals(&mut command);
    let output = command.output().doing_to("start", &order.runsc)?;
    if output.status.success() || is_so(&runsc, order) {
        return Ok(0);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Report::Failed(format!("runsc failed: {said}")))
}

/// Whether the sandbox is held, or is not, as it shall be: runsc refuses to hold what it holds.
fn is_so(runsc: &Runsc, order: &Enter) -> bool {
    let mut command = runsc.state(&order.id);
    init::unblock_signals(&mut command);
    let state = command.output().map(|output| output.stdout).unwrap_or_default();
    match order.verb {
        Verb::Hold => runsc::is(&state, "paused"),
        Verb::Release => runsc::is(&state, "running"),
        Verb::Checkpoint(_) => false,
    }
}
