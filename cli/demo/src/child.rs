//! A server that runs as a child process: it ends with its owner, and what it printed is at hand when it fails.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdin, Command};

use crate::Error;
use crate::error::Doing;

/// Of what a server prints, the end is kept: a Node stack trace fits.
const KEPT_OUTPUT_BYTES: usize = 8 * 1024;

/// A running server. Dropped, it is killed with everything that it started.
pub(crate) struct Server {
    child: Child,
    output: Output,
    /// Held open: a server that watches it sees it close even when its owner was killed and dropped nothing.
    _leash: Option<ChildStdin>,
}

impl Server {
    /// Starts `command` in a process group of its own.
    pub(crate) fn start(command: &mut Command, program: &Path) -> Result<Self, Error> {
        let output = Output::default();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().doing(format!("start `{}`", program.display()))?;
        let leash = child.stdin.take();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(output.clone().read(stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(output.clone().read(stderr));
        }
        Ok(Server { child, output, _leash: leash })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// The end of what it printed.
    pub(crate) fn output(&self) -> String {
        self.output.text()
    }

    /// Its process id, as long as it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The id is there only until the process has been waited for, so it cannot be another's by now.
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

/// The end of what a server prints.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<VecDeque<u8>>>);

impl Output {
    async fn read(self, mut stream: impl AsyncRead + Unpin) {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(&chunk[..read]);
            let surplus = kept.len().saturating_sub(KEPT_OUTPUT_BYTES);
            kept.drain(..surplus);
        }
    }

    fn text(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).trim().to_owned()
    }
}
