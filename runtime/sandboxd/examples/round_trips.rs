//! How long a sandbox takes to run `/bin/true`, as its supervisor sees it: `round_trips SOCKET [ROUNDS]` listens on
//! the socket for a sandboxd that serves, measures, and prints percentiles in microseconds.

#![allow(clippy::unwrap_used, reason = "a tool for developers: what fails ends it")]

use std::time::{Duration, Instant};

use exeat_inside::Api;
use exeat_inside::client::{Command, Event, Inside, Size};
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Bytes, Frame};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut words = std::env::args().skip(1);
    let socket = words.next().unwrap();
    let rounds = words.next().map_or(300, |rounds| rounds.parse().unwrap());
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    let inside = Inside::over(listener.accept().await.unwrap().0).await.unwrap();

    let command = Command::new(["/bin/true"]);
    let on_terminal = Command { pty: Some(Size { cols: 80, rows: 24 }), ..command.clone() };
    let elsewhere = Command { cwd: Some("/".into()), ..command.clone() };
    let mut execute = Vec::new();
    let mut away = Vec::new();
    let mut start = Vec::new();
    let mut terminal = Vec::new();
    let mut health = Vec::new();
    for _ in 0..rounds {
        health.push(timed(request(&inside, "/v1/health")).await);
        execute.push(timed(inside.execute(&command)).await);
        away.push(timed(inside.execute(&elsewhere)).await);
        start.push(timed(run(&inside, &command)).await);
        terminal.push(timed(run(&inside, &on_terminal)).await);
    }
    print("health", health);
    print("execute", execute);
    print("execute in another folder", away);
    print("start to exit", start);
    print("start to exit on a terminal", terminal);
    throughput(&inside).await;
}

async fn timed<F: Future>(future: F) -> Duration {
    let begun = Instant::now();
    future.await;
    begun.elapsed()
}

async fn run(inside: &Inside, command: &Command) {
    let mut process = inside.start(command).await.unwrap();
    while let Some(event) = process.next().await.unwrap() {
        assert!(matches!(event, Event::Exit(0)), "{event:?}");
    }
}

async fn request(inside: &Inside, path: &str) {
    let request = Request::get(path).body(Empty::new()).unwrap();
    let mut response = inside.forward(Api::Rest, request).await.unwrap();
    while response.frame().await.is_some() {}
}

/// A gibibyte in, and out.
async fn throughput(inside: &Inside) {
    let piece = Bytes::from(vec![7; 1 << 16]);
    let pieces = (0..1 << 14).map(move |_| Ok::<_, std::io::Error>(Frame::data(piece.clone())));
    let body = StreamBody::new(futures_util::stream::iter(pieces));
    let put = Request::builder().method(Method::PUT).uri("/v1/files/round_trips.tmp").body(body).unwrap();
    let begun = Instant::now();
    assert_eq!(inside.forward(Api::Rest, put).await.unwrap().status(), 204);
    println!("put 1 GiB: {:.2} s", begun.elapsed().as_secs_f64());
    println!("get 1 GiB: {:.2} s", timed(request(inside, "/v1/files/round_trips.tmp")).await.as_secs_f64());
    inside.execute(&Command::new(["rm", "round_trips.tmp"])).await.unwrap();
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
    println!("{what}: p50 {} µs, p90 {} µs, p99 {} µs", at(50), at(90), at(99));
}
