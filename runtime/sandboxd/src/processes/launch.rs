//! Starting a process: the program is found, its pipes or terminal are made, and std starts it by `posix_spawn`,
//! which shares our memory until the program runs. A path instead of a name keeps std on that way, though the
//! environment is another.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::rc::Rc;

use exeat_inside::status::{Code, Status};
use nix::unistd::Pid;
use tokio::net::unix::pipe;

use super::input::Input;
use super::output::Outputs;
use super::terminal::{Size, Terminal};
use crate::arguments::LEADER;

/// Where programs are looked for when the environment does not say.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What to start.
pub(crate) struct Launch {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    /// All of its variables.
    pub(crate) environment: BTreeMap<OsString, OsString>,
    /// Where it starts.
    pub(crate) folder: PathBuf,
    /// What it reads and writes.
    pub(crate) stdio: Stdio,
}

/// What a process reads and writes.
#[derive(Clone, Copy)]
pub(crate) enum Stdio {
    /// It reads nothing, and its output goes through pipes.
    Output,
    /// Pipes.
    Pipes,
    /// A terminal.
    Terminal(Size),
}

/// A process that has been started.
pub(super) struct Started {
    pub(super) pid: Pid,
    pub(super) input: Option<Input>,
    pub(super) outputs: Outputs,
    pub(super) terminal: Option<Rc<Terminal>>,
}

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unstartable {
    #[error("no command is given")]
    Empty,
    #[error("no such folder to start in: `{0}`")]
    NoFolder(String),
    #[error("no such command: `{0}`")]
    Missing(String),
    #[error("`{0}` cannot be run: {1}")]
    NotRunnable(String, &'static str),
    #[error("{limit} processes that were started through this API run already", limit = crate::limits::PROCESSES)]
    TooMany,
    #[error("`{0}` cannot be started: {1}")]
    Refused(String, io::Error),
}

impl From<Unstartable> for Status {
    fn from(error: Unstartable) -> Status {
        let code = match &error {
            Unstartable::Empty => Code::InvalidArgument,
            Unstartable::NoFolder(_) | Unstartable::Missing(_) => Code::NotFound,
            Unstartable::NotRunnable(..) => Code::FailedPrecondition,
            Unstartable::TooMany => Code::ResourceExhausted,
            Unstartable::Refused(_, error) => code_of(error),
        };
        Status::new(code, error.to_string())
    }
}

fn code_of(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock | io::ErrorKind::StorageFull => Code::ResourceExhausted,
        io::ErrorKind::ArgumentListTooLong | io::ErrorKind::InvalidInput => Code::InvalidArgument,
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => Code::ResourceExhausted,
        _ => Code::FailedPrecondition,
    }
}

impl Launch {
    /// Starts it, in a process group of its own.
    pub(super) fn start(&self) -> Result<Started, Unstartable> {
        let name = self.words.first().filter(|name| !name.is_empty()).ok_or(Unstartable::Empty)?;
        if !self.folder.is_dir() {
            return Err(Unstartable::NoFolder(shown(&self.folder)));
        }
        let program = self.find(name)?;
        let refused = |error| Unstartable::Refused(name.escape_debug().to_string(), error);
        match self.stdio {
            Stdio::Terminal(size) => self.on_terminal(&program, size).map_err(refused),
            Stdio::Output => self.on_pipes(&program, std::process::Stdio::null()).map_err(refused),
            Stdio::Pipes => self.on_pipes(&program, std::process::Stdio::piped()).map_err(refused),
        }
    }

    fn on_pipes(&self, program: &Path, input: std::process::Stdio) -> io::Result<Started> {
        let mut command = self.command(program);
        command.arg0(&self.words[0]).args(&self.words[1..]).process_group(0);
        command.stdin(input).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn()?;
        let receiver = |end: Option<OwnedFd>| end.map(pipe::Receiver::from_owned_fd).transpose();
        let stdout = receiver(child.stdout.take().map(Into::into))?;
        let stderr = receiver(child.stderr.take().map(Into::into))?;
        let input = child.stdin.take().map(|end| pipe::Sender::from_owned_fd(end.into())).transpose()?;
        Ok(Started {
            pid: pid(&child),
            input: input.map(Input::Pipe),
            outputs: Outputs::Pipes(stdout, stderr),
            terminal: None,
        })
    }

    fn on_terminal(&self, program: &Path, size: Size) -> io::Result<Started> {
        let (terminal, theirs) = Terminal::open(size)?;
        let mut command = self.command(&std::env::current_exe()?);
        command.arg(LEADER).arg(program).args(&self.words);
        command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
        let child = command.spawn()?;
        let terminal = Rc::new(terminal);
        Ok(Started {
            pid: pid(&child),
            input: Some(Input::Terminal(Rc::clone(&terminal))),
            outputs: Outputs::Terminal(Rc::clone(&terminal)),
            terminal: Some(terminal),
        })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.environment);
        // Changing the folder may cost std its fast way, and most processes start where we stand.
        if std::env::current_dir().ok().as_deref() != Some(&self.folder) {
            command.current_dir(&self.folder);
        }
        command
    }

    /// The program's file, as a shell would find it.
    fn find(&self, name: &str) -> Result<PathBuf, Unstartable> {
        let said = || name.escape_debug().to_string();
        if name.contains('/') {
            let path = self.folder.join(name);
            return match why_not(&path) {
                None => Ok(path),
                Some(Not::There) => Err(Unstartable::Missing(said())),
                Some(Not::Runnable(why)) => Err(Unstartable::NotRunnable(said(), why)),
            };
        }
        let path = self.environment.get(OsStr::new("PATH")).map_or(OsStr::new(PATH), OsString::as_os_str);
        let mut denied = None;
        for folder in path.as_bytes().split(|byte| *byte == b':') {
            let file = self.folder.join(OsStr::from_bytes(folder)).join(name);
            match why_not(&file) {
                None => return Ok(file),
                Some(Not::There) => {}
                Some(Not::Runnable(why)) => denied = Some(why),
            }
        }
        Err(denied.map_or_else(|| Unstartable::Missing(said()), |why| Unstartable::NotRunnable(said(), why)))
    }
}

enum Not {
    There,
    Runnable(&'static str),
}

/// Why a file cannot be run, so that it is said in words and not by a process that ends at once.
fn why_not(file: &Path) -> Option<Not> {
    match file.metadata() {
        Err(_) => Some(Not::There),
        Ok(data) if data.is_dir() => Some(Not::Runnable("it is a folder")),
        Ok(data) if data.permissions().mode() & 0o111 == 0 => {
            Some(Not::Runnable("its mode lets nobody execute it; chmod +x"))
        }
        Ok(_) => None,
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}
