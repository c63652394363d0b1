//! What is served over TCP: the same as over the connection that sandboxd dials elsewhere.

use std::time::Duration;

use bytes::Bytes;
use exeat_inside::Api;
use exeat_inside::client::Command;
use http::{Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::scene::{Pod, ask, connect, in_a_pod, send, soon};

#[test]
fn every_api_has_its_port() {
    in_a_pod(async {
        let pod = Pod::new(None, &[]).await;
        let (status, body) = ask(8888, Method::GET, "/", "").await;
        assert_eq!(
            (status, &body[..]),
            (StatusCode::OK, &br#"{"status":"ok","message":"exeat-sandboxd is serving"}"#[..])
        );
        let (status, body) = ask(8888, Method::POST, "/execute", r#"{"command":"echo hello; pwd"}"#).await;
        assert_eq!(status, StatusCode::OK);
        let expected = format!("hello\\n{}\\n", pod.folder.path().display());
        assert!(String::from_utf8_lossy(&body).contains(&expected), "{body:?}");

        assert_eq!(ask(8080, Method::PUT, "/v1/files/dir%2Fa.txt", "content").await.0, StatusCode::NO_CONTENT);
        assert_eq!(ask(8080, Method::GET, "/v1/files/dir/a.txt", "").await, (StatusCode::OK, "content".into()));
        assert_eq!(ask(8080, Method::GET, "/v1/health", "").await.0, StatusCode::OK);
        let head = send(8080, Method::HEAD, "/v1/files/dir/a.txt", "").await;
        assert_eq!(head.headers()["content-length"], "7");

        let inside = pod.inside().await;
        let output = soon(inside.execute(&Command::new(["cat", "dir/a.txt"]))).await.unwrap();
        assert_eq!((output.exit_code, &output.stdout[..]), (0, &b"content"[..]));
        soon(inside.sync()).await.unwrap();
    });
}

#[test]
fn grpc_is_http_2_from_its_first_byte() {
    in_a_pod(async {
        let _pod = Pod::new(None, &[]).await;
        let stream = connect(9090).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        // ExecuteRequest { config { command: ["id", "-u"] } }
        let message = b"\0\0\0\0\x0a\x0a\x08\x0a\x02id\x0a\x02-u";
        let request = Request::builder().method(Method::POST).version(Version::HTTP_2);
        let request = request.uri("http://10.0.0.1:9090/process.v1.ProcessService/Execute");
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        let response = soon(sender.send_request(request.body(Full::new(Bytes::from_static(message))).unwrap())).await;
        let whole = soon(response.unwrap().into_body().collect()).await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
    });
}

#[test]
fn no_port_but_ours_leads_to_our_own_api() {
    in_a_pod(async {
        let pod = Pod::new(None, &[]).await;
        for api in [Api::Legacy, Api::Rest, Api::Grpc] {
            let stream = connect(api.port()).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            let request = Request::builder().method(Method::POST).uri("http://exeat/exeat.inside.v1.Control/Sync");
            let request = request.header("content-type", "application/grpc");
            let request = request.body(Full::new(Bytes::from_static(b"\0\0\0\0\0"))).unwrap();
            let response = soon(sender.send_request(request)).await.unwrap();
            let unknown = response.status() == 404 || response.headers().get("grpc-status").is_some_and(|s| s == "12");
            assert!(unknown, "{api:?}: {response:?}");
        }
        drop(pod);
    });
}

#[test]
fn raw_bytes_go_through_our_own_port() {
    in_a_pod(async {
        let pod = Pod::new(None, &[]).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut client = listener.accept().await.unwrap().0;
            client.write_all(b"hello").await.unwrap();
        });
        let mut stream = soon(pod.inside().await.connect(port)).await.unwrap();
        let mut heard = String::new();
        soon(stream.read_to_string(&mut heard)).await.unwrap();
        assert_eq!(heard, "hello");
    });
}

#[test]
fn a_port_that_is_left_out_is_the_commands() {
    in_a_pod(async {
        let _pod = Pod::new(None, &["--without", "8888,9090"]).await;
        assert!(connect(8888).await.is_err() && connect(9090).await.is_err());
        assert_eq!(ask(8080, Method::GET, "/v1/health", "").await.0, StatusCode::OK);
    });
}

#[test]
fn a_caller_who_hangs_up_ends_what_he_was_waiting_for() {
    in_a_pod(async {
        let pod = Pod::new(None, &[]).await;
        let stream = connect(8888).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let body = r#"{"command":"echo $$ > $OUT/pid; exec sleep 999"}"#;
        let request = Request::post("/execute").header("host", "sandbox").body(Full::new(Bytes::from(body))).unwrap();
        let waiting = tokio::spawn(sender.send_request(request));
        let pid = pod.line_in("pid").await;
        connection.abort();
        waiting.abort();
        soon(async {
            while std::path::Path::new(&format!("/proc/{}", pid.trim())).exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    });
}
