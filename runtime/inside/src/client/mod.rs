//! The other side: one [`Inside`] for each connection that a sandbox has dialled, or that was made to its pod.
//!
//! ```text
//!   Inside::over(stream) ─┬─ start ──▶ Process ── next, write, signal, resize
//!                         ├─ execute ▶ Output
//!                         ├─ forward (legacy, rest, grpc as they are), connect (raw bytes)
//!                         └─ configure, sync, processes, listeners, archive, extract, replace
//! ```
//!
//! A sandbox that never answers is the caller's to give up on: no call here has a time limit of its own, and to drop
//! a call's future cancels it.

mod archive;
mod calls;
mod control;
mod error;
mod process;

use std::future::Future;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

pub use self::archive::Archive;
pub use self::error::Error;
pub use self::process::{Command, Event, Handle, Output, Process, Size};
use crate::{Api, limits};

type Outgoing = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A connection to one sandbox's sandboxd. Cheap to clone; the connection ends with its last clone.
#[derive(Clone, Debug)]
pub struct Inside {
    sender: SendRequest<Outgoing>,
    lost: watch::Receiver<bool>,
    /// Goes along with every request.
    mark: Option<(HeaderName, HeaderValue)>,
}

impl Inside {
    /// Speaks to the sandboxd at the other end: it dialled `stream`, or is in a pod whose port [`Api::Exeat`] was dialled.
    ///
    /// # Errors
    /// [`Error::Lost`] where the stream breaks off. Whether sandboxd speaks HTTP/2 shows at the first call.
    pub async fn over<S>(stream: S) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = builder().handshake::<_, Outgoing>(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| Error::of_connection(&error))?;
        let (gone, lost) = watch::channel(false);
        tokio::spawn(async move {
            // How it ended, each call says for itself.
            let _ = connection.await;
            gone.send_replace(true);
        });
        Ok(Inside { sender, lost, mark: None })
    }

    /// The same where somebody between hands requests on and has to be told to whom: `name: value` goes along with
    /// every request.
    #[must_use]
    pub fn marked(self, name: HeaderName, value: HeaderValue) -> Self {
        Inside { mark: Some((name, value)), ..self }
    }

    /// Returns once the connection is lost: the sandbox has ended, was snapshotted, or broke the rules of HTTP/2.
    pub async fn closed(&self) {
        let mut lost = self.lost.clone();
        // An error says that the connection's task is gone, and with it the connection.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    /// Hands a request to one of the sandbox's APIs and gives its answer, both as streams. Only path, query, method,
    /// headers and body of `request` count: its scheme and authority are set here, so that no request that came from
    /// outside chooses the API.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Broken`]; [`Error::Misused`] for CONNECT and for a request without a path. What the
    /// API itself refuses is an answer.
    pub async fn forward<B>(&self, api: Api, request: Request<B>) -> Result<Response<Incoming>, Error>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if request.method() == Method::CONNECT {
            return Err(Error::Misused("CONNECT is no request that can be forwarded"));
        }
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().cloned().ok_or(Error::Misused("the request has no path"))?;
        parts.uri = uri(api, path)?;
        parts.version = http::Version::HTTP_2;
        parts.extensions.clear();
        parts.headers.remove(http::header::HOST);
        self.send(Request::from_parts(parts, body.map_err(Into::into).boxed_unsync())).await
    }

    /// Connects to a port on the sandbox's loopback: raw bytes, for users' own servers.
    ///
    /// # Errors
    /// [`Error::Refused`] where nobody listens there.
    pub async fn connect(&self, port: u16) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, Error> {
        let target: Uri = format!("{}:{port}", Api::Exeat.authority()).parse().map_err(|_| Error::Misused("port"))?;
        let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::new(empty);
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = target;
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK {
            return Err(Error::of_answer(response.status(), response.headers()));
        }
        let raw = hyper::upgrade::on(response).await.map_err(|error| Error::of_connection(&error))?;
        Ok(TokioIo::new(raw))
    }

    fn send(&self, mut request: Request<Outgoing>) -> impl Future<Output = Result<Response<Incoming>, Error>> + use<> {
        let mut sender = self.sender.clone();
        if let Some((name, value)) = &self.mark {
            request.headers_mut().insert(name, value.clone());
        }
        async move {
            sender.ready().await.map_err(|error| Error::of_connection(&error))?;
            sender.send_request(request).await.map_err(|error| Error::of_connection(&error))
        }
    }
}

/// HTTP/2 with every bound that there is against the other end.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .initial_stream_window_size(limits::STREAM_WINDOW)
        .initial_connection_window_size(limits::CONNECTION_WINDOW)
        .max_frame_size(limits::FRAME_BYTES)
        .max_header_list_size(limits::HEADER_BYTES)
        .max_send_buf_size(limits::SEND_BUFFER_BYTES)
        .initial_max_send_streams(limits::STREAMS as usize)
        // The other end opens no streams: nothing is pushed.
        .max_concurrent_streams(0);
    builder
}

fn uri(api: Api, path: PathAndQuery) -> Result<Uri, Error> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::from_static(api.authority()));
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| Error::Misused("the request's path is no path"))
}
