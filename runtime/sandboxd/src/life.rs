//! The life of a process 1 that serves: until it is told to end, or until its command has ended.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use exeat_inside::control::UNRESTORED;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::Service;
use crate::command::Command;
use crate::processes::Processes;
use crate::serve::{Entrance, Sandbox};
use crate::{Failure, command, limits};

/// Serves, with the command beside it where there is one, and gives the exit code.
pub(crate) async fn serve(service: Service, command: &[OsString]) -> Result<u8, Failure> {
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| Failure::Io("cannot tell where we are", error));
    let root = absolute(&service.root)?;
    // Before the command, which may look whether we are there.
    let entrance = Entrance::open(service.door).map_err(|error| Failure::Io("cannot serve", error))?;
    let processes = Processes::new();
    let mark = root.join(UNRESTORED);
    let life = if command.is_empty() {
        Life::UntilTold(Told::listen(&processes).map_err(|error| Failure::Io("cannot listen for signals", error))?)
    } else if mark.exists() {
        Life::Held(mark, command.to_vec())
    } else {
        Life::OfTheCommand(Command::start(command)?.told_through_us())
    };
    // Processes that start at the root need no change of folder, which would cost each of them time.
    let _ = std::env::set_current_dir(&root);
    let sandbox = Sandbox::new(root, Rc::clone(&processes));
    // It is served until the last process has ended, so that who waits for one is told how.
    tokio::select! {
        never = entrance.serve(sandbox) => match never {},
        code = life.pass(&processes) => code,
    }
}

/// What its end depends on.
enum Life {
    UntilTold(Told),
    OfTheCommand(Command),
    /// Of a command that starts once this file is gone: the workspace is whole then.
    Held(PathBuf, Vec<OsString>),
}

impl Life {
    /// Returns once everything is over.
    async fn pass(self, processes: &Rc<Processes>) -> Result<u8, Failure> {
        let code = match self {
            Life::UntilTold(told) => told.wait().await,
            Life::OfTheCommand(command) => finish(command, processes).await,
            Life::Held(mark, command) => match is_released(&mark).await? {
                true => finish(Command::start(&command)?.told_through_us(), processes).await,
                false => 0,
            },
        };
        processes.end().await;
        tokio::time::sleep(limits::FAREWELL_TIME).await;
        Ok(code)
    }
}

async fn finish(command: Command, processes: &Rc<Processes>) -> u8 {
    let code = command.finish(|pid, code| processes.note_end(pid, code)).await;
    // Without, only what the others' end is to those who wait for it is lost.
    let _ = processes.reap_from_now_on();
    code
}

/// Waits until the file is gone. Whoever is told to end meanwhile has nothing to wait for.
async fn is_released(mark: &Path) -> Result<bool, Failure> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::Io("cannot listen for signals", error))?;
    while mark.exists() {
        if tokio::time::timeout(limits::RESTORE_LOOK, terminate.recv()).await.is_ok() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// SIGTERM or SIGINT, which are passed on to all processes as SIGTERM.
struct Told {
    terminate: Signal,
    interrupt: Signal,
    /// Taken so that they do nothing: gVisor protects no process 1 from what ends or stops a program.
    _ignored: Vec<Signal>,
}

impl Told {
    fn listen(processes: &Rc<Processes>) -> std::io::Result<Self> {
        processes.reap_from_now_on()?;
        Ok(Told {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _ignored: command::ignore_others()?,
        })
    }

    async fn wait(mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        0
    }
}
