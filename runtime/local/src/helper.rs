//! The process between the caller and the sandbox: this executable, run again, because a process with threads can
//! enter no user namespace.
//!
//! It outlives its parent by as long as it takes to clean up: the end of the socket tells it that nobody waits any
//! more, however the parent died.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{self, Child, Command, ExitStatus};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};
use serde::Serialize;

use crate::cgroup::Cgroup;
use crate::error::{Doing, Failure};
use crate::order::{Launch, Mapped, Order, Report, receive, send};
use crate::signals::Forwarding;
use crate::streams::Streams;
use crate::{host, init, keep, namespaces, signals, state};

/// The private verb: `argv[1]` of a helper, with the number of its socket behind it.
const VERB: &str = "exeat-sandbox-helper";

/// Becomes a sandbox's helper if this process was started as one, and then never returns. To be called first in the
/// `main` of every program that uses [`run`](crate::run) or [`check_host`](crate::check_host), before any thread is
/// started: the kernel lets no process with threads enter a user namespace.
pub fn enter_if_asked() {
    let mut words = env::args_os().skip(1);
    if words.next().as_deref() == Some(OsStr::new(VERB)) {
        process::exit(words.next().and_then(adopt).map_or(2, |socket| serve(&socket)));
    }
}

/// The helper as its parent sees it.
pub(crate) struct Helper {
    child: Child,
    socket: UnixStream,
}

impl Helper {
    /// Starts a helper, gives it its order, and gives it identities once it is in its namespaces.
    pub(crate) fn start(order: &Order, streams: Streams) -> Result<Self, Failure> {
        Helper::start_in(order, streams, None)
    }

    /// The same, with everything that it starts in a control group.
    pub(crate) fn start_in(order: &Order, streams: Streams, group: Option<&Cgroup>) -> Result<Self, Failure> {
        let (ours, theirs) = UnixStream::pair().doing("make a pair of sockets")?;
        let mut command = Command::new("/proc/self/exe");
        command.args([OsString::from(VERB), theirs.as_raw_fd().to_string().into()]);
        command.env_clear().process_group(0);
        command.stdin(streams.stdin).stdout(streams.stdout).stderr(streams.stderr);
        keep(&mut command, theirs);
        let child = command.spawn().doing("start the sandbox's helper")?;
        // With the command go our copies of the socket's and of any pipe's other end: from here on, they are theirs.
        drop(command);
        let mut helper = Helper { child, socket: ours };
        let limited = group.map_or(Ok(()), |group| group.add(helper.child.id().cast_signed()));
        match limited.and_then(|()| helper.introduce(order)) {
            Ok(()) => Ok(helper),
            Err(failure) => {
                drop(helper.socket);
                let _ = helper.child.wait();
                Err(failure)
            }
        }
    }

    fn introduce(&mut self, order: &Order) -> Result<(), Failure> {
        self.tell(order)?;
        if matches!(order, Order::Enter(_)) {
            return Ok(());
        }
        match self.hear()? {
            Report::Entered => {}
            report => return Err(failure(report)),
        }
        namespaces::map_identities(self.pid())?;
        self.tell(&Mapped)
    }

    /// The next thing that it says.
    pub(crate) fn hear(&self) -> Result<Report, Failure> {
        let heard = receive(&self.socket).doing("hear from the sandbox's helper")?;
        heard.ok_or_else(|| Failure::Helper("the sandbox's helper ended too early".to_owned()))
    }

    /// Says something to it.
    pub(crate) fn tell(&self, message: &impl Serialize) -> Result<(), Failure> {
        send(&self.socket, message).doing("instruct the sandbox's helper")
    }

    /// Waits for the end, and has signals sent to the helper until then.
    pub(crate) fn finish(mut self, forwarding: Option<&Forwarding>) -> Result<ExitStatus, Failure> {
        if let Some(forwarding) = forwarding {
            forwarding.to(self.pid());
        }
        // Wait without taking leave: while somebody may still send to it, the number must not become another's.
        while waitid(Id::Pid(self.pid()), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        if let Some(forwarding) = forwarding {
            forwarding.hold();
        }
        let status = self.child.wait().doing("wait for the sandbox's helper")?;
        match receive(&self.socket) {
            Ok(Some(report)) => Err(failure(report)),
            _ => Ok(status),
        }
    }

    /// Lets it undo what it has begun, and waits for that.
    pub(crate) fn abandon(mut self) -> io::Result<ExitStatus> {
        drop(self.socket);
        self.child.wait()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

/// What a report says that is no good news.
pub(crate) fn failure(report: Report) -> Failure {
    match report {
        Report::NoNamespaces(why) => host::no_namespaces(why),
        Report::Failed(message) => Failure::Helper(message),
        Report::Entered | Report::Forked { .. } | Report::Running | Report::Done(_) => {
            Failure::Helper("the sandbox's helper spoke out of turn".to_owned())
        }
    }
}

/// Lets `socket` survive the exec, in the child alone: cleared in this process, any other child that another thread
/// starts at this moment would keep it too, and the helper would never see its end.
#[allow(unsafe_code)]
fn keep(command: &mut Command, socket: UnixStream) {
    let clear = move || Ok(fcntl(&socket, FcntlArg::F_SETFD(FdFlag::empty())).map(|_| ())?);
    // SAFETY: the closure makes one system call, which is async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(clear) };
}

/// The socket whose number the parent gave.
#[allow(unsafe_code)]
fn adopt(number: OsString) -> Option<UnixStream> {
    let number = number.to_str()?.parse().ok().filter(|number| *number > 2)?;
    // SAFETY: the parent left this descriptor open for us, and nothing else in this young process knows it. Where
    // somebody typed the verb by hand, the next line finds no such descriptor.
    let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(number) });
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    Some(socket)
}

fn serve(socket: &UnixStream) -> i32 {
    match obey(socket) {
        Ok(code) => code,
        Err(report) => {
            // Where the parent is gone, nobody wants to know.
            let _ = send(socket, &report);
            1
        }
    }
}

fn obey(socket: &UnixStream) -> Result<i32, Report> {
    // Before we say that we are there, so that everything that comes afterwards waits to be read.
    let mut mask = SigSet::from_iter(signals::forwarded(true));
    mask.add(Signal::SIGCHLD);
    mask.thread_block().doing("block signals")?;
    let Some(order) = receive(socket).doing("read the order")? else { return Ok(1) };
    let code = follow(&order, &mask, socket)?;
    if let (None, Order::Launch(launch)) = (code, &order) {
        // The parent is gone, so its folder is ours to remove.
        state::remove(&launch.state);
    }
    Ok(code.unwrap_or(1))
}

/// Does what the order says and gives an exit code; nothing where the parent ended first.
fn follow(order: &Order, mask: &SigSet, socket: &UnixStream) -> Result<Option<i32>, Report> {
    if let Order::Enter(order) = order {
        return keep::enter(order).map(Some);
    }
    namespaces::enter().map_err(|errno| Report::NoNamespaces(errno.desc().to_owned()))?;
    let answer = send(socket, &Report::Entered).and_then(|()| receive(socket));
    let Ok(Some(Mapped)) = answer else { return Ok(None) };
    match order {
        Order::Check => {
            let entered = namespaces::enter_mounts().map_err(|errno| Report::NoNamespaces(errno.desc().to_owned()));
            entered.map(|()| Some(0))
        }
        Order::Launch(launch) => Ok(launch_and_watch(launch, mask, socket)?),
        Order::Keep(order) => Ok(keep::launch(order, mask, socket)?),
        Order::Work(work) => {
            let done = work.perform()?;
            send(socket, &Report::Done(done)).doing("say what was done")?;
            Ok(Some(0))
        }
        Order::Enter(_) => Err(Failure::Helper("the order came out of turn".to_owned()).into()),
    }
}

fn launch_and_watch(launch: &Launch, mask: &SigSet, socket: &UnixStream) -> Result<Option<i32>, Failure> {
    let arrivals = SignalFd::with_flags(mask, SfdFlags::SFD_CLOEXEC).doing("listen for signals")?;
    let (alive, held) = pipe2(OFlag::O_CLOEXEC).doing("make a pipe")?;
    let init = fork_alone().doing("fork")?;
    let Some(init) = init else {
        drop(held);
        process::exit(init::serve(launch, &arrivals, &alive, socket));
    };
    drop(alive);
    let code = watch(init, &arrivals, socket);
    if code.is_none() {
        let _ = kill(init, Signal::SIGKILL);
        let _ = waitpid(init, None);
    }
    Ok(code)
}

/// Forwards signals until init ends; nothing where the parent ended first.
fn watch(init: Pid, arrivals: &SignalFd, socket: &UnixStream) -> Option<i32> {
    loop {
        let mut awaited =
            [PollFd::new(arrivals.as_fd(), PollFlags::POLLIN), PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut awaited, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(_) => return None,
            Ok(_) => {}
        }
        // The parent has said all it has to say: whatever comes now is its end.
        if awaited[1].any() == Some(true) {
            return None;
        }
        match next(arrivals)? {
            Signal::SIGCHLD => match waitpid(init, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => return Some(code),
                Ok(WaitStatus::Signaled(_, signal, _)) => return Some(128 + signal as i32),
                _ => {}
            },
            signal => {
                let _ = kill(init, signal);
            }
        }
    }
}

/// The next signal of a descriptor that is ready or blocks.
pub(crate) fn next(arrivals: &SignalFd) -> Option<Signal> {
    loop {
        match arrivals.read_signal() {
            Ok(Some(about)) => return Signal::try_from(about.ssi_signo.cast_signed()).ok(),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

/// Forks; nothing in the child.
#[allow(unsafe_code)]
pub(crate) fn fork_alone() -> nix::Result<Option<Pid>> {
    // SAFETY: `enter_if_asked` comes before any thread, so the child inherits no lock that somebody holds.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}
