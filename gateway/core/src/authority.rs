//! Where a request goes: one spelling for each host, so that the value judged is the value dialled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The scheme of a request: the two that HTTP has (RFC 9110, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP in TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port where none is written: 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// A host in its one canonical spelling: lower case, no trailing dot, IDNs in their ASCII form,
/// addresses as `std::net` writes them.
///
/// Spellings that programs read differently (octal or short IPv4, percent signs, user information,
/// zone identifiers) have no canonical form here and are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A DNS name.
    Name(String),
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
}

impl Host {
    /// The name, where it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        }
    }

    /// This host and every domain above it, nearest first: `a.b.com`, `b.com`, `com`.
    pub fn domains(&self) -> Vec<&str> {
        let Host::Name(name) = self else { return Vec::new() };
        let above = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
        std::iter::once(name.as_str()).chain(above).collect()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(v4)) => write!(f, "{v4}"),
            Host::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

impl FromStr for Host {
    type Err = MalformedAuthority;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = |why| MalformedAuthority { text: text.escape_debug().to_string(), why };
        if text.is_empty() {
            return Err(malformed("it is empty"));
        }
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let v6: Ipv6Addr = inner.parse().map_err(|_| malformed("it is not an IPv6 address"))?;
            return Ok(Host::Address(IpAddr::V6(v6)));
        }
        let bare = text.strip_suffix('.').unwrap_or(text);
        if ends_in_number(bare) {
            let v4: Ipv4Addr = bare.parse().map_err(|_| malformed("it is not a dotted-decimal IPv4 address"))?;
            return Ok(Host::Address(IpAddr::V4(v4)));
        }
        let name = idna::domain_to_ascii_strict(bare).map_err(|_| malformed("it is not a DNS name"))?;
        if name.len() > 253 || ends_in_number(&name) {
            return Err(malformed("it is not a DNS name"));
        }
        Ok(Host::Name(name))
    }
}

/// Whether a URL parser would read the host as an IPv4 address (WHATWG URL, "ends in a number").
fn ends_in_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
        || hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A host and a port, both always present.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    /// The host, canonical.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
}

impl Authority {
    /// Reads `host` or `host:port`; where no port is written, it is `default_port`.
    ///
    /// # Errors
    /// [`MalformedAuthority`] for user information, an empty or odd port, and every host that has no canonical form.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, MalformedAuthority> {
        let malformed = |why| MalformedAuthority { text: text.escape_debug().to_string(), why };
        if text.contains('@') {
            return Err(malformed("it carries user information"));
        }
        let host_end = match text.rfind(']') {
            Some(bracket) => bracket + 1,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at(host_end);
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => default_port,
            Some(digits) if !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| malformed("its port is not a number from 1 to 65535"))?
            }
            _ => return Err(malformed("its port is not a number from 1 to 65535")),
        };
        Ok(Authority { host: host.parse()?, port })
    }

    /// As it is written in `Host` and `:authority` for `scheme`: without the scheme's own port.
    pub fn to_host_header(&self, scheme: Scheme) -> String {
        if self.port == scheme.default_port() { self.host.to_string() } else { self.to_string() }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Serialize for Authority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A host or authority that has no one meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a host that can be judged: {why}")]
pub struct MalformedAuthority {
    text: String,
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        Authority::parse(text, 443).ok().map(|authority| authority.to_string())
    }

    #[test]
    fn one_spelling_for_each_host() {
        for (written, read) in [
            ("GitHub.com", "github.com:443"),
            ("github.com.", "github.com:443"),
            ("github.com:8443", "github.com:8443"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("[::FFFF:7f00:1]", "[::ffff:127.0.0.1]:443"),
            ("bücher.example", "xn--bcher-kva.example:443"),
        ] {
            assert_eq!(canonical(written).as_deref(), Some(read), "{written}");
        }
    }

    #[test]
    fn spellings_that_programs_read_differently_are_refused() {
        for written in [
            "",
            ".",
            "..",
            "a..b",
            "127.1",
            "0177.0.0.1",
            "0x7f.1",
            "2130706433",
            "1.2.3.4.5",
            "github.com\0",
            "a%00b",
            "user@github.com",
            "[::1",
            "[fe80::1%25eth0]",
            "::1",
            "a b",
            "github.com:",
            "github.com:0",
            "github.com:+1",
            "github.com:080",
            "github.com:99999",
            "a_b.com",
            "-a.com",
            "x.0x1",
            "a/b",
            "a\\b",
            "127.0.0.1.:x",
        ] {
            assert_eq!(canonical(written), None, "{written:?}");
        }
    }

    #[test]
    fn domains_go_from_near_to_far() {
        let host: Host = "a.b.com".parse().unwrap();
        assert_eq!(host.domains(), ["a.b.com", "b.com", "com"]);
    }
}
