//! gRPC over hyper: one message in, one or many out, and the status behind.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use exeat_inside::framing::{Misframed, Unframe, frame};
use exeat_inside::status::{Code, Status};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use prost::Message;
use tokio::sync::mpsc;

use super::answer::Body;

const KIND: &str = "application/grpc";

/// The messages of a request, as they come.
pub(super) struct Messages {
    body: Incoming,
    unframe: Unframe,
}

impl Messages {
    pub(super) fn of(request: Request<Incoming>) -> Result<Self, Status> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with(KIND)) {
            return Err(Status::new(Code::InvalidArgument, "the content type is not application/grpc"));
        }
        Ok(Messages { body: request.into_body(), unframe: Unframe::default() })
    }

    /// The next message; nothing at the end.
    pub(super) async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        loop {
            if let Some(message) = self.unframe.take().map_err(misframed)? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                None => return self.unframe.finish().map(|()| None).map_err(misframed),
                Some(Err(error)) => return Err(Status::new(Code::Cancelled, error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.unframe.push(&bytes);
                    }
                }
            }
        }
    }
}

/// The one message of a request.
pub(super) async fn only<M: Message + Default>(request: Request<Incoming>) -> Result<M, Status> {
    let mut messages = Messages::of(request)?;
    let message = messages.next().await?;
    message.ok_or_else(|| Status::new(Code::InvalidArgument, "the request has no message"))
}

fn misframed(error: Misframed) -> Status {
    Status::new(Code::InvalidArgument, error.to_string())
}

/// The caller's time limit.
/// Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, "Timeout".
pub(super) fn time_limit(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let wrong = || Status::new(Code::InvalidArgument, "the header grpc-timeout is at most 8 digits and a unit");
    let (digits, unit) =
        value.to_str().ok().and_then(|text| text.split_at_checked(text.len().checked_sub(1)?)).ok_or_else(wrong)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match unit {
        "H" => Ok(Some(Duration::from_secs(number * 3600))),
        "M" => Ok(Some(Duration::from_secs(number * 60))),
        "S" => Ok(Some(Duration::from_secs(number))),
        "m" => Ok(Some(Duration::from_millis(number))),
        "u" => Ok(Some(Duration::from_micros(number))),
        "n" => Ok(Some(Duration::from_nanos(number))),
        _ => Err(wrong()),
    }
}

/// The answer of a call with one answer.
pub(super) fn answer<M: Message>(result: Result<M, Status>) -> Response<Body> {
    match result {
        Ok(message) => stream(Box::pin(Reply { message: Some(frame(&message)), status: Some(Status::OK) })),
        Err(status) => refuse(&status),
    }
}

/// The answer of a call with any number of answers, whose body ends with the status.
pub(super) fn stream(body: Body) -> Response<Body> {
    super::answer::with(http::StatusCode::OK, body, Some(KIND))
}

/// A call that failed before it had an answer.
pub(super) fn refuse(status: &Status) -> Response<Body> {
    let mut response = stream(super::answer::full(Bytes::new()));
    response.headers_mut().extend(status.trailers());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(KIND));
    response
}

/// At most one message and the status.
struct Reply {
    message: Option<Bytes>,
    status: Option<Status>,
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = match self.message.take() {
            Some(message) => Some(Frame::data(message)),
            None => self.status.take().map(|status| Frame::trailers(status.trailers())),
        };
        Poll::Ready(next.map(Ok))
    }
}

/// Messages from another thread, already framed; the status behind the last one.
pub(super) struct Relay {
    pieces: mpsc::Receiver<Result<Bytes, Status>>,
    ended: bool,
}

impl Relay {
    pub(super) fn new(pieces: mpsc::Receiver<Result<Bytes, Status>>) -> Self {
        Relay { pieces, ended: false }
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>, context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let status = match self.pieces.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(Some(Err(status))) => status,
            Poll::Ready(None) => Status::OK,
        };
        self.ended = true;
        Poll::Ready(Some(Ok(Frame::trailers(status.trailers()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_read_as_grpc_writes_them() {
        let limit = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            time_limit(&headers).map_err(|status| status.code)
        };
        assert_eq!(limit("1500m"), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(limit("2S"), Ok(Some(Duration::from_secs(2))));
        assert_eq!(limit("99999999H"), Ok(Some(Duration::from_secs(99_999_999 * 3600))));
        for wrong in ["", "S", "-1S", "1", "123456789S", "1s"] {
            assert_eq!(limit(wrong), Err(Code::InvalidArgument), "{wrong}");
        }
    }
}
