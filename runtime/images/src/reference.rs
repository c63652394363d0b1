//! Names of images: `registry/name:tag@sha256:…`, as Docker reads them.

use std::fmt;

use exeat_digest::Digest;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A name with its folders and registry, in bytes (distribution/reference, `NameTotalLengthMax`).
const NAME_BYTES: usize = 255;
/// A tag, in bytes (OCI distribution specification, "Pulling manifests").
const TAG_BYTES: usize = 128;

/// What a short name means. Which registry that is, is the user's choice: none is written here.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// The registry of a name that begins with none. Without it such names are refused.
    pub registry: Option<String>,
    /// Put before a name of one part in that registry: Docker's is `library`.
    pub folder: Option<String>,
}

/// Which image, where.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: String,
    name: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads a name as Docker does: the first part is a registry if it holds `.` or `:`, has upper-case letters, or is
    /// `localhost`; without tag and digest the tag is `latest`; with both the digest counts.
    ///
    /// # Errors
    /// [`Error::Reference`] says which rule the text breaks; [`Error::Digest`] for any but SHA-256.
    pub fn parse(text: &str, defaults: &Defaults) -> Result<Self, Error> {
        let (path, tag, digest) = split(text)?;
        let (registry, name) = split_registry(path, defaults)
            .ok_or_else(|| refused(text, "it names no registry, and no default is set: write `registry/name`"))?;
        Self { registry, name, tag: tag.map(str::to_owned), digest }.checked(text)
    }

    fn checked(mut self, text: &str) -> Result<Self, Error> {
        let tag = self.tag.as_deref();
        let checks = [
            (
                is_registry(&self.registry),
                "a registry is a host, or an IPv6 address in brackets, with or without a port",
            ),
            (
                is_name(&self.name),
                "the parts of a name are lower-case letters and digits, joined by `.`, `_`, `__` or `-`",
            ),
            (self.registry.len() + self.name.len() < NAME_BYTES, "it is longer than 255 bytes"),
            (
                tag.is_none_or(is_tag),
                "a tag is up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two",
            ),
        ];
        if let Some((_, why)) = checks.into_iter().find(|(holds, _)| !holds) {
            return Err(refused(text, why));
        }
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        Ok(self)
    }

    /// The registry: a host, perhaps with a port.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name within the registry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag; none where only a digest is named.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, which the manifest or index must have.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// How a registry is asked for the manifest: by digest if there is one.
    pub(crate) fn wanted(&self) -> String {
        self.digest.map(|digest| digest.to_string()).or_else(|| self.tag.clone()).unwrap_or_default()
    }
}

fn refused(text: &str, why: &'static str) -> Error {
    Error::Reference { text: text.chars().take(300).collect(), why }
}

/// Path, tag and digest.
fn split(text: &str) -> Result<(&str, Option<&str>, Option<Digest>), Error> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse()?)),
        None => (text, None),
    };
    let (path, tag) = split_tag(rest);
    Ok((path, tag, digest))
}

/// A colon in the last part separates a tag; one before is a port's.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag)),
        _ => (text, None),
    }
}

fn split_registry(path: &str, defaults: &Defaults) -> Option<(String, String)> {
    if let Some((first, rest)) = path.split_once('/')
        && (first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase()))
    {
        return Some((first.to_ascii_lowercase(), rest.to_owned()));
    }
    let registry = defaults.registry.as_deref()?.to_ascii_lowercase();
    let name = match &defaults.folder {
        Some(folder) if !path.contains('/') && !path.is_empty() => format!("{folder}/{path}"),
        _ => path.to_owned(),
    };
    Some((registry, name))
}

fn is_registry(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<std::net::Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        alphanumeric(bytes.first())
            && alphanumeric(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_name(text: &str) -> bool {
    text.split('/').all(is_part)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (OCI distribution specification, "Pulling manifests").
fn is_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = part.split(|c: char| c.is_ascii() && is_word(c as u8)).filter(|between| !between.is_empty());
    let is_separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let ends = part.bytes().next().is_some_and(is_word) && part.bytes().last().is_some_and(is_word);
    ends && separators.into_iter().all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=TAG_BYTES).contains(&tag.len()) && tag.bytes().all(fits) && !tag.starts_with(['.', '-'])
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl TryFrom<String> for Reference {
    type Error = Error;

    /// Reads what [`fmt::Display`] writes, in which the first part is always the registry.
    fn try_from(text: String) -> Result<Self, Error> {
        let (path, tag, digest) = split(&text)?;
        let (registry, name) =
            path.split_once('/').ok_or_else(|| refused(&text, "a complete name begins with its registry"))?;
        Self { registry: registry.to_owned(), name: name.to_owned(), tag: tag.map(str::to_owned), digest }
            .checked(&text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}
