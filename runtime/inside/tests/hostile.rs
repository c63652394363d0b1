//! The client against somebody who replaced sandboxd: everything ends in an error that says so, and nothing panics.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what went wrong by failing")]

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use exeat_inside::Api;
use exeat_inside::client::{Command, Error, Inside};
use exeat_inside::control::{Processes, Running};
use exeat_inside::framing::frame;
use exeat_inside::process::{ExitEvent, InitEvent, StartResponse, start_response::Event};
use exeat_inside::status::{Code, Status};
use http::{HeaderMap, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A client of somebody who answers every request alike.
async fn inside(answer: impl Fn() -> Response<Body> + Send + Sync + Clone + 'static) -> Inside {
    let (ours, theirs) = UnixStream::pair().unwrap();
    tokio::spawn(async move {
        let service = service_fn(move |_| std::future::ready(Ok::<_, Infallible>(answer())));
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(TokioIo::new(theirs), service).await;
    });
    Inside::over(ours).await.unwrap()
}

fn messages(bytes: impl Into<Bytes>, trailers: HeaderMap) -> Response<Body> {
    let body = Full::new(bytes.into()).with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::new(body.boxed_unsync())
}

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(30), future).await.expect("this did not end")
}

/// What a call that gets `bytes` and the status OK fails with.
async fn execute(bytes: &'static [u8]) -> Error {
    let inside = inside(move || messages(bytes, Status::OK.trailers())).await;
    soon(inside.execute(&Command::new(["true"]))).await.unwrap_err()
}

#[track_caller]
fn assert_broken(error: &Error, words: &str) {
    assert!(matches!(error, Error::Broken(said) if said.contains(words)), "{error}");
}

#[tokio::test]
async fn answers_that_are_none() {
    assert_broken(&execute(b"").await, "no answer");
    assert_broken(&execute(b"\0\xff\xff\xff\xff").await, "longer than 4 MiB");
    assert_broken(&execute(b"\x01\0\0\0\0").await, "compressed");
    assert_broken(&execute(b"\0\0\0\0\x02\xff\xff").await, "decoded");
    assert_broken(&execute(b"\0\0\0\0\0\0\0\0\0\0").await, "two answers");
    // A frame that breaks off behind a complete one.
    assert_broken(&execute(b"\0\0\0\0\0\0\0").await, "breaks off");
}

#[tokio::test]
async fn answers_without_a_status() {
    let silent = inside(|| messages(&b"\0\0\0\0\0"[..], HeaderMap::new())).await;
    assert_broken(&soon(silent.execute(&Command::new(["true"]))).await.unwrap_err(), "without a status");
    let other = inside(|| Response::builder().status(302).body(Empty::new().boxed_unsync()).unwrap()).await;
    assert_broken(&soon(other.sync()).await.unwrap_err(), "302");
    assert_broken(&soon(other.connect(80)).await.map(|_| ()).unwrap_err(), "302");
}

#[tokio::test]
async fn words_of_a_refusal_are_cut_and_cleaned() {
    let refusal = || {
        let mut trailers = Status::new(Code::NotFound, "").trailers();
        trailers.insert("grpc-message", format!("%1b[2J{}", "a".repeat(5_000)).parse().unwrap());
        messages(Bytes::new(), trailers)
    };
    let Error::Refused(status) = soon(inside(refusal).await.sync()).await.unwrap_err() else { panic!() };
    assert_eq!(status.code, Code::NotFound);
    assert!(status.message.len() <= 1024 && status.message.starts_with(" [2Jaaa"), "{status}");
}

#[tokio::test]
async fn a_process_that_begins_twice_or_never() {
    let event = |event| frame(&StartResponse { event: Some(event) });
    let init = || Event::Init(InitEvent { process_id: 7 });
    let exit = event(Event::Exit(ExitEvent { exit_code: 0 }));
    let never = inside(move || messages(exit.clone(), Status::OK.trailers())).await;
    assert_broken(&soon(never.start(&Command::new(["true"]))).await.map(|_| ()).unwrap_err(), "began");

    let twice = [event(init()), event(init())].concat();
    let twice = inside(move || messages(twice.clone(), Status::OK.trailers())).await;
    let mut process = soon(twice.start(&Command::new(["true"]))).await.unwrap();
    assert_broken(&soon(process.next()).await.unwrap_err(), "twice");

    let endless = event(init());
    let endless = inside(move || messages(endless.clone(), Status::OK.trailers())).await;
    let mut process = soon(endless.start(&Command::new(["true"]))).await.unwrap();
    assert_broken(&soon(process.next()).await.unwrap_err(), "without its end");
}

#[tokio::test]
async fn lists_and_headers_without_end() {
    let many = frame(&Processes { running: vec![Running::default(); 5_000], ended: vec![] });
    let many = inside(move || messages(many.clone(), Status::OK.trailers())).await;
    assert_broken(&soon(many.processes()).await.unwrap_err(), "5000");

    let wide = || {
        let mut response = messages(Bytes::new(), Status::OK.trailers());
        for number in 0..100 {
            let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
            response.headers_mut().insert(name, "a".repeat(1_000).parse().unwrap());
        }
        response
    };
    let request = http::Request::get("/").body(Empty::new()).unwrap();
    assert!(soon(inside(wide).await.forward(Api::Rest, request)).await.is_err());
}

#[tokio::test]
async fn bytes_that_are_no_http2() {
    let garbage: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0xff; 64],
        // SETTINGS with a frame size that may not be.
        b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\0\x01",
        // A stream that we did not open.
        b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x02\x88",
    ];
    for bytes in garbage {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).await.unwrap();
        let inside = soon(Inside::over(ours)).await.unwrap();
        let error = soon(inside.execute(&Command::new(["true"]))).await.unwrap_err();
        assert!(matches!(error, Error::Broken(_) | Error::Lost(_)), "{error}");
        soon(inside.closed()).await;
    }
}
