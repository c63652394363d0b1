//! Requests on their way through the router, to servers on loopback in place of sandboxes.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failure here is a failed test")]

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use exeat_router::{Backend, Body, Refusal, Router, Target, Token, Visit, full};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Sandboxes by name; each is a server on loopback, whatever port is asked for.
struct Loopback(HashMap<&'static str, std::net::SocketAddr>);

struct Server(std::net::SocketAddr);

impl Backend for Loopback {
    type Visit = Server;

    async fn enter(&self, target: &Target) -> Result<Server, Refusal> {
        let unknown = || Refusal::Unknown { namespace: target.namespace.clone(), id: target.id.clone() };
        self.0.get(target.id.as_str()).copied().map(Server).ok_or_else(unknown)
    }
}

impl Visit for Server {
    async fn send(&self, port: u16, request: Request<Incoming>) -> Result<Response<Incoming>, Refusal> {
        let unreachable = |error: std::io::Error| Refusal::Unreachable { port, why: error.to_string() };
        let stream = connect(self.0).await.map_err(unreachable)?;
        let failed = |error: hyper::Error| Refusal::Failed(error.to_string());
        if request.version() == Version::HTTP_2 {
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(failed)?;
            tokio::spawn(connection);
            return sender.send_request(request).await.map_err(failed);
        }
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await.map_err(failed)
    }
}

async fn connect(address: std::net::SocketAddr) -> std::io::Result<TcpStream> {
    TcpSocket::new_v4()?.connect(address).await
}

/// A router in front of one sandbox, `box`.
struct Front {
    address: std::net::SocketAddr,
    token: String,
    _stop: DropGuard,
    _folder: TempDir,
}

impl Front {
    async fn of(server: std::net::SocketAddr) -> Front {
        let folder = tempfile::tempdir().unwrap();
        let token = Arc::new(Token::open(&folder.path().join("token")).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, text, stop) =
            (listener.local_addr().unwrap(), token.expose().to_owned(), CancellationToken::new());
        let router = Router::new(Loopback([("box", server)].into()), token);
        tokio::spawn(router.serve(listener, stop.clone(), std::time::Duration::ZERO));
        Front { address, token: text, _stop: stop.drop_guard(), _folder: folder }
    }

    fn request(&self, method: &str, uri: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(uri).header("x-sandbox-id", "box");
        request.header("authorization", format!("Bearer {}", self.token)).header("host", "router")
    }

    async fn send<B>(&self, request: Request<B>) -> Response<Incoming>
    where
        B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let stream = connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move { connection.with_upgrades().await });
        sender.send_request(request.map(|body| body.map_err(Into::into).boxed_unsync())).await.unwrap()
    }
}

/// A server that says what it was sent.
async fn mirror() -> std::net::SocketAddr {
    serve(|request| async move {
        let headers: HeaderMap = request.headers().clone();
        let (version, path) = (request.version(), request.uri().path_and_query().unwrap().to_string());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        let said = format!("{version:?} {path} {names:?} {}", body.len());
        Response::builder()
            .status(302)
            .header("location", "http://elsewhere/")
            .header("x-own", "1")
            .body(full(said))
            .unwrap()
    })
    .await
}

async fn serve<H, A>(handler: H) -> std::net::SocketAddr
where
    H: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(exeat_router::serve(listener, CancellationToken::new(), handler));
    address
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn empty() -> Full<Bytes> {
    Full::default()
}

#[tokio::test]
async fn a_request_goes_on_as_it_came_without_what_is_the_routers() {
    let front = Front::of(mirror().await).await;
    let request = front
        .request("POST", "/download/dir%2Fa.txt?x=%20")
        .header("x-sandbox-pod-ip", "169.254.169.254")
        .header("connection", "close, x-hop")
        .header("x-hop", "1")
        .header("x-kept", "1");
    let response = front.send(request.body(Full::new(Bytes::from_static(b"12345"))).unwrap()).await;
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()["location"], "http://elsewhere/");
    let said = text(response).await;
    assert_eq!(said, r#"HTTP/1.1 /download/dir%2Fa.txt?x=%20 ["content-length", "host", "x-kept"] 5"#);
}

#[tokio::test]
async fn who_may_not_or_cannot_is_told_so_in_detail() {
    let front = Front::of(mirror().await).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let dead = Front::of(gone).await;
    let other = Request::builder().uri("/").header("x-sandbox-id", "box").header("authorization", "Bearer x");
    let unnamed = Request::builder().uri("/").header("authorization", format!("Bearer {}", front.token));
    let unknown = unnamed.header("x-sandbox-id", "nobody");
    for (front, request, status) in [
        (&front, other, 401),
        (&front, Request::builder().uri("/").header("authorization", format!("Bearer {}", front.token)), 400),
        (&front, unknown, 404),
        (&front, front.request("GET", "/").header("x-sandbox-port", "http"), 400),
        (&dead, dead.request("GET", "/"), 502),
    ] {
        let response = front.send(request.body(empty()).unwrap()).await;
        assert_eq!(response.status().as_u16(), status);
        let said = text(response).await;
        assert!(said.starts_with(r#"{"detail":""#), "{said}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let silent = serve(|_| std::future::pending()).await;
    let front = Front::of(silent).await;
    let request = front.request("GET", "/").header("x-sandbox-timeout", "0.2").body(empty()).unwrap();
    assert_eq!(front.send(request).await.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn a_long_body_goes_through_in_pieces_both_ways() {
    let echo = serve(|request: Request<Incoming>| async move {
        Response::new(request.into_body().map_err(Into::into).boxed_unsync())
    })
    .await;
    let front = Front::of(echo).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, std::convert::Infallible>>(1);
    let body = StreamBody::new(futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|frame| (frame, receiver))
    }));
    let mut response = front.send(front.request("POST", "/").body(body).unwrap()).await.into_body();
    // Each piece comes back before the next one leaves: nobody waits for the whole.
    for piece in ["one", "two", "three"] {
        sender.send(Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).await.unwrap();
        assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), piece);
    }
    drop(sender);
    assert!(response.frame().await.is_none());
}

#[tokio::test]
async fn a_changed_protocol_is_carried_through() {
    let shouting = serve(|mut request: Request<Incoming>| async move {
        assert_eq!(request.headers()["upgrade"], "websocket");
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            let mut heard = [0; 5];
            stream.read_exact(&mut heard).await.unwrap();
            stream.write_all(&heard.to_ascii_uppercase()).await.unwrap();
        });
        let response = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        response.header("sec-websocket-accept", "x").body(full("")).unwrap()
    })
    .await;
    let front = Front::of(shouting).await;
    let request = front.request("GET", "/ws").header("x-sandbox-port", "3000");
    let request = request.header("connection", "Upgrade").header("upgrade", "websocket").body(empty()).unwrap();
    let response = front.send(request).await;
    assert_eq!((response.status().as_u16(), &response.headers()["sec-websocket-accept"]), (101, &"x".parse().unwrap()));
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    stream.write_all(b"hello").await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "HELLO");
}

#[tokio::test]
async fn http_2_goes_through_with_its_trailers() {
    let grpc = serve(|request: Request<Incoming>| async move {
        assert_eq!((request.version(), &request.headers()["te"]), (Version::HTTP_2, &"trailers".parse().unwrap()));
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let body = request.into_body().with_trailers(std::future::ready(Some(Ok(trailers))));
        Response::new(body.map_err(Into::into).boxed_unsync())
    })
    .await;
    let front = Front::of(grpc).await;
    let stream = connect(front.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}/process.v1.ProcessService/Start", front.address);
    let request = Request::builder().method("POST").uri(uri).header("x-sandbox-id", "box").header("te", "trailers");
    let request = request.header("authorization", format!("Bearer {}", front.token));
    let request = request.body(Full::new(Bytes::from_static(b"message"))).unwrap();
    let whole = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(whole.to_bytes(), "message");
}
