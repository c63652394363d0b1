//! The API's client.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::{OpenSession, OpenedSession, SOCKET, Status};

/// Talks to the gateway whose state folder it is given.
pub struct Client {
    socket: PathBuf,
}

/// A session that lives as long as this value.
pub struct HeldSession {
    /// What its sandbox needs.
    pub opened: OpenedSession,
    connection: JoinHandle<()>,
    _body: Incoming,
}

impl Drop for HeldSession {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Client {
    /// The client of the gateway in `state`. Nothing is connected yet.
    pub fn new(state: &Path) -> Self {
        Client { socket: state.join(SOCKET) }
    }

    /// What the gateway says of itself.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] where none answers.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let request = Request::get("/v1/status").body(Full::default());
        let (_, body, connection) = self.send(request).await?;
        let line = body.collect().await.map_err(unexpected)?.to_bytes();
        connection.abort();
        serde_json::from_slice(&line).map_err(unexpected)
    }

    /// Opens a session.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the gateway's own words.
    pub async fn open(&self, asked: &OpenSession) -> Result<HeldSession, ClientError> {
        let json = serde_json::to_vec(asked).map_err(unexpected)?;
        let request = Request::post("/v1/sessions").body(Full::from(json));
        let (status, mut body, connection) = self.send(request).await?;
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let Some(frame) = body.frame().await else { break };
            line.extend(frame.map_err(unexpected)?.into_data().unwrap_or_default());
        }
        if status != StatusCode::CREATED {
            let reply: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
            return Err(ClientError::Refused(reply["error"].as_str().unwrap_or("no reason given").to_owned()));
        }
        Ok(HeldSession { opened: serde_json::from_slice(&line).map_err(unexpected)?, connection, _body: body })
    }

    /// Asks anything of the API that is asked and answered in JSON.
    ///
    /// # Errors
    /// [`ClientError::Said`] with the gateway's own words, [`ClientError::NotRunning`] where none answers.
    pub async fn ask<A: DeserializeOwned>(
        &self, method: Method, path: &str, question: Option<&(impl Serialize + Sync)>,
    ) -> Result<A, ClientError> {
        let body = match question {
            Some(question) => serde_json::to_vec(question).map_err(unexpected)?,
            None => Vec::new(),
        };
        let request = Request::builder().method(method).uri(path).body(Full::from(body));
        let (status, body, connection) = self.send(request).await?;
        let bytes = body.collect().await.map_err(unexpected)?.to_bytes();
        connection.abort();
        if !status.is_success() {
            let said: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let words = |name: &str| said[name].as_str().map(str::to_owned);
            let message = words("error").unwrap_or_else(|| format!("it answers with HTTP status {status}"));
            return Err(ClientError::Said { status, code: words("code").unwrap_or_default(), message });
        }
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes).map_err(unexpected)
    }

    /// The API's socket, for those who speak HTTP/2 with it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    async fn send(
        &self, request: http::Result<Request<Full<Bytes>>>,
    ) -> Result<(StatusCode, Incoming, JoinHandle<()>), ClientError> {
        let mut request = request.map_err(unexpected)?;
        request.headers_mut().insert(header::HOST, http::HeaderValue::from_static("exeat.local"));
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|error| ClientError::NotRunning(self.socket.clone(), error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unexpected)?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        let response = sender.send_request(request).await.map_err(unexpected)?;
        Ok((response.status(), response.into_body(), connection))
    }
}

fn unexpected(error: impl std::fmt::Display) -> ClientError {
    ClientError::Unexpected(error.to_string())
}

/// Why the gateway did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No gateway answers.
    #[error("no gateway answers at `{0}`: {1}")]
    NotRunning(PathBuf, #[source] std::io::Error),
    /// The gateway opens no session.
    #[error("the gateway opens no session: {0}")]
    Refused(String),
    /// The gateway says no.
    #[error("{message}")]
    Said {
        /// HTTP's.
        status: StatusCode,
        /// The cause in a word: `not-found`, `busy`, ….
        code: String,
        /// The cause in words.
        message: String,
    },
    /// The answer makes no sense.
    #[error("the gateway's answer cannot be read: {0}")]
    Unexpected(String),
}
