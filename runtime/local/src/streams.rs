//! Standard input, output and error on their way to the sandbox.
//!
//! Pipes, sockets and terminals are handed over as they are. Files are not: gVisor begins at the start of a file,
//! whatever its position is, and does not move the position that others share. So `{ exeat run -- a; exeat run -- b; }
//! > log` would keep only one of the two. A file's bytes go through a pipe instead, and we read and write the file.

use std::fs::File;
use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use nix::sys::signal::{SigSet, Signal};

use crate::terminal;

/// What the helper, and with it the command, has as its standard streams.
pub(crate) struct Streams {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
}

/// Those who carry bytes between pipes and files.
pub(crate) struct Pumps {
    outputs: Vec<JoinHandle<()>>,
}

impl Streams {
    /// Nothing to read and nowhere to write, for a helper that runs no command. Errors come over its socket.
    pub(crate) fn none() -> Self {
        Streams { stdin: Stdio::null(), stdout: Stdio::null(), stderr: Stdio::null() }
    }

    /// This process's own.
    pub(crate) fn of_this_process() -> io::Result<(Self, Pumps)> {
        let mut pumps = Pumps { outputs: Vec::new() };
        let stdin = match file(io::stdin())? {
            Some(file) => feed(file)?,
            None if terminal::in_background() => Stdio::null(),
            None => Stdio::inherit(),
        };
        let (stdout, stderr) = match (file(io::stdout())?, file(io::stderr())?) {
            (Some(out), Some(err)) if is_same(&out, &err)? => {
                // One pipe for both, so that their lines keep their order.
                let (reader, writer) = io::pipe()?;
                pumps.drain(reader, out);
                (Stdio::from(writer.try_clone()?), Stdio::from(writer))
            }
            (out, err) => (pumps.output(out)?, pumps.output(err)?),
        };
        Ok((Streams { stdin, stdout, stderr }, pumps))
    }
}

impl Pumps {
    /// Waits until everything that the command wrote is in its file. The sandbox has ended, so the pipes have.
    pub(crate) fn finish(self) {
        for output in self.outputs {
            // A thread that panicked has nothing more to write.
            let _ = output.join();
        }
    }

    fn output(&mut self, file: Option<File>) -> io::Result<Stdio> {
        let Some(file) = file else { return Ok(Stdio::inherit()) };
        let (reader, writer) = io::pipe()?;
        self.drain(reader, file);
        Ok(writer.into())
    }

    /// Where the file takes no more (a full disk), the pipe closes and the command is told.
    fn drain(&mut self, mut pipe: PipeReader, mut file: File) {
        self.outputs.push(thread::spawn(move || drop(io::copy(&mut pipe, &mut file))));
    }
}

/// A pipe that carries the file from its position on. It is read ahead of the command by as much as a pipe holds.
/// Nobody waits for the thread: where the command does not read to the end, it ends on the closed pipe.
fn feed(mut file: File) -> io::Result<Stdio> {
    let (reader, mut writer) = io::pipe()?;
    thread::spawn(move || {
        // A program may have SIGPIPE end it, which is meant for its own output and not for this pipe.
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGPIPE);
        if signals.thread_block().is_ok() {
            let _ = io::copy(&mut file, &mut writer);
        }
    });
    Ok(reader.into())
}

/// The stream, where it is a file with a position.
fn file(stream: impl AsFd) -> io::Result<Option<File>> {
    let file = File::from(stream.as_fd().try_clone_to_owned()?);
    Ok(file.metadata()?.is_file().then_some(file))
}

fn is_same(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}
