//! The query of a request target (RFC 3986, section 3.4), read as form pairs where somebody asks for one.

use crate::path::check_percent_encoding;
use percent_encoding::percent_decode_str;

/// A query: the text that is sent, and pairs to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    text: Option<String>,
}

impl Query {
    /// Takes the part of a request target after `?`, or `None` where there is no `?`.
    ///
    /// # Errors
    /// [`MalformedQuery`] for bytes that may not stand in a query unencoded.
    pub fn parse(raw: Option<&str>) -> Result<Self, MalformedQuery> {
        let Some(raw) = raw else { return Ok(Query { text: None }) };
        check_percent_encoding(raw).map_err(MalformedQuery)?;
        if raw.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'#' | b'\\')) {
            return Err(MalformedQuery("it has bytes that must be percent-encoded"));
        }
        Ok(Query { text: Some(raw.to_owned()) })
    }

    /// The text after `?`, where there was one.
    pub fn as_str(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The decoded value of `name`.
    ///
    /// # Errors
    /// [`MalformedQuery`] where it is given twice: servers disagree on which one counts.
    pub fn get(&self, name: &str) -> Result<Option<String>, MalformedQuery> {
        let mut values = self.pairs().filter(|(key, _)| key == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(MalformedQuery("a parameter that decides the meaning is given twice")),
        }
    }

    /// The decoded pairs, in order (WHATWG URL, application/x-www-form-urlencoded).
    pub fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        let text = self.text.as_deref().unwrap_or_default();
        text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// A query that has no one meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the query cannot be judged: {0}")]
pub struct MalformedQuery(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_counts_is_given_once() {
        let query = Query::parse(Some("service=git-receive-pack&x=1&x=2")).unwrap();
        assert_eq!(query.get("service").unwrap().as_deref(), Some("git-receive-pack"));
        assert_eq!(query.get("absent").unwrap(), None);
        assert!(query.get("x").is_err());
        assert!(Query::parse(Some("service=a&%73ervice=b")).unwrap().get("service").is_err());
    }

    #[test]
    fn bytes_that_must_be_encoded_are_refused() {
        for raw in ["a b", "a#b", "%", "%0", "é", "a\\b", "a\u{1}"] {
            assert!(Query::parse(Some(raw)).is_err(), "{raw:?}");
        }
    }
}
