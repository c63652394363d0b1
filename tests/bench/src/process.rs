//! Processes that a benchmark starts: each says its port on its first line and ends with the benchmark.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::Result;

/// How long a process may take to be ready.
const READY_TIME: Duration = Duration::from_secs(30);

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
    /// Kept open: a process that finds no one to print to may end.
    _output: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a role of this program and waits for its port.
    pub(crate) async fn role(arguments: &[&str]) -> Result<(Running, u16)> {
        let mut command = Command::new(std::env::current_exe()?);
        let started = Running::start(command.args(arguments)).await;
        let name = arguments.first().copied().unwrap_or_default();
        let (running, ready): (_, Ready) = started.map_err(|error| format!("`{name}`: {error}"))?;
        Ok((running, ready.port))
    }

    /// Starts a program and waits for its first line, which is JSON.
    pub(crate) async fn start<T: DeserializeOwned>(command: &mut Command) -> Result<(Running, T)> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        let mut line = String::new();
        let read = tokio::time::timeout(READY_TIME, output.read_line(&mut line)).await;
        read.map_err(|_| format!("it was not ready within {} s", READY_TIME.as_secs()))??;
        let said = serde_json::from_str(&line)
            .map_err(|error| format!("it did not start, but said `{}` ({error}); see above", line.trim()))?;
        Ok((Running { child, _output: output }, said))
    }

    /// Its memory now: what it alone has, and its share of the rest, in KiB.
    pub(crate) fn pss_kib(&self) -> Result<u64> {
        let id = self.child.id().ok_or("a process ended during the benchmark")?;
        pss_kib(&Path::new("/proc").join(id.to_string()))
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.child.id().ok_or("a process ended during the benchmark")?;
        Command::new("kill").arg(id.to_string()).status().await?;
        self.child.wait().await?;
        Ok(())
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

/// The proportional set size of a process, in KiB (proc(5), `/proc/pid/smaps_rollup`).
pub(crate) fn pss_kib(process: &Path) -> Result<u64> {
    let rollup = std::fs::read_to_string(process.join("smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let figure = line.and_then(|line| line.split_whitespace().next()).ok_or("/proc has no `Pss`")?;
    Ok(figure.parse()?)
}
