//! Cases: raw requests and what they mean, one file in each folder. They are tests, documentation, and the rows of
//! the policies' table.
//!
//! ```text
//! ### a name
//! POST https://github.com/acme/site.git/git-receive-pack
//! content-type: application/x-git-receive-pack-request
//!
//! pkt 0000… 1111… refs/heads/main\0 report-status     a pkt-line; `\0`, `\n`, `\\` and `\xff` stand for bytes
//! flush                                               `0000`
//! raw \x1f\x8b                                        bytes as they are
//! {"any": "other line"}                               text; lines are joined with newlines
//! ---
//! what it means, which `UPDATE_EXPECT=1 cargo test -p exeat-integrations` writes
//! ```
//!
//! The hosts that npm's cases use are those of [`config`].

use exeat_core::{Authority, HeadProgress, Inspect, Integration, Malformed, Operation, Request, Scheme, Unreadable};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::{Config, npm};

/// A request that stands in a file of cases.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder and the case: `npm: publish a version`.
    pub name: String,
    /// The request.
    pub request: Request,
    /// Its body.
    pub body: Vec<u8>,
}

/// A file of cases that cannot be read.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the case `{case}` cannot be read: {why}")]
pub struct BrokenCase {
    case: String,
    why: String,
}

/// The files, by folder.
const FILES: [(&str, &str); 3] = [
    ("github", include_str!("github/cases.txt")),
    ("npm", include_str!("npm/cases.txt")),
    ("http", include_str!("http/cases.txt")),
];

/// The settings that the cases take for granted.
#[doc(hidden)]
pub fn config() -> Config {
    let hosts = ["npm.example.com", "nexus.example.com:8443/repository/npm"];
    Config { npm: npm::Config { hosts: hosts.map(str::to_owned).to_vec() }, ..Config::default() }
}

/// All cases whose requests have a canonical form.
///
/// # Errors
/// [`BrokenCase`] names the one that is no request at all.
#[doc(hidden)]
pub fn load_cases() -> Result<Vec<Case>, BrokenCase> {
    let mut cases = Vec::new();
    for (folder, text) in FILES {
        for written in read(text)? {
            if let Ok(request) = written.request {
                cases.push(Case { name: format!("{folder}: {}", written.name), request, body: written.body });
            }
        }
    }
    Ok(cases)
}

/// What a request means, read as the gateway reads it: so much of the body as the integration asks for, then its
/// judgement.
///
/// # Errors
/// [`Unreadable`], as the integration says.
#[doc(hidden)]
pub fn understand(integration: &dyn Integration, request: &Request, body: &[u8]) -> Result<Vec<Operation>, Unreadable> {
    let seen = match integration.inspect(request) {
        Inspect::Nothing => &[],
        Inspect::Whole => body,
        Inspect::Head(progress) => match progress(body) {
            HeadProgress::Complete(length) => body.get(..length).unwrap_or(body),
            HeadProgress::Incomplete => return Err(Unreadable::malformed("the body ends before its head does")),
            HeadProgress::Invalid(why) => return Err(Unreadable::malformed(why)),
        },
    };
    integration.classify(request, seen)
}

/// A case as it is written.
pub(crate) struct Written<'t> {
    pub(crate) name: &'t str,
    /// The request's text, from its first line to the line `---`.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the tests write it back"))]
    pub(crate) text: &'t str,
    pub(crate) request: Result<Request, Malformed>,
    pub(crate) body: Vec<u8>,
}

/// Reads a file of cases. What comes before the first one is for people.
pub(crate) fn read(text: &str) -> Result<Vec<Written<'_>>, BrokenCase> {
    text.split("### ").skip(1).map(read_case).collect()
}

fn read_case(text: &str) -> Result<Written<'_>, BrokenCase> {
    let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
    let broken = |why: &str| BrokenCase { case: name.to_owned(), why: why.to_owned() };
    let (text, _) = rest.split_once("---\n").ok_or_else(|| broken("no line `---`"))?;
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, url) =
        lines.next().and_then(|line| line.split_once(' ')).ok_or_else(|| broken("no method and URL"))?;
    let method: Method = method.parse().map_err(|_| broken("no method"))?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(|| broken("a header without a colon"))?;
        let name: HeaderName = name.parse().map_err(|_| broken("no header name"))?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| broken("no header value"))?);
    }
    let request = request(method, url, headers).ok_or_else(|| broken("no URL"))?;
    let body = body_bytes(body).ok_or_else(|| broken("an escape that is none"))?;
    Ok(Written { name, text, request, body })
}

fn request(method: Method, url: &str, headers: HeaderMap) -> Option<Result<Request, Malformed>> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    let (authority, target) = rest.split_at(rest.find('/')?);
    let authority = Authority::parse(authority, scheme.default_port()).ok()?;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Some(Request::new(method, scheme, authority, path, query, headers))
}

fn body_bytes(text: &str) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let mut after_text = false;
    for line in text.lines() {
        let was_text = std::mem::take(&mut after_text);
        if let Some(data) = line.strip_prefix("pkt ") {
            let data = unescape(data)?;
            body.extend(format!("{:04x}", data.len() + 4).into_bytes());
            body.extend(data);
        } else if let Some(data) = line.strip_prefix("raw ") {
            body.extend(unescape(data)?);
        } else if line == "flush" {
            body.extend(b"0000");
        } else {
            if was_text {
                body.push(b'\n');
            }
            body.extend(line.bytes());
            after_text = true;
        }
    }
    Some(body)
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let (plain, escaped) = match text.split_once('\\') {
        None => return Some(text.as_bytes().to_vec()),
        Some(halves) => halves,
    };
    let kind = escaped.chars().next()?;
    let (byte, length) = match kind {
        '0' => (0, 1),
        'n' => (b'\n', 1),
        '\\' => (b'\\', 1),
        'x' => (u8::from_str_radix(escaped.get(1..3)?, 16).ok()?, 3),
        _ => return None,
    };
    let mut bytes = plain.as_bytes().to_vec();
    bytes.push(byte);
    bytes.extend(unescape(escaped.get(length..)?)?);
    Some(bytes)
}
