//! Running commands.

use bytes::Bytes;

use super::calls::{Messages, whole};
use super::{Error, Inside};
use crate::process::{
    Empty, ExecuteRequest, ExecuteResponse, ProcessConfig, Pty, ResizeTtyRequest, SendSignalRequest, StartRequest,
    StartResponse, WriteStdinRequest, path, start_response, write_stdin_request::Payload,
};
use crate::{Api, limits};

/// What to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// Variables besides the sandbox's own; on the same name these win, and the last of these.
    pub env: Vec<(String, String)>,
    /// Where it starts; `/workspace` where it is none.
    pub cwd: Option<String>,
    /// On a terminal of this size; without one, pipes. `execute` has no terminal.
    pub pty: Option<Size>,
}

impl Command {
    /// A command with nothing but its words.
    pub fn new<W: Into<String>>(argv: impl IntoIterator<Item = W>) -> Self {
        Command { argv: argv.into_iter().map(Into::into).collect(), ..Command::default() }
    }

    fn config(&self) -> ProcessConfig {
        let env_vars = self.env.iter().cloned().collect();
        ProcessConfig { command: self.argv.clone(), env_vars, cwd: self.cwd.clone() }
    }
}

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// What a process did next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It wrote to standard output, or to its terminal.
    Stdout(Bytes),
    /// It wrote to standard error.
    Stderr(Bytes),
    /// It ended with this exit code, or 128 and the number of the signal that ended it. Nothing follows.
    Exit(i32),
}

/// What a process did, all in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit code, or 128 and the number of the signal that ended it.
    pub exit_code: i32,
    /// Its standard output, up to the limit.
    pub stdout: Bytes,
    /// Its standard error, up to the limit; a last line says where something was left out.
    pub stderr: Bytes,
}

impl Inside {
    /// Starts `command` and streams what it writes. To drop the [`Process`] before its end hangs up on it: its group
    /// gets SIGHUP, and what it writes later is thrown away.
    ///
    /// # Errors
    /// [`Error::Refused`] with `NotFound` or `FailedPrecondition` where it cannot be started.
    pub async fn start(&self, command: &Command) -> Result<Process, Error> {
        let pty = command.pty.map(|size| Pty { cols: size.cols.into(), rows: size.rows.into() });
        let request = StartRequest { config: Some(command.config()), pty };
        let mut messages: Messages<StartResponse> = self.call(Api::Grpc, path::START, whole(&request)?).await?;
        match messages.next().await?.and_then(|message| message.event) {
            Some(start_response::Event::Init(init)) => {
                let handle = Handle { inside: self.clone(), id: init.process_id };
                Ok(Process { messages, handle, ended: false })
            }
            _ => Err(Error::Broken("a process began with something else than its start".to_owned())),
        }
    }

    /// Runs `command` to its end, without standard input. To drop the future kills its group.
    ///
    /// # Errors
    /// As [`start`](Inside::start); [`Error::Misused`] where a terminal is asked for.
    pub async fn execute(&self, command: &Command) -> Result<Output, Error> {
        if command.pty.is_some() {
            return Err(Error::Misused("a command on a terminal is started, not executed"));
        }
        let request = ExecuteRequest { config: Some(command.config()) };
        let done: ExecuteResponse = self.unary(Api::Grpc, path::EXECUTE, &request).await?;
        Ok(Output { exit_code: done.exit_code, stdout: done.stdout, stderr: done.stderr })
    }
}

/// A started process: its events, and through [`handle`](Process::handle) its input, signals and terminal.
#[derive(Debug)]
pub struct Process {
    messages: Messages<StartResponse>,
    handle: Handle,
    ended: bool,
}

impl Process {
    /// Its pid inside.
    pub fn id(&self) -> i32 {
        self.handle.id
    }

    /// What can be done to it while its events are awaited elsewhere.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The next event; nothing after [`Event::Exit`]. Whoever does not ask holds the process once its pipe is full.
    ///
    /// # Errors
    /// [`Error::Lost`] while the process goes on inside: `processes` says later how it ended.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        while !self.ended {
            let Some(message) = self.messages.next().await? else {
                return Err(Error::Broken("a process's events end without its end".to_owned()));
            };
            match message.event {
                Some(start_response::Event::Stdout(bytes)) => return Ok(Some(Event::Stdout(bytes))),
                Some(start_response::Event::Stderr(bytes)) => return Ok(Some(Event::Stderr(bytes))),
                Some(start_response::Event::Exit(exit)) => {
                    self.ended = true;
                    return Ok(Some(Event::Exit(exit.exit_code)));
                }
                Some(start_response::Event::Init(_)) => {
                    return Err(Error::Broken("a process began twice".to_owned()));
                }
                None => {}
            }
        }
        Ok(None)
    }

    /// See [`Handle::write`].
    ///
    /// # Errors
    /// As there.
    pub async fn write(&self, bytes: Bytes) -> Result<(), Error> {
        self.handle.write(bytes).await
    }

    /// See [`Handle::close_stdin`].
    ///
    /// # Errors
    /// As there.
    pub async fn close_stdin(&self) -> Result<(), Error> {
        self.handle.close_stdin().await
    }

    /// See [`Handle::signal`].
    ///
    /// # Errors
    /// As there.
    pub async fn signal(&self, signal: i32) -> Result<(), Error> {
        self.handle.signal(signal).await
    }

    /// See [`Handle::resize`].
    ///
    /// # Errors
    /// As there.
    pub async fn resize(&self, size: Size) -> Result<(), Error> {
        self.handle.resize(size).await
    }
}

/// A started process by its id. Cheap to clone; it keeps nothing running.
#[derive(Clone, Debug)]
pub struct Handle {
    inside: Inside,
    id: i32,
}

impl Handle {
    /// Writes to its standard input and returns once the kernel inside has taken all of it. Writes one after the
    /// other: calls at the same time are carried out in no particular order.
    ///
    /// # Errors
    /// [`Error::Refused`] with `NotFound` or `FailedPrecondition` where it has ended or its input is closed.
    pub async fn write(&self, mut bytes: Bytes) -> Result<(), Error> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(limits::CHUNK_BYTES));
            self.stdin(Payload::Input(piece)).await?;
        }
        Ok(())
    }

    /// Ends its standard input; on a terminal it is the key Ctrl-D.
    ///
    /// # Errors
    /// As [`write`](Handle::write).
    pub async fn close_stdin(&self) -> Result<(), Error> {
        self.stdin(Payload::Eof(Empty {})).await
    }

    /// Sends the signal of this number, 1 to 31, to its process group; on a terminal also to the foreground's.
    ///
    /// # Errors
    /// [`Error::Refused`] with `NotFound` or `FailedPrecondition` where it has ended, `InvalidArgument` for a number
    /// that is no signal.
    pub async fn signal(&self, signal: i32) -> Result<(), Error> {
        let request = SendSignalRequest { process_id: self.id, signal };
        self.done(path::SEND_SIGNAL, &request).await
    }

    /// Tells its terminal the size, and it the signal SIGWINCH.
    ///
    /// # Errors
    /// [`Error::Refused`] with `FailedPrecondition` where it has no terminal.
    pub async fn resize(&self, size: Size) -> Result<(), Error> {
        let request = ResizeTtyRequest { process_id: self.id, cols: size.cols.into(), rows: size.rows.into() };
        self.done(path::RESIZE_TTY, &request).await
    }

    async fn stdin(&self, payload: Payload) -> Result<(), Error> {
        let request = WriteStdinRequest { process_id: self.id, payload: Some(payload) };
        self.done(path::WRITE_STDIN, &request).await
    }

    async fn done(&self, path: &'static str, request: &impl prost::Message) -> Result<(), Error> {
        self.inside.unary::<Empty>(Api::Grpc, path, request).await.map(|_| ())
    }
}
