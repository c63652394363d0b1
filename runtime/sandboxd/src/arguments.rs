//! `exeat-sandboxd --ports 80,443 -- CMD…`, or `--serve`, with a command or without; or `install FOLDER`.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::gateway::Gateway;
use crate::limits;

/// The first word of sandboxd's own call of itself: what follows leads a terminal's session.
pub(crate) const LEADER: &str = "--lead-terminal";

const USAGE: &str = "usage: exeat-sandboxd --ports 80,443 [--gateway IP:PORT --token-file FILE] -- COMMAND…, \
                     or with --serve [--listen IP] [--root FOLDER] [-- COMMAND…], or exeat-sandboxd install FOLDER [--until-closed IP:PORT] \
                     [--unrestored FOLDER]";

/// What sandboxd is told to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// To make a pod ready for another process 1, and nothing else.
    Install(Install),
    /// To be process 1.
    Be(Role),
}

/// What is made ready, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Install {
    /// Where this program is copied to.
    pub(crate) folder: PathBuf,
    /// The workspace that has still to be restored.
    pub(crate) unrestored: Option<PathBuf>,
    /// What nothing must answer at before this ends.
    pub(crate) until_closed: Option<SocketAddr>,
}

/// What process 1 is there for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// What is carried and whereto; nothing where no traffic is carried at all.
    pub(crate) traffic: Option<Traffic>,
    /// Whom it serves besides.
    pub(crate) service: Option<Service>,
    /// The command and its arguments. Empty only where somebody is served.
    pub(crate) command: Vec<OsString>,
}

/// Traffic that is carried.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// The ports that are carried for every name.
    pub(crate) ports: Vec<u16>,
    /// The way out.
    pub(crate) gateway: Gateway,
}

/// What is served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// How others come in.
    pub(crate) door: Door,
    /// Where relative paths begin, and processes start.
    pub(crate) root: PathBuf,
}

/// How others come in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Over a connection to this socket, which we dial.
    Dial(PathBuf),
    /// Over TCP.
    Listen {
        /// The address that is listened at.
        address: IpAddr,
        /// Ports that are left to the command.
        without: Vec<u16>,
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
    /// An address that is none. There are no names here: we are who resolves them.
    #[error("`{0}` is no IP address{with}", with = if *.1 { " and port" } else { "" })]
    Address(String, bool),
    /// One of two that need each other.
    #[error("`{0}` needs `{1}` beside it; {USAGE}")]
    Alone(&'static str, &'static str),
    /// Neither a command nor `--serve`.
    #[error("no command given; {USAGE}")]
    NoCommand,
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Self, Misuse> {
        let mut words = words.peekable();
        if words.next_if(|word| word == "install").is_some() {
            return Install::read(&mut words).map(Arguments::Install);
        }
        Flags::read(&mut words)?.role(words.collect()).map(Arguments::Be)
    }
}

impl Install {
    fn read(words: &mut impl Iterator<Item = OsString>) -> Result<Self, Misuse> {
        let folder = words.next().ok_or(Misuse::NoCommand)?.into();
        let mut install = Install { folder, unrestored: None, until_closed: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_default();
            match word.to_str() {
                Some("--unrestored") => install.unrestored = Some(value().into()),
                Some("--until-closed") => install.until_closed = Some(parse_address(&value(), true)?),
                _ => return Err(Misuse::Unknown(shown(&word))),
            }
        }
        Ok(install)
    }
}

/// What the words before `--` said.
#[derive(Default)]
struct Flags {
    no_traffic: bool,
    ports: Vec<u16>,
    gateway: Option<OsString>,
    token: Option<PathBuf>,
    serves: bool,
    socket: Option<PathBuf>,
    listen: Option<OsString>,
    without: Vec<u16>,
    root: Option<PathBuf>,
}

impl Flags {
    fn read(words: &mut impl Iterator<Item = OsString>) -> Result<Self, Misuse> {
        let mut flags = Flags::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_default();
            match word.to_str() {
                Some("--ports") => flags.ports = parse_ports(&value())?,
                // For tests beside other sandboxes' ports.
                Some("--no-traffic") => flags.no_traffic = true,
                Some("--gateway") => flags.gateway = Some(value()),
                Some("--token-file") => flags.token = Some(value().into()),
                Some("--serve") => flags.serves = true,
                Some("--runtime-socket") => flags.socket = Some(value().into()),
                Some("--listen") => flags.listen = Some(value()),
                Some("--without") => flags.without = parse_ports(&value())?,
                Some("--root") => flags.root = Some(value().into()),
                Some("--") => break,
                _ => return Err(Misuse::Unknown(shown(&word))),
            }
        }
        Ok(flags)
    }

    fn role(self, command: Vec<OsString>) -> Result<Role, Misuse> {
        let gateway = match (self.gateway, self.token) {
            (None, None) => Gateway::Socket,
            (Some(address), Some(token)) => Gateway::Address { address: parse_address(&address, true)?, token },
            (Some(_), None) => return Err(Misuse::Alone("--gateway", "--token-file")),
            (None, Some(_)) => return Err(Misuse::Alone("--token-file", "--gateway")),
        };
        let door = match self.listen {
            None if !self.without.is_empty() => return Err(Misuse::Alone("--without", "--listen")),
            None => Door::Dial(self.socket.unwrap_or_else(|| "/run/exeat/runtime.sock".into())),
            Some(_) if !self.serves => return Err(Misuse::Alone("--listen", "--serve")),
            Some(address) => Door::Listen { address: parse_address(&address, false)?, without: self.without },
        };
        let service = Service { door, root: self.root.unwrap_or_else(|| "/workspace".into()) };
        if !self.serves && command.is_empty() {
            return Err(Misuse::NoCommand);
        }
        let traffic = Traffic { ports: self.ports, gateway };
        Ok(Role { traffic: (!self.no_traffic).then_some(traffic), service: self.serves.then_some(service), command })
    }
}

fn parse_ports(list: &OsString) -> Result<Vec<u16>, Misuse> {
    let wrong = || Misuse::Ports(shown(list));
    let parsed: Result<Vec<u16>, _> = list.to_string_lossy().split(',').map(str::parse).collect();
    let mut ports = parsed.map_err(|_| wrong())?;
    ports.sort_unstable();
    ports.dedup();
    if ports.first() == Some(&0) || ports.len() > limits::PORTS { Err(wrong()) } else { Ok(ports) }
}

fn parse_address<A: std::str::FromStr>(address: &OsString, with_port: bool) -> Result<A, Misuse> {
    address.to_string_lossy().parse().map_err(|_| Misuse::Address(shown(address), with_port))
}

fn shown(word: &OsString) -> String {
    word.to_string_lossy().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, Misuse> {
        Arguments::parse(words.iter().map(OsString::from))
    }

    fn role(words: &[&str]) -> Role {
        match parse(words).unwrap() {
            Arguments::Be(role) => role,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ports_then_the_command_with_whatever_it_contains() {
        let role = role(&["--ports", "443,80,443", "--", "sh", "--serve", "--"]);
        assert_eq!(role.traffic, Some(Traffic { ports: vec![80, 443], gateway: Gateway::Socket }));
        assert_eq!(role.command, ["sh", "--serve", "--"].map(OsString::from));
        assert_eq!(role.service, None);
    }

    #[test]
    fn serving_needs_no_command_and_may_have_one() {
        let alone = role(&["--serve", "--no-traffic", "--root", "/r"]);
        let service = Service { door: Door::Dial("/run/exeat/runtime.sock".into()), root: "/r".into() };
        assert_eq!(alone, Role { traffic: None, service: Some(service), command: vec![] });
        let both = role(&["--serve", "--", "sh"]);
        assert!(both.service.is_some() && both.command == ["sh"]);
    }

    #[test]
    fn in_a_pod_both_ways_are_addresses() {
        let words =
            ["--gateway", "10.96.0.7:3129", "--token-file", "/t", "--serve", "--listen", "::", "--without", "8888"];
        let role = role(&words);
        let gateway = Gateway::Address { address: "10.96.0.7:3129".parse().unwrap(), token: "/t".into() };
        assert_eq!(role.traffic.unwrap().gateway, gateway);
        let door = Door::Listen { address: "::".parse().unwrap(), without: vec![8888] };
        assert_eq!(role.service.unwrap().door, door);
    }

    #[test]
    fn installing_takes_one_folder() {
        let plain = || Install { folder: "/bin".into(), unrestored: None, until_closed: None };
        assert_eq!(parse(&["install", "/bin"]), Ok(Arguments::Install(plain())));
        let until_closed = Some("10.0.0.1:443".parse().unwrap());
        let parsed = parse(&["install", "/bin", "--until-closed", "10.0.0.1:443"]);
        assert_eq!(parsed, Ok(Arguments::Install(Install { until_closed, ..plain() })));
        let parsed = parse(&["install", "/bin", "--unrestored", "/w"]);
        assert_eq!(parsed, Ok(Arguments::Install(Install { unrestored: Some("/w".into()), ..plain() })));
        assert_eq!(parse(&["install", "/bin", "--until-closed"]), Err(Misuse::Address("".into(), true)));
        assert_eq!(parse(&["install"]), Err(Misuse::NoCommand));
        assert!(parse(&["install", "/bin", "x"]).is_err());
    }

    #[test]
    fn misuse_is_named() {
        assert_eq!(parse(&["--ports", "0", "--", "x"]), Err(Misuse::Ports("0".into())));
        assert_eq!(parse(&["--ports", "", "--", "x"]), Err(Misuse::Ports("".into())));
        assert_eq!(parse(&["x"]), Err(Misuse::Unknown("x".into())));
        assert_eq!(parse(&["--"]), Err(Misuse::NoCommand));
        assert_eq!(
            parse(&["--gateway", "a:1", "--token-file", "t", "--", "x"]),
            Err(Misuse::Address("a:1".into(), true))
        );
        assert_eq!(parse(&["--gateway", "1.2.3.4:1", "--", "x"]), Err(Misuse::Alone("--gateway", "--token-file")));
        assert_eq!(parse(&["--listen", "::", "--", "x"]), Err(Misuse::Alone("--listen", "--serve")));
        assert_eq!(parse(&["--serve", "--without", "1"]), Err(Misuse::Alone("--without", "--listen")));
    }
}
