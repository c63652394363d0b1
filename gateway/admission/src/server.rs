//! The webhooks over HTTPS, within limits of bytes and time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use exeat_core::limits;
use exeat_tls::Serving;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use kube::core::DynamicObject;
use kube::core::admission::AdmissionReview;
use kube::core::conversion::ConversionReview;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Validator;

/// A list of objects is converted in one question. An API server asks by pages of 500 and more.
const CONVERT_BYTES: usize = 64 * 1024 * 1024;
/// One object, twice: etcd takes 1.5 MB of one.
const VALIDATE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of questions held at once.
const TOTAL_BYTES: usize = 256 * 1024 * 1024;
/// API servers keep their connections; a few of them, with a few each.
const CONNECTIONS: usize = 256;
/// Questions at once on one connection.
const STREAMS: u32 = 64;
/// An API server waits ten seconds unless it is told otherwise, thirty at most.
const TIME: Duration = Duration::from_secs(10);

/// A webhook whose answer is a function of the question alone.
type Pure = Box<dyn Fn(Value) -> Value + Send + Sync>;

/// What is answered, by path: `/convert`, `/validate`, and what other rooms bring.
pub struct Webhooks {
    validator: Validator,
    others: BTreeMap<&'static str, Pure>,
    room: Arc<Semaphore>,
}

impl Webhooks {
    /// `/convert` and `/validate`.
    pub fn new(validator: Validator) -> Self {
        Webhooks { validator, others: BTreeMap::new(), room: Arc::new(Semaphore::new(TOTAL_BYTES)) }
    }

    /// The same with an AdmissionReview at another path: whoever brings it knows what it is about.
    #[must_use]
    pub fn and(mut self, path: &'static str, answer: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        self.others.insert(path, Box::new(answer));
        self
    }
}

/// Answers until `stop`, then ends its connections.
pub async fn serve(listener: TcpListener, tls: Arc<Serving>, webhooks: Arc<Webhooks>, stop: CancellationToken) {
    let (places, connections) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (tls, webhooks, stop) = (Arc::clone(&tls), Arc::clone(&webhooks), stop.clone());
                    connections.spawn(async move {
                        stop.run_until_cancelled(connection(stream, &tls, webhooks)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, tls: &Serving, webhooks: Arc<Webhooks>) {
    let stream = match tls.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "a connection's TLS was not ended"),
    };
    let service = service_fn(move |request| {
        let webhooks = Arc::clone(&webhooks);
        async move { Ok::<_, Infallible>(webhooks.answer(request).await) }
    });
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(limits::REQUEST_HEAD_TIME);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(limits::REQUEST_HEAD_TIME);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error, "a connection ended early");
    }
}

impl Webhooks {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let slow = |_| plain(StatusCode::SERVICE_UNAVAILABLE, "it took too long");
        tokio::time::timeout(TIME, self.route(request)).await.unwrap_or_else(slow)
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::POST, "/convert") => {
                let convert = |review: ConversionReview| async { exeat_api::conversion::convert(review) };
                self.ask(request, CONVERT_BYTES, convert).await
            }
            (&Method::POST, "/validate") => {
                let validate = |review: AdmissionReview<DynamicObject>| self.validator.answer(review);
                self.ask(request, VALIDATE_BYTES, validate).await
            }
            (&Method::POST, path) if self.others.contains_key(path) => {
                let answer = |review: Value| async { self.others[path](review) };
                self.ask(request, VALIDATE_BYTES, answer).await
            }
            _ => plain(StatusCode::NOT_FOUND, "this is no webhook"),
        }
    }

    /// Reads a question, whole, and answers it.
    async fn ask<Q: DeserializeOwned, A: Serialize, F: Future<Output = A>>(
        &self, request: Request<Incoming>, most: usize, answer: impl FnOnce(Q) -> F,
    ) -> Response<Full<Bytes>> {
        // A question of unknown length is held as if it were as long as one may be.
        let length =
            request.body().size_hint().exact().map_or(most, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let room = u32::try_from(length.min(most)).unwrap_or(u32::MAX);
        let Ok(_room) = Arc::clone(&self.room).acquire_many_owned(room).await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "it is being stopped");
        };
        let body = match Limited::new(request.into_body(), most).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return plain(StatusCode::PAYLOAD_TOO_LARGE, &format!("a question here has at most {most} bytes"));
            }
            Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let question = match serde_json::from_slice(&body) {
            Ok(question) => question,
            Err(error) => return plain(StatusCode::BAD_REQUEST, &format!("this is no review: {error}")),
        };
        match serde_json::to_vec(&answer(question).await) {
            Ok(json) => response(StatusCode::OK, "application/json", json),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }
}

fn plain(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", format!("{message}\n").into_bytes())
}

fn response(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
