//! `exeat-sandboxd --ports 80,443 -- CMD…`

use std::ffi::OsString;

use crate::limits;

/// What sandboxd is told to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The ports that are carried for every name.
    pub(crate) ports: Vec<u16>,
    /// The command and its arguments; never empty.
    pub(crate) command: Vec<OsString>,
}

/// A wrong command line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misuse {
    /// A word before `--` that means nothing.
    #[error("unknown argument `{0}`; usage: exeat-sandboxd --ports 80,443 -- COMMAND…")]
    Unknown(String),
    /// A list of ports that is none.
    #[error("`{0}` is not a list of at most 64 ports from 1 to 65535")]
    Ports(String),
    /// Nothing after `--`.
    #[error("no command given; usage: exeat-sandboxd --ports 80,443 -- COMMAND…")]
    NoCommand,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Self, Misuse> {
        let mut ports = Vec::new();
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--ports") => ports = parse_ports(&words.next().unwrap_or_default().to_string_lossy())?,
                Some("--") => break,
                _ => return Err(Misuse::Unknown(word.to_string_lossy().into_owned())),
            }
        }
        let command: Vec<OsString> = words.collect();
        if command.is_empty() { Err(Misuse::NoCommand) } else { Ok(Arguments { ports, command }) }
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
        let arguments = parse(&["--ports", "443,80,443", "--", "sh", "--ports", "--"]).unwrap();
        assert_eq!(arguments.ports, [80, 443]);
        assert_eq!(arguments.command, ["sh", "--ports", "--"]);
    }

    #[test]
    fn misuse_is_named() {
        assert_eq!(parse(&["--ports", "0", "--", "x"]), Err(Misuse::Ports("0".into())));
        assert_eq!(parse(&["--ports", "", "--", "x"]), Err(Misuse::Ports("".into())));
        assert_eq!(parse(&["x"]), Err(Misuse::Unknown("x".into())));
        assert_eq!(parse(&["--"]), Err(Misuse::NoCommand));
    }
}
