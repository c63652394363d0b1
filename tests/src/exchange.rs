//! What is asked, what is answered, and HTTP/1.1 by hand between the two.

use bytes::{Buf, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::PATIENCE;

/// A well-formed request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: String,
    /// The host, without a port.
    pub host: String,
    /// The path with its query.
    pub path: String,
    /// Headers besides those that a way needs.
    pub headers: Vec<(String, String)>,
    /// The body, where there is one.
    pub body: Option<Vec<u8>>,
}

impl Ask {
    /// `GET`
    pub fn get(host: &str, path: &str) -> Self {
        Ask::of("GET", host, path)
    }

    /// Any method.
    pub fn of(method: &str, host: &str, path: &str) -> Self {
        Ask { method: method.into(), host: host.into(), path: path.into(), headers: Vec::new(), body: None }
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }
}

/// What a client got.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status; none where the connection was closed without one.
    pub status: Option<u16>,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it came.
    pub body: Vec<u8>,
    /// Whether it came to its end.
    pub complete: bool,
}

impl Answer {
    /// The connection closed, or the stream was reset.
    pub fn closed() -> Self {
        Answer::default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it says no, or says nothing.
    pub fn is_refusal(&self) -> bool {
        self.status.is_none_or(|status| (400..600).contains(&status))
    }

    /// The refusal's code, where the body says one.
    pub fn code(&self) -> String {
        refusal_code(&self.body)
    }
}

/// The code in the body of a refusal, in whichever service's form it is; empty where there is none.
pub fn refusal_code(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = body["error"]["code"].as_str().or(body["exeat"]["code"].as_str());
    code.unwrap_or_default().to_owned()
}

/// Reads one response, to its end or to the connection's. Interim responses are passed over.
pub async fn read_answer<S: AsyncRead + Unpin>(stream: &mut S, method: &str) -> Answer {
    let mut buffer = BytesMut::new();
    let read = async {
        loop {
            let Some(mut answer) = read_head(stream, &mut buffer).await else { return Answer::closed() };
            if answer.status.is_some_and(|status| (100..200).contains(&status)) {
                continue;
            }
            answer.complete = read_body(stream, &mut buffer, &mut answer, method).await;
            return answer;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("a response came neither to its end nor to the connection's")
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Option<Answer> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if !more(stream, buffer).await {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.advance(end + 4);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok();
    let fields = lines.filter_map(|line| line.split_once(':'));
    let headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Answer { status, headers, ..Answer::default() })
}

async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S, buffer: &mut BytesMut, answer: &mut Answer, method: &str,
) -> bool {
    if method == "HEAD" || matches!(answer.status, Some(204 | 304)) || (method == "CONNECT" && !answer.is_refusal()) {
        return true;
    }
    if answer.header("transfer-encoding").is_some() {
        return read_chunks(stream, buffer, &mut answer.body).await;
    }
    let length = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
    while length.is_none_or(|length| buffer.len() < length) && more(stream, buffer).await {}
    answer.body = buffer.split_to(length.unwrap_or(buffer.len()).min(buffer.len())).to_vec();
    length.is_none_or(|length| answer.body.len() == length)
}

async fn read_chunks<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut, body: &mut Vec<u8>) -> bool {
    loop {
        let line = loop {
            match buffer.windows(2).position(|window| window == b"\r\n") {
                Some(at) => break at,
                None if more(stream, buffer).await => {}
                None => return false,
            }
        };
        let Ok(size) = usize::from_str_radix(String::from_utf8_lossy(&buffer[..line]).trim(), 16) else { return false };
        while buffer.len() < line + 2 + size + 2 {
            if !more(stream, buffer).await {
                return false;
            }
        }
        body.extend_from_slice(&buffer[line + 2..line + 2 + size]);
        buffer.advance(line + 2 + size + 2);
        if size == 0 {
            return true;
        }
    }
}

async fn more<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> bool {
    matches!(stream.read_buf(buffer).await, Ok(1..))
}
