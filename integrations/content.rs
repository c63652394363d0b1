//! What a body is said to be. A body that decides a request's meaning must be what it is read as.

use exeat_core::{Request, Unreadable};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

/// Refuses a body that is compressed or otherwise encoded: it would be judged in one form and sent in another.
pub(crate) fn require_identity(request: &Request) -> Result<(), Unreadable> {
    match only(request, CONTENT_ENCODING)? {
        None => Ok(()),
        Some(encoding) if encoding.trim().eq_ignore_ascii_case("identity") => Ok(()),
        Some(encoding) => {
            let encoding = encoding.escape_debug();
            Err(Unreadable::unsupported(format!(
                "a body that must be read has the content encoding `{encoding}`; send it without"
            )))
        }
    }
}

/// Refuses a body of another type, and JSON in another charset than UTF-8 (RFC 8259, section 8.1).
pub(crate) fn require_type(request: &Request, expected: &str) -> Result<(), Unreadable> {
    let given = only(request, CONTENT_TYPE)?.unwrap_or_default();
    let (essence, parameters) = given.split_once(';').unwrap_or((given, ""));
    let utf8 = ["", "charset=utf-8", "charset=\"utf-8\""].contains(&parameters.trim().to_ascii_lowercase().as_str());
    match essence.trim().eq_ignore_ascii_case(expected) && utf8 {
        true => Ok(()),
        false => {
            let given = given.escape_debug();
            Err(Unreadable::unsupported(format!("the body must be of type `{expected}`, and its type is `{given}`")))
        }
    }
}

fn only(request: &Request, name: HeaderName) -> Result<Option<&str>, Unreadable> {
    let mut values = request.headers().get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(Some).map_err(|_| Unreadable::malformed(format!("the header `{name}` cannot be read")))
        }
        _ => Err(Unreadable::malformed(format!("the header `{name}` is given twice"))),
    }
}
