//! gRPC calls: a message in, and one or many out.

use http::header::{CONTENT_TYPE, TE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use prost::Message;

use super::{Error, Inside, Outgoing, uri};
use crate::framing::{Unframe, frame};
use crate::status::{Code, Status};
use crate::{Api, limits};

impl Inside {
    /// A call with one answer.
    pub(super) async fn unary<A>(&self, api: Api, path: &'static str, question: &impl Message) -> Result<A, Error>
    where
        A: Message + Default,
    {
        self.call(api, path, whole(question)?).await?.only().await
    }

    /// A call with any number of answers.
    pub(super) async fn call<A>(&self, api: Api, path: &'static str, body: Outgoing) -> Result<Messages<A>, Error> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri(api, PathAndQuery::from_static(path))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK || Status::from_trailers(response.headers()).is_some() {
            return Err(Error::of_answer(response.status(), response.headers()));
        }
        Ok(Messages { body: response.into_body(), unframe: Unframe::default(), answer: std::marker::PhantomData })
    }
}

/// One message as a body.
pub(super) fn whole(question: &impl Message) -> Result<Outgoing, Error> {
    if question.encoded_len() > limits::MESSAGE_BYTES {
        return Err(Error::Misused("a message to the sandbox is longer than 4 MiB; send the bytes in pieces"));
    }
    Ok(Full::new(frame(question)).map_err(|never| match never {}).boxed_unsync())
}

/// The answers of a call, as they come.
#[derive(Debug)]
pub(super) struct Messages<A> {
    body: Incoming,
    unframe: Unframe,
    answer: std::marker::PhantomData<fn() -> A>,
}

impl<A: Message + Default> Messages<A> {
    /// The next answer; nothing where the call ended well.
    pub(super) async fn next(&mut self) -> Result<Option<A>, Error> {
        loop {
            if let Some(message) = self.unframe.take()? {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await else {
                return Err(Error::Broken("a call ended without a status".to_owned()));
            };
            let frame = frame.map_err(|error| Error::of_connection(&error))?;
            match frame.into_data() {
                Ok(bytes) => self.unframe.push(&bytes),
                Err(other) => return self.ended(other.trailers_ref()),
            }
        }
    }

    fn ended(&mut self, trailers: Option<&http::HeaderMap>) -> Result<Option<A>, Error> {
        match trailers.and_then(Status::from_trailers) {
            Some(status) if status.code == Code::Ok => Ok(self.unframe.finish().map(|()| None)?),
            Some(status) => Err(Error::Refused(status)),
            None => Err(Error::Broken("a call ended without a status".to_owned())),
        }
    }

    /// The one answer of a call that has one.
    async fn only(mut self) -> Result<A, Error> {
        let answer = self.next().await?.ok_or_else(|| Error::Broken("a call has no answer".to_owned()))?;
        match self.next().await? {
            None => Ok(answer),
            Some(_) => Err(Error::Broken("a call has two answers".to_owned())),
        }
    }
}
