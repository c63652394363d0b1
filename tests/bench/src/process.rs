//! Processes that a benchmark starts: each says its port on its first line and ends with the benchmark.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Result;

/// How long a process may take to be ready.
pub(crate) const READY_TIME: Duration = Duration::from_secs(30);

/// What a role says when it is ready.
#[derive(Serialize, Deserialize)]
struct Ready {
    port: u16,
}

/// Says that this role is ready.
pub(crate) fn ready(port: u16) -> Result<()> {
    println!("{}", serde_json::to_string(&Ready { port })?);
    Ok(std::io::stdout().flush()?)
}

/// A running process. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts a role of this program and waits for its port.
    pub(crate) async fn role(arguments: &[&str]) -> Result<(Running, u16)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("a process has no output")?;
        let mut line = String::new();
        tokio::time::timeout(READY_TIME, BufReader::new(stdout).read_line(&mut line)).await??;
        let name = arguments.first().copied().unwrap_or_default();
        let ready: Ready =
            serde_json::from_str(&line).map_err(|_| format!("`{name}` did not start: it said `{}`", line.trim()))?;
        Ok((Running { child }, ready.port))
    }

    /// Starts a program of its own.
    pub(crate) fn program(command: &mut Command) -> Result<Running> {
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(Running { child: command.spawn()? })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<String>> {
        Ok(self.child.try_wait()?.map(|status| status.to_string()))
    }

    /// The most memory that it has held, in KiB.
    pub(crate) fn peak_memory_kib(&self) -> Result<u64> {
        let id = self.child.id().ok_or("a process ended during the benchmark")?;
        let status = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let figure = line.and_then(|line| line.split_whitespace().next()).ok_or("/proc has no `VmHWM`")?;
        Ok(figure.parse()?)
    }
}
