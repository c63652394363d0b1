//! The life of a process 1 that serves: until it is told to end, or until its command has ended.

use std::ffi::OsString;
use std::path::Path;
use std::rc::Rc;

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
    let life = if command.is_empty() {
        Life::UntilTold(Told::listen(&processes).map_err(|error| Failure::Io("cannot listen for signals", error))?)
    } else {
        Life::OfTheCommand(Command::start(command)?.told_through_us())
    };
    // Processes that start at the root need no change of folder, which would cost each of them time.
    let _ = std::env::set_current_dir(&root);
    let sandbox = Sandbox::new(root, Rc::clone(&processes));
    // It is served until the last process has ended, so that who waits for one is told how.
    tokio::select! {
        never = entrance.serve(sandbox) => match never {},
        code = life.pass(&processes) => Ok(code),
    }
}

/// What its end depends on.
enum Life {
    UntilTold(Told),
    OfTheCommand(Command),
}

impl Life {
    /// Returns once everything is over.
    async fn pass(self, processes: &Rc<Processes>) -> u8 {
        let code = match self {
            Life::UntilTold(told) => told.wait().await,
            Life::OfTheCommand(command) => {
                let code = command.finish(|pid, code| processes.note_end(pid, code)).await;
                // Without, only what the others' end is to those who wait for it is lost.
                let _ = processes.reap_from_now_on();
                code
            }
        };
        processes.end().await;
        tokio::time::sleep(limits::FAREWELL_TIME).await;
        code
    }
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
