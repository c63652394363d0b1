//! `multipart/form-data`, as a stream: the one part named `file`.
//! Source: RFC 7578, and RFC 2046 section 5.1.1 for the delimiters.

use bytes::{Buf, Bytes, BytesMut};
use exeat_inside::status::{Code, Status};
use hyper::body::Incoming;
use memchr::memmem;

use super::files::next_of_body;
use crate::limits;

/// The body of a request, read part by part.
pub(super) struct Multipart {
    splitter: Splitter,
    body: Incoming,
}

impl Multipart {
    /// The `file` part of a body of this content type, and its file name.
    pub(super) async fn file(kind: &str, body: Incoming) -> Result<(Self, Vec<u8>), Status> {
        let boundary = boundary(kind).ok_or_else(|| wrong("the content type has no boundary"))?;
        let mut multipart = Multipart { splitter: Splitter::new(boundary), body };
        loop {
            while multipart.chunk().await?.is_some() {}
            let headers = loop {
                match multipart.splitter.headers()? {
                    Headers::Missing => multipart.more().await?,
                    Headers::End => return Err(wrong("there is no part named `file`")),
                    Headers::Part(headers) => break headers,
                }
            };
            if headers.name == b"file" {
                return Ok((multipart, headers.file_name));
            }
        }
    }

    /// The next bytes of this part; nothing at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            match self.splitter.data() {
                Data::Missing => self.more().await?,
                Data::Bytes(bytes) => return Ok(Some(bytes)),
                Data::End => return Ok(None),
            }
        }
    }

    async fn more(&mut self) -> Result<(), Status> {
        let bytes = next_of_body(&mut self.body).await?.ok_or_else(|| wrong("the body breaks off"))?;
        self.splitter.buffer.extend_from_slice(&bytes);
        Ok(())
    }
}

/// Finds parts in bytes that come in pieces. It holds one piece, a delimiter and a part's headers at most.
struct Splitter {
    /// CR LF, two dashes and the boundary: what ends a part.
    delimiter: Vec<u8>,
    buffer: BytesMut,
}

struct Part {
    name: Vec<u8>,
    file_name: Vec<u8>,
}

enum Headers {
    Missing,
    Part(Part),
    End,
}

enum Data {
    Missing,
    Bytes(Bytes),
    End,
}

impl Splitter {
    fn new(boundary: &[u8]) -> Self {
        // The first delimiter has no line before it unless it gets one.
        Splitter { delimiter: [b"\r\n--", boundary].concat(), buffer: BytesMut::from(&b"\r\n"[..]) }
    }

    /// Bytes up to the next delimiter, which is taken out at the end.
    fn data(&mut self) -> Data {
        match memmem::find(&self.buffer, &self.delimiter) {
            Some(0) => {
                self.buffer.advance(self.delimiter.len());
                Data::End
            }
            Some(end) => Data::Bytes(self.buffer.split_to(end).freeze()),
            // The last bytes may be the start of a delimiter.
            None => match (self.buffer.len() + 1).saturating_sub(self.delimiter.len()) {
                0 => Data::Missing,
                sure => Data::Bytes(self.buffer.split_to(sure).freeze()),
            },
        }
    }

    /// What stands behind a delimiter.
    fn headers(&mut self) -> Result<Headers, Status> {
        if self.buffer.starts_with(b"--") {
            return Ok(Headers::End);
        }
        let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
            return if self.buffer.len() > limits::PART_HEADER_BYTES {
                Err(wrong("a part's headers are longer than 16 KiB"))
            } else {
                Ok(Headers::Missing)
            };
        };
        let head = self.buffer.split_to(end + 4);
        let part = memmem::find(&head, b"\r\n").and_then(|line| disposition(&head[line + 2..]));
        part.map(Headers::Part).ok_or_else(|| wrong("a part has no content-disposition"))
    }
}

fn disposition(head: &[u8]) -> Option<Part> {
    let mut headers = [httparse::EMPTY_HEADER; limits::PART_HEADERS];
    let Ok(httparse::Status::Complete((_, headers))) = httparse::parse_headers(head, &mut headers) else { return None };
    let value = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-disposition"))?.value;
    Some(Part {
        name: parameter(value, b"name").unwrap_or_default(),
        file_name: parameter(value, b"filename").unwrap_or_default(),
    })
}

/// A parameter of a header, quoted or not. Browsers and the SDK write a quotation mark in a name as `%22`.
fn parameter(value: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut rest = &value[memchr::memchr(b';', value)? + 1..];
    loop {
        let equals = memchr::memchr(b'=', rest)?;
        let key = rest[..equals].trim_ascii();
        let (text, after) = text(&rest[equals + 1..]);
        if key.eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = &after[memchr::memchr(b';', after)? + 1..];
    }
}

/// The text at the start of `value`, and what follows it.
fn text(value: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = value.strip_prefix(b"\"") else {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        return (value[..end].trim_ascii().to_vec(), &value[end..]);
    };
    let mut text = Vec::new();
    let mut rest = quoted;
    loop {
        match rest {
            [b'\\', escaped @ (b'"' | b'\\'), after @ ..] => {
                text.push(*escaped);
                rest = after;
            }
            [b'%', b'2', b'2', after @ ..] => {
                text.push(b'"');
                rest = after;
            }
            [b'"', after @ ..] => return (text, after),
            [byte, after @ ..] => {
                text.push(*byte);
                rest = after;
            }
            [] => return (text, rest),
        }
    }
}

fn boundary(kind: &str) -> Option<&[u8]> {
    let (_, parameters) = kind.split_once(';')?;
    let value = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let value = value.trim_matches('"').as_bytes();
    // RFC 2046 allows 70.
    (1..=70).contains(&value.len()).then_some(value)
}

fn wrong(words: &str) -> Status {
    Status::new(Code::InvalidArgument, format!("the body is no multipart form with a file: {words}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All parts of a body that comes in pieces: file names and bytes; nothing where it is broken.
    fn parts(body: &[u8], size: usize) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut splitter = Splitter::new(b"xyz");
        let mut pieces = body.chunks(size);
        let mut parts: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut at_headers = false;
        loop {
            let missing = if at_headers {
                match splitter.headers().ok()? {
                    Headers::End => return Some(parts),
                    Headers::Missing => true,
                    Headers::Part(part) => {
                        parts.push((part.file_name, Vec::new()));
                        at_headers = false;
                        false
                    }
                }
            } else {
                match splitter.data() {
                    Data::Missing => true,
                    Data::End => {
                        at_headers = true;
                        false
                    }
                    Data::Bytes(bytes) => {
                        if let Some((_, all)) = parts.last_mut() {
                            all.extend_from_slice(&bytes);
                        }
                        false
                    }
                }
            };
            if missing {
                splitter.buffer.extend_from_slice(pieces.next()?);
            }
        }
    }

    fn body(name: &str, content: &[u8]) -> Vec<u8> {
        let head = format!("--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        [head.as_bytes(), content, b"\r\n--xyz--\r\n"].concat()
    }

    #[test]
    fn a_file_name_is_read_as_the_sdk_writes_it() {
        for (written, meant) in [("dir/a.txt", "dir/a.txt"), ("a%22b", "a\"b"), ("a;b=c", "a;b=c"), ("é", "é")] {
            assert_eq!(parts(&body(written, b""), 7), Some(vec![(meant.into(), vec![])]), "{written}");
        }
    }

    #[test]
    fn what_looks_like_a_delimiter_is_content() {
        let content = b"\r\n--xy\r\n-\r\n--\r\n--xyy";
        assert_eq!(parts(&body("a", content), 3).unwrap()[0].1, content);
    }

    proptest! {
        #[test]
        fn content_comes_out_as_it_went_in(content in proptest::collection::vec(any::<u8>(), 0..300), size in 1usize..50) {
            prop_assert_eq!(&parts(&body("a", &content), size).unwrap()[0].1, &content);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in "[-xyz:;=\"\\\\\r\nname ]{0,120}", size in 1usize..50) {
            let _ = parts(bytes.as_bytes(), size);
            let _ = parts(format!("--xyz\r\nContent-Disposition: {bytes}\r\n\r\n").as_bytes(), size);
            let _ = boundary(&bytes);
        }
    }
}
