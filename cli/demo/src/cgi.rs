//! CGI (RFC 3875) as far as `git http-backend` needs it: one process a request, streamed in and out.

use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::body::{Body, BoxError};
use crate::recorder::answer;

/// The head of a CGI answer, in bytes. Git's is about 200.
const HEAD_BYTES: usize = 16 * 1024;
/// What is kept of a process's complaints.
const COMPLAINT_BYTES: u64 = 16 * 1024;
/// How much is read from the process at a time: a pipe's buffer on Linux.
const CHUNK_BYTES: usize = 64 * 1024;

/// Request headers that are passed on. Not all: `Proxy` would become `HTTP_PROXY`, which programs obey.
const PASSED_ON: [(&str, &str); 6] = [
    ("accept", "HTTP_ACCEPT"),
    ("content-encoding", "HTTP_CONTENT_ENCODING"),
    ("content-length", "CONTENT_LENGTH"),
    ("content-type", "CONTENT_TYPE"),
    ("git-protocol", "HTTP_GIT_PROTOCOL"),
    ("user-agent", "HTTP_USER_AGENT"),
];

/// Runs `command` for `request` and answers what it answers; what went wrong becomes a 502 that says so.
///
/// `command` brings its own variables; those that a request decides are added here. `path` is decoded.
pub(crate) async fn run(mut command: Command, request: Request<Body>, path: &str) -> Response<Body> {
    let (parts, body) = request.into_parts();
    command
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("SERVER_PROTOCOL", format!("{:?}", parts.version))
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("PATH_INFO", path);
    for (header, variable) in PASSED_ON {
        if let Some(value) = parts.headers.get(header).and_then(|value| value.to_str().ok()) {
            command.env(variable, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return bad_gateway(format!("cannot start the program behind this origin: {error}")),
    };
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return bad_gateway("the program behind this origin has no pipes".to_owned());
    };
    // Both at once: the program may answer before it has read everything.
    tokio::spawn(feed(body, stdin));
    let complaint = tokio::spawn(read_complaint(stderr));
    match read_head(stdout, child).await {
        Ok(response) => response,
        Err(error) => bad_gateway(format!("{error}; it said: {}", complaint.await.unwrap_or_default())),
    }
}

/// Gives a request's body to the program. A body that breaks off ends its input early, which git refuses.
async fn feed(mut body: Body, mut stdin: ChildStdin) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data()
            && stdin.write_all(&data).await.is_err()
        {
            // It has seen enough. What it made of it is in its answer. The rest is read all the same, as a server
            // must that wants its answer to be read.
            while let Some(Ok(_)) = body.frame().await {}
            return;
        }
    }
}

/// The beginning of what a program prints to its error stream, which is read to its end so that it never blocks.
async fn read_complaint(stderr: ChildStderr) -> String {
    let mut text = Vec::new();
    let mut start = stderr.take(COMPLAINT_BYTES);
    let _ = start.read_to_end(&mut text).await;
    let _ = tokio::io::copy(&mut start.into_inner(), &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&text).trim().to_owned()
}

async fn read_head(mut stdout: ChildStdout, child: Child) -> Result<Response<Body>, &'static str> {
    let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
    let (head, rest) = loop {
        if let Some(split) = split_head(&buffer) {
            break split;
        }
        if buffer.len() > HEAD_BYTES {
            return Err("the program behind this origin printed a head without an end");
        }
        match stdout.read_buf(&mut buffer).await {
            Ok(read) if read > 0 => {}
            _ => return Err("the program behind this origin ended without an answer"),
        }
    };
    let mut response = parse_head(&buffer[..head]).ok_or("the program behind this origin printed a malformed head")?;
    buffer.advance(rest);
    *response.body_mut() = Output { first: buffer, stdout, _child: child }.boxed_unsync();
    Ok(response)
}

/// Where the head ends and where the body starts.
fn split_head(buffer: &[u8]) -> Option<(usize, usize)> {
    let crlf = buffer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| (at, at + 4));
    crlf.or_else(|| buffer.windows(2).position(|window| window == b"\n\n").map(|at| (at, at + 2)))
}

fn parse_head(head: &[u8]) -> Option<Response<Body>> {
    let mut response = Response::new(crate::body::empty());
    for line in std::str::from_utf8(head).ok()?.lines() {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = StatusCode::from_bytes(value.as_bytes().get(..3)?).ok()?;
        } else {
            response.headers_mut().append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
        }
    }
    Some(response)
}

fn bad_gateway(mut why: String) -> Response<Body> {
    why.push('\n');
    answer(StatusCode::BAD_GATEWAY, why)
}

/// What a program prints after its head. Dropped, it takes the program with it.
struct Output {
    first: BytesMut,
    stdout: ChildStdout,
    _child: Child,
}

impl http_body::Body for Output {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(self.first.split().freeze()))));
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut buffer = ReadBuf::new(&mut chunk);
        if let Err(error) = ready!(Pin::new(&mut self.stdout).poll_read(context, &mut buffer)) {
            return Poll::Ready(Some(Err(error.into())));
        }
        let length = buffer.filled().len();
        chunk.truncate(length);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(Bytes::from(chunk)))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;

    #[test]
    fn a_head_becomes_a_status_and_headers() {
        let printed = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nrest";
        let (head, rest) = split_head(printed).unwrap();
        let response = parse_head(&printed[..head]).unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["content-type"], "text/plain");
        assert_eq!(&printed[rest..], b"rest");
    }

    #[test]
    fn what_is_no_head_is_refused() {
        assert!(parse_head(b"no colon").is_none());
        assert!(parse_head(b"Status: ok").is_none());
        assert!(split_head(b"Status: 200\r\n").is_none());
    }
}
