//! What ran in a sandbox: processes and listening services, as somebody inside or beside it saw them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::model::Running;
use crate::notes::Notes;

/// What was seen at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// All processes.
    pub processes: Vec<Process>,
    /// All sockets that listen.
    pub listeners: Vec<Listener>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number, which is told and not compared.
    pub pid: u32,
    /// Its command line, arguments separated by spaces.
    pub command: String,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listener {
    /// `tcp`, `udp` or `unix`.
    pub protocol: String,
    /// The address it listens at, or a Unix socket's path.
    pub address: String,
    /// The port; 0 for a Unix socket.
    pub port: u16,
    /// The command line of the process that listens.
    pub command: String,
}

/// What came and went: processes by command line and number of them, listeners by all that is known.
pub(crate) fn compare(before: &Observed, after: &Observed, notes: &mut Notes) -> Running {
    let many = [before, after].iter().any(|side| side.processes.len().max(side.listeners.len()) > limits::OBSERVED);
    if many {
        notes.push(format!("only the first {} processes and services are compared", limits::OBSERVED));
    }
    Running {
        started: more(&after.processes, &before.processes),
        ended: more(&before.processes, &after.processes),
        opened: only(&after.listeners, &before.listeners),
        closed: only(&before.listeners, &after.listeners),
    }
}

/// The processes of `here` beyond as many of the same command line as `there` has.
fn more(here: &[Process], there: &[Process]) -> Vec<Process> {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for process in there.iter().take(limits::OBSERVED) {
        *known.entry(&process.command).or_default() += 1;
    }
    let mut found = Vec::new();
    for process in here.iter().take(limits::OBSERVED) {
        match known.get_mut(process.command.as_str()) {
            Some(left) if *left > 0 => *left -= 1,
            _ if is_noise(&process.command) => {}
            _ => found.push(process.clone()),
        }
    }
    found
}

fn only(here: &[Listener], there: &[Listener]) -> Vec<Listener> {
    let known: BTreeSet<_> = there.iter().take(limits::OBSERVED).collect();
    let mut only: Vec<_> =
        here.iter().take(limits::OBSERVED).filter(|listener| !known.contains(listener)).cloned().collect();
    only.sort();
    only
}

/// Kernel threads, processes that have ended, and the sandbox's own process 1.
fn is_noise(command: &str) -> bool {
    let program = command.split(' ').next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    name.is_empty() || name == "sandboxd" || (command.starts_with('[') && command.ends_with(']'))
}
