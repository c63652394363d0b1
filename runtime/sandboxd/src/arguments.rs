//! `exeat-sandboxd --ports 80,443 -- CMD…`, or `--serve` instead of a command.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::limits;

/// The first word of sandboxd's own call of itself: what follows leads a terminal's session.
pub(crate) const LEADER: &str = "--lead-terminal";

const USAGE: &str = "usage: exeat-sandboxd --ports 80,443 -- COMMAND…, or exeat-sandboxd --ports 80,443 --serve";

/// What sandboxd is told to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The ports that are carried for every name; nothing where no traffic is carried at all.
    pub(crate) ports: Option<Vec<u16>>,
    /// What it is there for.
    pub(crate) task: Task,
}

/// What sandboxd is there for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// The command and its arguments; never empty.
    Run(Vec<OsString>),
    /// Requests that come over a socket which it dials.
    Serve {
        /// The socket.
        socket: PathBuf,
        /// Where relative paths begin, and processes start.
        root: PathBuf,
    },
}

/// A wrong command line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misuse {
    /// A word before `--` that means nothing.
    #[error("unknown argument `{0}`; {USAGE}")]
    Unknown(String),
    /// A list of ports that is none.
    #[error("`{0}` is not a list of at most 64 ports from 1 to 65535")]
    Ports(String),
    /// Neither a command nor `--serve`.
    #[error("no command given; {USAGE}")]
    NoCommand,
    /// Both of them.
    #[error("a command and --serve exclude each other; {USAGE}")]
    Both,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Self, Misuse> {
        let mut ports = Some(Vec::new());
        let (mut socket, mut root) = (PathBuf::from("/run/exeat/runtime.sock"), PathBuf::from("/workspace"));
        let mut serves = false;
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_default();
            match word.to_str() {
                Some("--ports") => ports = Some(parse_ports(&value().to_string_lossy())?),
                // For tests beside other sandboxes' ports.
                Some("--no-traffic") => ports = None,
                Some("--serve") => serves = true,
                Some("--runtime-socket") => socket = value().into(),
                Some("--root") => root = value().into(),
                Some("--") => break,
                _ => return Err(Misuse::Unknown(word.to_string_lossy().into_owned())),
            }
        }
        let command: Vec<OsString> = words.collect();
        let task = match (serves, command.is_empty()) {
            (true, true) => Task::Serve { socket, root },
            (false, false) => Task::Run(command),
            (true, false) => return Err(Misuse::Both),
            (false, true) => return Err(Misuse::NoCommand),
        };
        Ok(Arguments { ports, task })
    }
}

fn parse_ports(list: &str) -> Result<Vec<u16>, Misuse> {
    let wrong = || Misuse::Ports(list.escape_debug().to_string());
    let parsed: Result<Vec<u16>, _> = list.split(',').map(str::parse).collect();
    let mut ports = parsed.map_err(|_| wrong())?;
    ports.sort_unstable();
    ports.dedup();
    if ports.first() == Some(&0) || ports.len() > limits::PORTS { Err(wrong()) } else { Ok(ports) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, Misuse> {
        Arguments::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn ports_then_the_command_with_whatever_it_contains() {
        let arguments = parse(&["--ports", "443,80,443", "--", "sh", "--serve", "--"]).unwrap();
        assert_eq!(arguments.ports, Some(vec![80, 443]));
        assert_eq!(arguments.task, Task::Run(["sh", "--serve", "--"].map(OsString::from).to_vec()));
    }

    #[test]
    fn serving_needs_no_command() {
        let arguments = parse(&["--serve", "--no-traffic", "--root", "/r"]).unwrap();
        let task = Task::Serve { socket: "/run/exeat/runtime.sock".into(), root: "/r".into() };
        assert_eq!(arguments, Arguments { ports: None, task });
    }

    #[test]
    fn misuse_is_named() {
        assert_eq!(parse(&["--ports", "0", "--", "x"]), Err(Misuse::Ports("0".into())));
        assert_eq!(parse(&["--ports", "", "--", "x"]), Err(Misuse::Ports("".into())));
        assert_eq!(parse(&["x"]), Err(Misuse::Unknown("x".into())));
        assert_eq!(parse(&["--"]), Err(Misuse::NoCommand));
        assert_eq!(parse(&["--serve", "--", "x"]), Err(Misuse::Both));
    }
}
