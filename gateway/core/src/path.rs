//! One meaning for each path, or none (RFC 3986, section 3.3).

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What is written percent-encoded in a segment; everything else that may stand in a segment stands for itself.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b';')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A path as a list of decoded segments, and its one canonical text.
///
/// Paths that servers are known to read in different ways (dot segments, empty segments, backslashes, matrix
/// parameters, double encoding, control characters, bytes that are not UTF-8) have no canonical form.
/// An encoded slash inside a segment is kept apart from a real one: npm's `/@scope%2Fname` is one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath {
    segments: Vec<String>,
    trailing_slash: bool,
    text: String,
}

impl CanonicalPath {
    /// Reads the path of a request target, which starts with `/`.
    ///
    /// # Errors
    /// [`MalformedPath`] says which rule the path breaks.
    pub fn parse(raw: &str) -> Result<Self, MalformedPath> {
        let rest = raw.strip_prefix('/').ok_or(MalformedPath("it does not start with `/`"))?;
        let (rest, trailing_slash) = match rest.strip_suffix('/') {
            Some(shorter) => (shorter, true),
            None => (rest, false),
        };
        let segments = match rest {
            "" if trailing_slash => return Err(MalformedPath("it has an empty segment")),
            "" => Vec::new(),
            _ => rest.split('/').map(decode_segment).collect::<Result<_, _>>()?,
        };
        let mut text = String::with_capacity(raw.len());
        for segment in &segments {
            text.push('/');
            text.extend(utf8_percent_encode(segment, SEGMENT));
        }
        if trailing_slash || segments.is_empty() {
            text.push('/');
        }
        Ok(CanonicalPath { segments, trailing_slash, text })
    }

    /// The decoded segments: none for `/`.
    pub fn segments(&self) -> impl Iterator<Item = &str> + Clone {
        self.segments.iter().map(String::as_str)
    }

    /// The canonical text, which is what is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a segment holds a slash that was percent-encoded. Whoever classifies such a path must know
    /// that its origin keeps the two apart.
    pub fn has_encoded_slash(&self) -> bool {
        self.segments.iter().any(|segment| segment.contains('/'))
    }

    /// Whether the path ends in a slash (and is not `/` itself).
    pub fn has_trailing_slash(&self) -> bool {
        self.trailing_slash
    }
}

fn decode_segment(raw: &str) -> Result<String, MalformedPath> {
    if raw.is_empty() {
        return Err(MalformedPath("it has an empty segment"));
    }
    if raw.contains('\\') || raw.contains(';') {
        return Err(MalformedPath("it has a backslash or a matrix parameter (`;`)"));
    }
    if !raw.is_ascii() {
        return Err(MalformedPath("it has bytes that must be percent-encoded"));
    }
    check_percent_encoding(raw).map_err(MalformedPath)?;
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| MalformedPath("it does not decode to UTF-8"))?;
    if decoded == "." || decoded == ".." || decoded.split('/').any(|part| part == "." || part == "..") {
        return Err(MalformedPath("it has a dot segment"));
    }
    if decoded.chars().any(|c| c.is_control() || c == '\\' || c == ';') {
        return Err(MalformedPath("it has an encoded control character, backslash or `;`"));
    }
    if check_percent_encoding(&decoded).is_ok() && decoded.contains('%') {
        return Err(MalformedPath("it is percent-encoded twice"));
    }
    Ok(decoded.into_owned())
}

/// Every `%` begins a percent-encoded byte.
pub(crate) fn check_percent_encoding(raw: &str) -> Result<(), &'static str> {
    let bytes = raw.as_bytes();
    let encoded = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    match (0..bytes.len()).all(|at| bytes[at] != b'%' || encoded(at)) {
        true => Ok(()),
        false => Err("it has a `%` that encodes nothing"),
    }
}

/// A path that has no one meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path cannot be judged: {0}")]
pub struct MalformedPath(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_each_path() {
        for (written, read) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("/%61", "/a"),
            ("/@acme%2fui", "/@acme%2Fui"),
            ("/a%20b", "/a%20b"),
            ("/%E2%82%AC", "/%E2%82%AC"),
            ("/a:b@c!$&'()*+,=~-_.", "/a:b@c!$&'()*+,=~-_."),
        ] {
            let path = CanonicalPath::parse(written).unwrap();
            assert_eq!(path.as_str(), read, "{written}");
            assert_eq!(CanonicalPath::parse(read).unwrap(), path, "canonical text reads back as the same path");
        }
    }

    #[test]
    fn paths_that_servers_read_differently_are_refused() {
        for written in [
            "",
            "a",
            "*",
            "//",
            "/a//b",
            "//a",
            "/./a",
            "/a/..",
            "/a/%2e%2e/b",
            "/a%2f..%2fb",
            "/a\\b",
            "/a%5cb",
            "/a;b=c/d",
            "/a%3bb",
            "/%252e%252e/",
            "/%00",
            "/%0a",
            "/%",
            "/%2",
            "/%zz",
            "/%ff",
            "/é",
            "/a%252fb",
        ] {
            assert!(CanonicalPath::parse(written).is_err(), "{written:?}");
        }
    }
}
