//! The two controllers: started the same way, out of the cluster, with nobody else acting.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::Options;
use crate::Result;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// `exeat controller`.
    Ours,
    /// Agent Sandbox's own controller.
    Peer,
}

impl Contender {
    /// A word for namespaces and files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Contender::Ours => "exeat",
            Contender::Peer => "agent-sandbox",
        }
    }

    /// Starts it. The kinds in the cluster are Agent Sandbox's own, for both.
    pub(super) async fn start(self, options: &Options) -> Result<Running> {
        // Also for ours: this is what puts the kinds there.
        peer(options, "up").await?;
        match self {
            Contender::Peer => {
                let pid = newest("agent-sandbox-controller")?;
                Ok(Running { pid, child: None })
            }
            Contender::Ours => {
                peer(options, "down").await?;
                let child = Command::new(std::path::absolute(&options.exeat)?)
                    .args(["controller", "--leader-elect=false", "--namespace=default"])
                    .args(["--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0"])
                    .stdin(Stdio::null())
                    .kill_on_drop(true)
                    .spawn()?;
                let pid = child.id().ok_or("the controller has ended")?;
                tokio::time::sleep(Duration::from_secs(2)).await;
                Ok(Running { pid, child: Some(child) })
            }
        }
    }
}

/// A controller that runs.
pub(super) struct Running {
    pid: u32,
    child: Option<Child>,
}

impl Running {
    /// Resident memory of its process.
    pub(super) fn memory_mib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// Ends it.
    pub(super) async fn stop(self, options: &Options) -> Result<()> {
        match self.child {
            Some(mut child) => Ok(child.kill().await?),
            None => peer(options, "down").await,
        }
    }
}

async fn peer(options: &Options, verb: &str) -> Result<()> {
    let ran = Command::new(&options.cluster).args(["peer", verb]).stdin(Stdio::null()).status().await?;
    if ran.success() { Ok(()) } else { Err(format!("`{} peer {verb}` failed", options.cluster.display()).into()) }
}

/// The process of this name that was started last.
fn newest(name: &str) -> Result<u32> {
    let is_it = |pid: &u32| {
        let exe = fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).unwrap_or_default();
        let program = exe.split(|byte| *byte == 0).next().unwrap_or_default();
        program.ends_with(name.as_bytes())
    };
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_it).max().ok_or_else(|| format!("there is no process `{name}`").into())
}
