//! F1, F3: nothing is held that can stream, and nobody holds the others up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use exeat_tests::{Ask, PATIENCE, Scenario, Way, eventually, fed, handler, read_answer};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOST: &str = "api.example.com";
/// What is downloaded and uploaded: far more than any buffer.
const LARGE: usize = 200 * 1024 * 1024;
const CHUNK: usize = 1024 * 1024;
/// How much of it the gateway may hold at once, with all that it allocates besides.
const HELD_KIB: usize = 48 * 1024;

/// Most memory that the gateway has had, in KiB.
fn peak(scenario: &Scenario) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", scenario.process().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

pub(crate) async fn a_large_download_is_not_held() {
    let large = handler(|_| async {
        let (sender, body) = fed();
        tokio::spawn(async move {
            for _ in 0..LARGE / CHUNK {
                if sender.send(Bytes::from(vec![7; CHUNK])).await.is_err() {
                    return;
                }
            }
        });
        http::Response::new(body)
    });
    let scenario = Scenario::usual().origin(HOST, large).start().await;
    Way::usual().send(&scenario, &Ask::get("forbidden.example.net", "/")).await;
    let before = peak(&scenario);
    let way = Way::usual();
    let mut wire = way.open(&scenario, HOST).await.unwrap();
    wire.write_all(&way.bytes(&Ask::get(HOST, "/large").header("Connection", "close"))).await.unwrap();
    let (mut received, mut buffer) = (0, vec![0; 64 * 1024]);
    // A reader that is slower than the origin, so that something would pile up.
    while let Ok(read @ 1..) = tokio::time::timeout(PATIENCE, wire.read(&mut buffer)).await.unwrap() {
        received += read;
    }
    assert!(received > LARGE, "{received} bytes came");
    let held = peak(&scenario) - before;
    assert!(held < HELD_KIB, "the gateway grew by {held} KiB");
    let outcome = eventually("the outcome is recorded", || {
        exeat_tests::of_type(&scenario.records(), "outcome").into_iter().next()
    });
    assert_eq!(outcome.await["received_bytes"], LARGE);
}

pub(crate) async fn an_upload_streams() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&arrived);
    let upload = handler(move |request: http::Request<exeat_demo::Body>| {
        let counting = Arc::clone(&counting);
        async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                counting.fetch_add(frame.data_ref().map_or(0, Bytes::len), Ordering::SeqCst);
            }
            http::Response::new(exeat_demo::full(counting.load(Ordering::SeqCst).to_string()))
        }
    });
    let scenario = Scenario::usual().origin(HOST, upload).start().await;
    Way::usual().send(&scenario, &Ask::get("forbidden.example.net", "/")).await;
    let before = peak(&scenario);
    let way = Way::usual();
    let mut wire = way.open(&scenario, HOST).await.unwrap();
    let head = Ask::of("POST", HOST, "/large").header("Content-Length", &LARGE.to_string());
    wire.write_all(&way.bytes(&head)).await.unwrap();
    wire.write_all(&vec![7; CHUNK]).await.unwrap();
    wire.flush().await.unwrap();
    let begun = || (arrived.load(Ordering::SeqCst) > 0).then_some(());
    eventually("the origin has its beginning before its end is sent", begun).await;
    for _ in 1..LARGE / CHUNK {
        wire.write_all(&vec![7; CHUNK]).await.unwrap();
    }
    // TLS may hold the end of what was written.
    wire.flush().await.unwrap();
    let answered = tokio::time::timeout(Duration::from_secs(25), read_answer(&mut wire, "POST")).await;
    let found = || format!("{} of {LARGE} bytes arrived; {:#?}", arrived.load(Ordering::SeqCst), scenario.records());
    assert_eq!(answered.unwrap_or_else(|_| panic!("no answer: {}", found())).text(), LARGE.to_string());
    let held = peak(&scenario) - before;
    assert!(held < HELD_KIB, "the gateway grew by {held} KiB");
}

/// The origin sends a second event only after the client has the first.
pub(crate) async fn a_trickle_arrives_as_it_comes() {
    let feeding = Arc::new(Mutex::new(Vec::new()));
    let senders = Arc::clone(&feeding);
    let trickle = handler(move |_| {
        let (sender, body) = fed();
        senders.lock().unwrap().push(sender);
        async move { http::Response::new(body) }
    });
    let scenario = Scenario::usual().origin(HOST, trickle).start().await;
    for way in Way::http1() {
        let mut wire = way.open(&scenario, HOST).await.unwrap();
        wire.write_all(&way.bytes(&Ask::get(HOST, "/events"))).await.unwrap();
        let sender = eventually("the origin was asked", || feeding.lock().unwrap().pop()).await;
        let mut got = Vec::new();
        for event in ["data: first\n\n", "data: second\n\n", "data: third\n\n"] {
            sender.send(Bytes::from(event)).await.unwrap();
            let arrive = async {
                while !String::from_utf8_lossy(&got).contains(event) {
                    assert_ne!(wire.read_buf(&mut got).await.unwrap(), 0, "{way}: closed before {event:?}");
                }
            };
            tokio::time::timeout(PATIENCE, arrive).await.unwrap_or_else(|_| panic!("{way}: {event:?} is held"));
        }
    }
}

/// A head that never ends is closed in time (30 s, and some grace), and meanwhile everybody else is served.
pub(crate) async fn a_slow_head_is_closed_while_others_are_served() {
    let scenario = Arc::new(Scenario::usual().start().await);
    let slow = Way::http1().map(|way| {
        let scenario = Arc::clone(&scenario);
        tokio::spawn(async move {
            let mut wire = way.open(&scenario, HOST).await.unwrap();
            let head = way.bytes(&Ask::get(HOST, "/slow"));
            wire.write_all(&head[..head.len() - 2]).await.unwrap();
            let began = Instant::now();
            let mut said = Vec::new();
            let closed = tokio::time::timeout(Duration::from_secs(45), wire.read_to_end(&mut said)).await;
            assert!(closed.is_ok(), "{way}: still open after {:?}", began.elapsed());
            assert!(!said.starts_with(b"HTTP/1.1 200"), "{way}: {}", String::from_utf8_lossy(&said));
        })
    });
    let slow: Vec<_> = slow.collect();
    while slow.iter().any(|client| !client.is_finished()) {
        assert_eq!(Way::usual().send(&scenario, &Ask::get(HOST, "/others")).await.status, Some(200));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    for client in slow {
        client.await.unwrap();
    }
    assert!(scenario.seen(HOST).iter().all(|seen| seen.target == "/others"));
}

/// Whoever can reach the port may connect; without a token, and without a word, they keep nobody out for long.
pub(crate) async fn idle_strangers_keep_nobody_out() {
    const STRANGERS: usize = 520;
    let scenario = Scenario::usual().start().await;
    let way = Way::http1().find(|way| !way.lines().is_empty()).unwrap();
    let mut strangers = Vec::new();
    for _ in 0..STRANGERS {
        strangers.push(way.dial(&scenario).await.unwrap());
    }
    let mut wire = way.dial(&scenario).await.unwrap();
    wire.write_all(&way.bytes(&Ask::get(HOST, "/"))).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(45), wire.read_u8()).await;
    assert!(answer.is_ok_and(|first| first.is_ok()), "{STRANGERS} strangers keep a client with a token out");
}
