//! How runsc is called: one place for its flags, for every verb.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::Deserializer;

use crate::limits;

/// What runsc exits with where it fails itself. A command can exit so, too: the log tells them apart.
pub(crate) const FAILED: u8 = 128;

/// Global flags, and why.
const FLAGS: &[&str] = &[
    // Loopback only: the wall.
    "--network=none",
    // The gateway's socket can be connected to; sockets that the sandbox makes are its own.
    "--host-uds=open",
    "--platform=systrap",
    // Limits need root: where they can be had, all of a sandbox's processes are in a group already.
    "--ignore-cgroups",
];

/// Where what is written to the root filesystem goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Written {
    /// Into memory: it is gone with the sandbox.
    ToMemory,
    /// To the folder itself.
    ToFolder,
}

impl Written {
    fn flag(self) -> &'static str {
        match self {
            Written::ToMemory => "--overlay2=root:memory",
            Written::ToFolder => "--overlay2=none",
        }
    }
}

/// runsc for one sandbox.
pub(crate) struct Runsc {
    program: PathBuf,
    state: PathBuf,
    written: Written,
}

impl Runsc {
    pub(crate) fn new(program: &Path, state: &Path, written: Written) -> Self {
        Runsc { program: program.to_owned(), state: state.to_owned(), written }
    }

    /// Runs the bundle in the foreground: standard input, output and error become the command's.
    pub(crate) fn run(&self, id: &str) -> Command {
        let mut command = self.verb(Some(self.flag("--log", LOG)), "run");
        command.arg("--bundle").arg(&self.state).arg(id);
        command
    }

    /// Starts the bundle, or with `memory` goes on from there, in the background; `runsc.pid` then holds its process.
    pub(crate) fn start(&self, id: &str, memory: Option<&Path>) -> Command {
        let verb = if memory.is_some() { "restore" } else { "run" };
        let mut command = self.verb(Some(self.flag("--log", LOG)), verb);
        command.args(["--detach", "--bundle"]).arg(&self.state).arg("--pid-file").arg(self.state.join(PID));
        if let Some(memory) = memory {
            // What is not needed yet of the memory is read while the sandbox runs already.
            command.args(["--background", "--image-path"]).arg(memory);
        }
        command.arg(id);
        command
    }

    /// Lets nothing in the sandbox run, or lets it run again.
    pub(crate) fn hold(&self, id: &str, held: bool) -> Command {
        let mut command = self.verb(Some(self.flag("--log", LOG)), if held { "pause" } else { "resume" });
        command.arg(id);
        command
    }

    /// Saves memory and processes into a folder. The sandbox stays.
    pub(crate) fn checkpoint(&self, id: &str, folder: &Path) -> Command {
        let mut command = self.verb(Some(self.flag("--log", LOG)), "checkpoint");
        command.args(["--leave-running", "--image-path"]).arg(folder).arg(id);
        command
    }

    /// Sends a signal to sandboxd, which forwards it.
    pub(crate) fn kill(&self, id: &str, signal: Signal) -> Command {
        let mut command = self.verb(None, "kill");
        command.args([id, signal.as_str()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Prints the sandbox's state, as the OCI runtime specification has it.
    pub(crate) fn state(&self, id: &str) -> Command {
        let mut command = self.verb(None, "state");
        command.arg(id).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The environment is empty: runsc needs none, and what is not there cannot get inside by mistake.
    fn verb(&self, more: Option<String>, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(self.flag("--root", "runsc")).args(FLAGS).arg(self.written.flag()).args(more).arg(verb).env_clear();
        command
    }

    fn flag(&self, flag: &str, file: &str) -> String {
        format!("{flag}={}", self.state.join(file).display())
    }
}

const LOG: &str = "runsc.log";
const PID: &str = "runsc.pid";

/// The process that [`Runsc::start`] left, in the namespace that it was started in.
pub(crate) fn started(state: &Path) -> Option<i32> {
    std::fs::read_to_string(state.join(PID)).ok()?.trim().parse().ok()
}

/// Whether what [`Runsc::state`] printed says this: `running` once sandboxd has been started, `paused`.
pub(crate) fn is(state: &[u8], wanted: &str) -> bool {
    #[derive(Deserialize)]
    struct State {
        status: String,
    }
    serde_json::from_slice::<State>(state).is_ok_and(|state| state.status == wanted)
}

/// Why `runsc run` failed, from its log in `state`; nothing where it did not. The log holds a JSON object for each
/// error and nothing else, and nothing inside the sandbox can write to it.
pub(crate) fn failure(state: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        msg: String,
    }
    let mut log = String::new();
    File::open(state.join(LOG)).ok()?.take(limits::LOG_BYTES).read_to_string(&mut log).ok()?;
    let lines = Deserializer::from_str(&log).into_iter::<Line>().map_while(Result::ok);
    let messages: Vec<String> = lines.map(|line| line.msg).collect();
    let last = &messages[messages.len().saturating_sub(limits::LOG_LINES)..];
    if last.is_empty() { None } else { Some(last.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_from_a_command_that_exits_alike() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(failure(state.path()), None);
        std::fs::write(state.path().join(LOG), r#"{"msg":"one","level":"error"}{"msg":"two"}"#).unwrap();
        assert_eq!(failure(state.path()).as_deref(), Some("one; two"));
    }

    #[test]
    fn flags_come_before_the_verb() {
        let command =
            Runsc::new(Path::new("/runsc"), Path::new("/state"), Written::ToMemory).kill("x", Signal::SIGTERM);
        let words: Vec<_> = command.get_args().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words[0], "--root=/state/runsc");
        assert_eq!(words[words.len() - 3..], ["kill", "x", "SIGTERM"]);
        assert!(words.contains(&"--network=none"));
    }
}
