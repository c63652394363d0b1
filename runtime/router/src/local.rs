//! The sandboxes of this machine.

use exeat_inside::{Api, client};
use exeat_lifecycle::Refused;
use exeat_supervisor::{Error, Supervisor, Visit as Stay};
use http::{HeaderValue, Request, Response, Uri, Version, header, uri};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Backend, Refusal, Target, Visit, limits};

/// The sandboxes of this machine's supervisor.
#[derive(Clone)]
pub struct Local(Supervisor);

impl Local {
    /// Those of this one.
    pub fn new(supervisor: Supervisor) -> Self {
        Local(supervisor)
    }
}

impl Backend for Local {
    type Visit = Inside;

    async fn enter(&self, target: &Target) -> Result<Inside, Refusal> {
        let unknown = || Refusal::Unknown { namespace: target.namespace.clone(), id: target.id.clone() };
        let sandbox = self.0.find(&target.namespace, &target.id).map_err(|_| unknown())?;
        // One that waits in a pool is nobody's yet: whoever claims it must find it as it was made.
        if sandbox.pool.is_some() {
            return Err(unknown());
        }
        if target.uid.as_deref().is_some_and(|uid| uid != sandbox.id.as_str()) {
            return Err(Refusal::OtherUid { id: target.id.clone(), uid: sandbox.id.to_string() });
        }
        match self.0.enter(&sandbox.id).await {
            Ok(stay) => Ok(Inside(Box::new(stay))),
            Err(Error::NotFound { .. } | Error::Refused(Refused::Deleting)) => Err(unknown()),
            Err(error) => Err(refusal(&error)),
        }
    }
}

fn refusal(error: &Error) -> Refusal {
    let said = error.to_string();
    match error {
        Error::Expired(_) => Refusal::Expired(said),
        Error::NotFound { .. } | Error::Exists(_) | Error::Input(_) | Error::Unusable(_) => Refusal::Never(said),
        Error::Refused(_) | Error::Full(_) => Refusal::Busy(said),
        Error::Failed(_) => Refusal::Failed(said),
    }
}

fn lost(error: &client::Error) -> Refusal {
    match error {
        client::Error::Misused(why) => Refusal::Never((*why).to_owned()),
        error => Refusal::Failed(error.to_string()),
    }
}

/// Being in one of them.
pub struct Inside(Box<Stay>);

impl Visit for Inside {
    async fn send(&self, port: u16, mut request: Request<Incoming>) -> Result<Response<Incoming>, Refusal> {
        let api = match port {
            8888 => Some(Api::Legacy),
            8080 => Some(Api::Rest),
            9090 => Some(Api::Grpc),
            _ => None,
        };
        if api == Some(Api::Grpc) && request.version() != Version::HTTP_2 {
            return Err(Refusal::NeedsHttp2(port));
        }
        if matches!(api, Some(Api::Legacy | Api::Rest)) {
            *request.version_mut() = Version::HTTP_11;
        }
        address(&mut request, port);
        match api {
            Some(api) => self.0.forward(api, request).await.map_err(|error| lost(&error)),
            None => {
                let stream = self.0.connect(port).await;
                let stream = stream.map_err(|error| match error {
                    client::Error::Refused(_) => Refusal::Unreachable { port, why: error.to_string() },
                    error => lost(&error),
                })?;
                exchange(stream, request).await.map_err(|error| Refusal::Failed(broke_off(port, &error)))
            }
        }
    }
}

fn broke_off(port: u16, error: &hyper::Error) -> String {
    format!("the server at port {port} of the sandbox broke off: {error}")
}

/// Addresses a request to a port of the sandbox's loopback, with the path as it was written.
fn address(request: &mut Request<Incoming>, port: u16) {
    let host = format!("localhost:{port}");
    let mut parts = uri::Parts::default();
    parts.path_and_query = request.uri().path_and_query().cloned();
    let (Ok(authority), Ok(value)) = (host.parse(), HeaderValue::from_str(&host)) else { return };
    if request.version() == Version::HTTP_2 {
        parts.scheme = Some(uri::Scheme::HTTP);
        parts.authority = Some(authority);
        request.headers_mut().remove(header::HOST);
    } else {
        request.headers_mut().insert(header::HOST, value);
    }
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// One exchange over a connection of its own, in the client's version of HTTP.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, request: Request<Incoming>,
) -> Result<Response<Incoming>, hyper::Error> {
    let io = TokioIo::new(stream);
    if request.version() == Version::HTTP_2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        return sender.send_request(request).await;
    }
    let mut client = http1::Builder::new();
    client.max_buf_size(limits::HEAD_BYTES as usize);
    let (mut sender, connection) = client.handshake(io).await?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await
}
