//! The API as bytes: what no SDK shows.

use std::fs;

use exeat_tests::{Disk, PATIENCE, is_root, read_answer, skip, until};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::lab::Lab;

const CLAIMS: &str = "/apis/extensions.agents.x-k8s.io/v1beta1/namespaces/default/sandboxclaims";

fn authorization(lab: &Lab) -> String {
    format!("authorization: Bearer {}\r\n", lab.token())
}

async fn call(lab: &Lab, method: &str, path: &str, authorization: &str, body: &str) -> (u16, Value) {
    let mut stream: TcpStream = TcpSocket::new_v4().unwrap().connect(lab.server()).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\n{authorization}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = timeout(PATIENCE, read_answer(&mut stream, method)).await.unwrap();
    (answer.status.unwrap(), serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_the_token() {
    let Some(lab) = Lab::start().await else { return };
    for authorization in ["", "authorization: Bearer x\r\n", "authorization: Basic eDp5\r\n"] {
        let (status, said) = call(&lab, "GET", CLAIMS, authorization, "").await;
        assert_eq!((status, &said["kind"], &said["reason"]), (401, &"Status".into(), &"Unauthorized".into()));
    }
    let right = authorization(&lab);
    assert_eq!(call(&lab, "GET", CLAIMS, &right, "").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_as_kubernetes_says_it() {
    let Some(lab) = Lab::start().await else { return };
    let right = authorization(&lab);
    let long = format!(r#"{{"metadata":{{"name":"{}"}}}}"#, "x".repeat(300 * 1024));
    for (method, path, body, status, reason) in [
        ("GET", format!("{CLAIMS}/none"), "", 404, "NotFound"),
        ("DELETE", format!("{CLAIMS}/none"), "", 404, "NotFound"),
        ("GET", "/apis/apps/v1/deployments".to_owned(), "", 404, "NotFound"),
        ("POST", CLAIMS.to_owned(), "{", 400, "BadRequest"),
        ("POST", CLAIMS.to_owned(), "{}", 422, "Invalid"),
        ("POST", CLAIMS.to_owned(), r#"{"kind":"Pod"}"#, 400, "BadRequest"),
        ("POST", CLAIMS.to_owned(), long.as_str(), 413, "RequestEntityTooLarge"),
        ("PUT", format!("{CLAIMS}/none"), "{}", 405, "MethodNotAllowed"),
        ("GET", format!("{CLAIMS}?fieldSelector=spec.x%3D1"), "", 400, "BadRequest"),
    ] {
        let (code, said) = call(&lab, method, &path, &right, body).await;
        assert_eq!((code, said["reason"].as_str()), (status, Some(reason)), "{method} {path}: {said}");
        assert_eq!((&said["kind"], &said["code"]), (&"Status".into(), &status.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_from_a_version_that_is_forgotten_is_told_to_begin_anew() {
    let Some(lab) = Lab::start().await else { return };
    let right = authorization(&lab);
    let (status, event) =
        call(&lab, "GET", &format!("{CLAIMS}?watch=true&resourceVersion=1&timeoutSeconds=5"), &right, "").await;
    assert_eq!((status, &event["type"], &event["object"]["code"]), (200, &"ERROR".into(), &410.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_cannot_be_deleted_now_is_deleted_later() {
    if !is_root() {
        return skip("root, to mount a small disk");
    }
    let disk = Disk::new("256m");
    let Some(mut lab) = Lab::start_on(&disk).await else { return };
    let right = authorization(&lab);
    let claim = json!({
        "metadata": {"name": "brief"},
        "spec": {
            "warmPoolRef": {"name": "py-pool"},
            "lifecycle": {"shutdownPolicy": "Delete", "shutdownTime": (Timestamp::now() + 4.seconds()).to_string()},
        },
    });
    assert_eq!(call(&lab, "POST", CLAIMS, &right, &claim.to_string()).await.0, 201);
    let path = format!("{CLAIMS}/brief");
    until("it has its sandbox", async || {
        call(&lab, "GET", &path, &right, "").await.1["status"]["sandbox"]["name"].is_string()
    })
    .await;
    let filler = disk.fill();
    until("it could not be deleted", async || {
        lab.scenario.log().contains("a claim whose time is over could not be deleted")
    })
    .await;
    assert_eq!(call(&lab, "DELETE", &path, &right, "").await.0, 507);
    let (status, claim) = call(&lab, "GET", &path, &right, "").await;
    assert_eq!((status, &claim["metadata"]["deletionTimestamp"]), (200, &Value::Null), "{claim}");

    fs::remove_file(filler).unwrap();
    until("it is deleted", async || call(&lab, "GET", &path, &right, "").await.0 == 404).await;
    lab.scenario.stop().await;
}
