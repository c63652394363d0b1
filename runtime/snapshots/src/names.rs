//! Names that become parts of keys. They are Kubernetes' own, so that none of them can lead elsewhere.

use crate::error::Error;

/// The longest name of a namespace (RFC 1123, a label).
const NAMESPACE: usize = 63;
/// The longest name of anything else (RFC 1123, a subdomain).
const NAME: usize = 253;

pub(crate) fn namespace(text: &str) -> Result<String, Error> {
    checked("namespace", text, NAMESPACE, "lower-case letters, digits and `-`, at most 63, are", false)
}

pub(crate) fn snapshot(text: &str) -> Result<String, Error> {
    name("snapshot", text)
}

pub(crate) fn name(what: &'static str, text: &str) -> Result<String, Error> {
    checked(what, text, NAME, "lower-case letters, digits, `-` and `.`, at most 253, are", true)
}

fn checked(what: &'static str, text: &str, most: usize, why: &'static str, dots: bool) -> Result<String, Error> {
    let ends = |part: &str| part.starts_with('-') || part.ends_with('-') || part.is_empty();
    let characters =
        text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-') || (dots && byte == b'.'));
    if !characters || text.len() > most || text.split('.').any(ends) {
        return Err(Error::Name { what, text: text.chars().take(most + 1).collect(), why });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for good in ["a", "team-a", "0", &"x".repeat(63)] {
            assert!(namespace(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a.b", "-a", "a-", "a/b", "..", "a_b", "ü", &"x".repeat(64)] {
            assert!(namespace(bad).is_err(), "{bad}");
        }
        for good in ["site-1", "a.b-c.d", &"x".repeat(253)] {
            assert!(snapshot(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a..b", ".a", "a.", "a/../b", "a\0", "a.-b", &"x".repeat(254)] {
            assert!(snapshot(bad).is_err(), "{bad}");
        }
    }
}
