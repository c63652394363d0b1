//! One request head: its grammar, and how its body is framed (RFC 9112, sections 3 and 6).

use exeat_core::limits;

use super::scanner::Violation;
use super::stream::VIOLATION_HEADER;

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes, which may be none.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Whatever the tunnel carries.
    Tunnel,
}

/// Reads a head that ends in an empty line and in which every line ends in CRLF.
pub(super) fn read(head: &[u8]) -> Result<Framing, Violation> {
    let mut headers = [httparse::EMPTY_HEADER; limits::REQUEST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Violation::TooManyHeaders),
        _ => return Err(Violation::Grammar),
    }
    let fields = Fields::collect(request.headers)?;
    let connect = request.method == Some("CONNECT");
    let old = request.version == Some(0);

    if fields.hosts > 1 || (fields.hosts == 0 && !connect) {
        return Err(Violation::Host);
    }
    if fields.transfer_encodings > 0 && (old || fields.length.is_some()) {
        return Err(Violation::TwoFramings);
    }
    let framing = match (fields.length, fields.transfer_encodings) {
        (_, 1) => Framing::Chunked,
        (length, 0) => Framing::Length(length.unwrap_or(0)),
        _ => return Err(Violation::TransferEncoding),
    };
    match request.method {
        Some("CONNECT") if framing == Framing::Length(0) => Ok(Framing::Tunnel),
        Some("CONNECT" | "GET" | "HEAD") if framing != Framing::Length(0) => Err(Violation::BodyWithoutMeaning),
        _ => Ok(framing),
    }
}

#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    transfer_encodings: usize,
}

impl Fields {
    fn collect(headers: &[httparse::Header<'_>]) -> Result<Self, Violation> {
        let mut fields = Fields::default();
        for header in headers {
            let name = header.name;
            if is_misleading(name) || name.eq_ignore_ascii_case(VIOLATION_HEADER) {
                return Err(Violation::HeaderName);
            }
            if name.eq_ignore_ascii_case("host") {
                fields.hosts += 1;
            } else if name.eq_ignore_ascii_case("content-length") {
                let length = content_length(header.value).ok_or(Violation::ContentLength)?;
                if fields.length.replace(length).is_some() {
                    return Err(Violation::ContentLength);
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if !header.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Violation::TransferEncoding);
                }
                fields.transfer_encodings += 1;
            }
        }
        Ok(fields)
    }
}

/// Whether servers are known to read the name as another one: those that hand headers on as variables fold `-` and `_` together,
/// and some drop what they take for decoration (`Transfer---Encoding`).
pub(crate) fn is_misleading(name: &str) -> bool {
    let frames = |name: &str| matches!(name, "contentlength" | "transferencoding");
    let bare: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let spelt = name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding");
    name.contains('_') || (frames(&bare) && !spelt)
}

/// Digits alone, without a leading zero: `+1`, `010` and `1, 1` are read differently by different servers.
fn content_length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}
