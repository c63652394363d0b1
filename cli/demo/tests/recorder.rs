//! The recorder against a real client, over HTTP/1.1 and h2.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use common::{Scene, has, run, succeed};
use exeat_demo::{HttpOrigin, KEPT_BODY_BYTES, full};
use http::Response;
use sha2::{Digest, Sha256};

async fn origin(scene: &Scene) -> HttpOrigin {
    let length = |request: http::Request<bytes::Bytes>| async move {
        Response::new(full(format!("{} bytes of {}", request.body().len(), request.uri().path())))
    };
    HttpOrigin::start(&scene.authority, &["api.example"], length).await.unwrap()
}

fn curl(scene: &Scene, origin: &HttpOrigin, version: &str, target: &str) -> tokio::process::Command {
    let mut curl = scene.command("curl", &scene.path(""));
    curl.args(["--silent", "--show-error", version, "--cacert"]).arg(scene.path("ca.pem"));
    curl.arg("--connect-to").arg(format!("::{}", origin.address())).arg(format!("https://api.example{target}"));
    curl
}

#[tokio::test]
async fn requests_are_written_down_as_they_came() {
    if !has("curl") {
        return;
    }
    let scene = Scene::new();
    let origin = origin(&scene).await;
    for (option, version) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2.0")] {
        origin.clear();
        let mut curl = curl(&scene, &origin, option, "/a%2Fb/c?q=1&q=%32");
        let printed = succeed(curl.args(["-X", "PATCH", "-H", "X-One: 1", "-H", "X-Two: 2", "-d", "hello"])).await;
        assert_eq!(printed, "5 bytes of /a%2Fb/c");
        let [seen] = <[_; 1]>::try_from(origin.seen()).unwrap();
        assert_eq!((seen.method.as_str(), seen.version.as_str()), ("PATCH", version));
        assert_eq!((seen.authority.as_str(), seen.target.as_str()), ("api.example", "/a%2Fb/c?q=1&q=%32"));
        assert_eq!(seen.server_name.as_deref(), Some("api.example"));
        assert_eq!(seen.path(), "/a%2Fb/c");
        let position = |name: &str| seen.headers.iter().position(|(known, _)| known == name).unwrap();
        assert!(position("x-one") < position("x-two"));
        assert_eq!(seen.header("X-One"), Some("1"));
        assert_eq!((seen.body_length, &seen.body[..], seen.complete), (5, &b"hello"[..], true));
        assert_eq!(seen.body_sha256, hex::encode(Sha256::digest("hello")));
    }
}

#[tokio::test]
async fn a_large_body_is_hashed_whole_and_kept_in_part() {
    if !has("curl") {
        return;
    }
    let scene = Scene::new();
    let origin = origin(&scene).await;
    let body: Vec<u8> = (0..3 * KEPT_BODY_BYTES).map(|at| (at % 251) as u8).collect();
    std::fs::write(scene.path("body"), &body).unwrap();
    for option in ["--http1.1", "--http2"] {
        origin.clear();
        let mut curl = curl(&scene, &origin, option, "/");
        succeed(curl.arg("--upload-file").arg(scene.path("body"))).await;
        let seen = origin.seen().remove(0);
        assert_eq!(seen.body_length, body.len() as u64);
        assert_eq!(seen.body_sha256, hex::encode(Sha256::digest(&body)));
        assert_eq!(seen.body, body[..KEPT_BODY_BYTES]);
    }
}

#[tokio::test]
async fn a_client_that_does_not_trust_it_is_counted_and_sends_nothing() {
    if !has("curl") {
        return;
    }
    let (scene, other) = (Scene::new(), Scene::new());
    let origin = origin(&scene).await;
    let (succeeded, _) = run(&mut curl(&other, &origin, "--http1.1", "/")).await;
    assert!(!succeeded);
    assert_eq!((origin.seen().len(), origin.connections()), (0, 1));
}

#[tokio::test]
async fn dropped_it_listens_no_more() {
    let scene = Scene::new();
    let origin = origin(&scene).await;
    let address = origin.address();
    drop(origin);
    // The task that listens ends at its next turn.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(tokio::net::TcpListener::bind(address).await.is_ok());
}
