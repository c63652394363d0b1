//! Files through both APIs for SDKs.

use std::os::unix::fs::{PermissionsExt, symlink};

use bytes::Bytes;
use exeat_inside::Api;
use exeat_inside::status::Code;
use http::{Method, Request};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

use crate::scene::{Scene, code, soon};

/// How much a test streams, in bytes.
const LARGE: usize = 200 << 20;
const PIECE: usize = 1 << 16;

async fn rest(scene: &Scene, method: Method, path: &str, body: &'static [u8]) -> (u16, Bytes) {
    let kind = "application/octet-stream";
    let (status, body) = scene.ask_as(kind, Api::Rest, method, path, body).await;
    (status.as_u16(), body)
}

fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test]
async fn a_file_is_put_read_listed_and_removed() {
    let scene = Scene::new().await;
    assert_eq!(rest(&scene, Method::PUT, "/v1/files/dir%2Fsub%2Fa.sh?mode=0755", b"one").await.0, 204);
    assert_eq!(rest(&scene, Method::PUT, "/v1/files/dir%2Fsub%2Fa.sh", b"two").await.0, 204);
    assert_eq!(rest(&scene, Method::GET, "/v1/files/dir/sub/a.sh", b"").await, (200, "two".into()));
    assert_eq!(rest(&scene, Method::HEAD, "/v1/files/dir%2Fsub%2Fa.sh", b"").await, (200, "".into()));
    let mode = scene.root().join("dir/sub/a.sh").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "a file that is put anew gets the mode anew");

    symlink("a.sh", scene.root().join("dir/sub/link")).unwrap();
    symlink("nowhere", scene.root().join("dir/sub/broken")).unwrap();
    std::fs::create_dir(scene.root().join("dir/sub/folder")).unwrap();
    let (status, body) = rest(&scene, Method::GET, "/v1/files/dir%2Fsub", b"").await;
    let listing = parse(&body);
    assert_eq!(status, 200);
    assert_eq!(listing["path"], scene.root().join("dir/sub").to_str().unwrap());
    let row = |index: usize| {
        let entry = &listing["entries"][index];
        (entry["name"].as_str().unwrap().to_owned(), entry["type"].as_str().unwrap().to_owned(), entry["mode"].clone())
    };
    assert_eq!(row(0), ("a.sh".into(), "file".into(), "0644".into()));
    assert_eq!(listing["entries"][0]["size"], 3);
    assert!(listing["entries"][0]["modified_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(row(1).1, "directory");
    assert_eq!(row(2).0, "link");
    assert_eq!(listing["entries"].as_array().unwrap().len(), 3, "a link that leads nowhere is left out");

    assert_eq!(rest(&scene, Method::DELETE, "/v1/files/dir", b"").await.0, 409);
    assert_eq!(rest(&scene, Method::DELETE, "/v1/files/dir?recursive=true", b"").await.0, 204);
    assert_eq!(rest(&scene, Method::DELETE, "/v1/files/dir", b"").await.0, 404);
    assert_eq!(rest(&scene, Method::HEAD, "/v1/files/dir", b"").await.0, 404);
    assert_eq!(rest(&scene, Method::DELETE, "/v1/files/%2F?recursive=true", b"").await.0, 204);
    assert!(scene.root().is_dir(), "the root is emptied and stays");
}

#[tokio::test]
async fn refusals_have_a_code_and_words() {
    let scene = Scene::new().await;
    scene.sh("mkfifo pipe; mkdir folder").await;
    for (method, path, status, code) in [
        (Method::GET, "/v1/files/%2E%2E%2Fhome", 403, "PERMISSION_DENIED"),
        (Method::GET, "/v1/files/%2Fetc%2Fpasswd", 403, "PERMISSION_DENIED"),
        (Method::GET, "/v1/files/missing", 404, "NOT_FOUND"),
        (Method::GET, "/v1/files/pipe", 400, "INVALID_ARGUMENT"),
        (Method::PUT, "/v1/files/folder", 400, "INVALID_ARGUMENT"),
        (Method::PUT, "/v1/files/a?mode=999", 400, "INVALID_ARGUMENT"),
        (Method::POST, "/v1/files/a", 405, "UNIMPLEMENTED"),
        (Method::GET, "/v2/files/a", 404, "NOT_FOUND"),
    ] {
        let (got, body) = rest(&scene, method.clone(), path, b"").await;
        assert_eq!((got, parse(&body)["code"].as_str()), (status, Some(code)), "{method} {path}");
        assert!(!parse(&body)["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(rest(&scene, Method::GET, &format!("/v1/files/{}", "a".repeat(5000)), b"").await.0, 400);
    assert_eq!(rest(&scene, Method::GET, "/v1/files/a%00", b"").await.0, 400);
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_half_written_stays() {
    let Some(scene) = Scene::with_little_room().await else { return };
    let large = vec![7; 2 << 20];
    let (status, body) = scene.ask(Api::Rest, Method::PUT, "/v1/files/large", large.clone()).await;
    assert_eq!((status.as_u16(), parse(&body)["code"].as_str()), (507, Some("RESOURCE_EXHAUSTED")));
    assert!(parse(&body)["message"].as_str().unwrap().contains("disk is full"), "{body:?}");
    assert_eq!(scene.sh("ls -A").await.stdout, "");

    let mut header = tar::Header::new_gnu();
    header.set_size(large.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "large", &large[..]).unwrap();
    let archive = std::io::Cursor::new(archive.into_inner().unwrap());
    assert_eq!(code(soon(scene.inside.extract("to", archive)).await), Code::ResourceExhausted);
}

#[tokio::test]
async fn health_and_metadata_are_served() {
    let scene = Scene::new().await;
    assert_eq!(parse(&rest(&scene, Method::GET, "/v1/health", b"").await.1)["status"], "ok");
    assert_eq!(parse(&rest(&scene, Method::GET, "/v1/metadata", b"").await.1)["env"], serde_json::json!({}));
}

#[tokio::test]
async fn large_files_are_streamed_both_ways_in_little_memory() {
    let scene = Scene::new().await;
    let piece = Bytes::from_iter((0..PIECE).map(|at| (at * 7 % 251) as u8));
    let pieces = (0..LARGE / PIECE).map({
        let piece = piece.clone();
        move |_| Ok::<_, std::io::Error>(Frame::data(piece.clone()))
    });
    let body = StreamBody::new(futures_util::stream::iter(pieces));
    let put = Request::builder().method(Method::PUT).uri("/v1/files/large").body(body).unwrap();
    assert_eq!(soon(scene.inside.forward(Api::Rest, put)).await.unwrap().status(), 204);

    let get = Request::builder().uri("/download/large").body(http_body_util::Empty::new()).unwrap();
    let mut response = soon(scene.inside.forward(Api::Legacy, get)).await.unwrap();
    assert_eq!(response.headers()["content-length"], LARGE.to_string());
    let mut read = 0;
    while let Some(frame) = soon(response.frame()).await {
        let bytes = frame.unwrap().into_data().unwrap();
        let wrong = bytes.iter().enumerate().find(|(at, byte)| piece[(read + at) % PIECE] != **byte);
        assert_eq!(wrong, None, "behind {read}");
        read += bytes.len();
    }
    assert_eq!(read, LARGE);
    assert!(scene.most_memory() < 40 << 20, "sandboxd took {} bytes", scene.most_memory());
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let scene = Scene::new().await;
    let pieces = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(std::io::Error::other("gone"))];
    let body = StreamBody::new(futures_util::stream::iter(pieces));
    let put = Request::builder().method(Method::PUT).uri("/v1/files/half").body(body).unwrap();
    assert!(soon(scene.inside.forward(Api::Rest, put)).await.is_err());
    assert_eq!(scene.sh("ls -A").await.stdout, "");
}

#[tokio::test]
async fn the_older_api_uploads_downloads_lists_and_knows_what_exists() {
    let scene = Scene::new().await;
    let form = "--b1\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n\
                --b1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"dir/a.txt\"\r\n\r\nhello\r\n--b1--\r\n";
    let kind = "multipart/form-data; boundary=b1";
    let (status, _) = scene.ask_as(kind, Api::Legacy, Method::POST, "/upload", form).await;
    assert_eq!(status, 200);
    let get = async |path: &str| {
        let (status, body) = scene.ask(Api::Legacy, Method::GET, path, "").await;
        (status.as_u16(), body)
    };
    assert_eq!(get("/download/dir%2Fa.txt").await, (200, "hello".into()));
    let listing = parse(&get("/list/dir").await.1);
    assert_eq!(
        (&listing[0]["name"], &listing[0]["size"], &listing[0]["type"]),
        (&"a.txt".into(), &5.into(), &"file".into())
    );
    assert!(listing[0]["mod_time"].as_f64().unwrap() > 1e9);
    assert_eq!(parse(&get("/exists/dir%2Fa.txt").await.1)["exists"], true);
    assert_eq!(parse(&get("/exists/dir%2Fb.txt").await.1)["exists"], false);
    assert_eq!(get("/download/dir%2Fb.txt").await.0, 404);
    assert_eq!(get("/list/%2E%2E").await.0, 403);
    assert_eq!(get("/").await.0, 200);
    assert_eq!(scene.ask_as(kind, Api::Legacy, Method::POST, "/upload", "--b1\r\nbroken").await.0, 400);

    // A PUT takes a form as well.
    assert_eq!(scene.ask_as(kind, Api::Rest, Method::PUT, "/v1/files/put.txt", form).await.0, 204);
    assert_eq!(get("/download/put.txt").await.1, "hello");
}
