//! What only the supervisor asks for.

use exeat_inside::Api;
use exeat_inside::client::Error;
use exeat_inside::control::{Configure, HomeFile, Variable};
use exeat_inside::status::Code;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::scene::{Scene, code, shell, soon, until};

fn variable(name: &str, value: &str) -> Variable {
    Variable { name: name.into(), value: value.into() }
}

#[tokio::test]
async fn an_identity_is_bound_late_and_replaced() {
    let scene = Scene::new().await;
    let file = HomeFile { path: ".config/tool".into(), content: "token\n".into(), mode: 0 };
    let identity = Configure { environment: vec![variable("WHO", "a"), variable("X", "x")], home_files: vec![file] };
    soon(scene.inside.configure(&identity)).await.unwrap();
    let output = scene.sh("echo $WHO $X $HOME; stat -c %a ~/.config/tool; cat ~/.config/tool").await;
    assert_eq!(output.stdout, format!("a x {}\n600\ntoken\n", scene.home().display()));

    let identity = Configure { environment: vec![variable("WHO", "b")], home_files: vec![] };
    soon(scene.inside.configure(&identity)).await.unwrap();
    assert_eq!(scene.sh("echo $WHO $X").await.stdout, "b\n");
    let (_, metadata) = scene.ask(Api::Rest, Method::GET, "/v1/metadata", "").await;
    assert_eq!(metadata, r#"{"env":{"WHO":"b"}}"#);
}

#[tokio::test]
async fn an_identity_that_cannot_be_changes_nothing() {
    let scene = Scene::new().await;
    let file = |path: &str| HomeFile { path: path.into(), content: "x".into(), mode: 0 };
    let wrong =
        ["../a", "/a", "", "a/../../b"].map(|path| Configure { environment: vec![], home_files: vec![file(path)] });
    let bad_name = Configure { environment: vec![variable("A", "1"), variable("B=", "")], home_files: vec![file("f")] };
    for identity in wrong.iter().chain([&bad_name]) {
        assert_eq!(code(soon(scene.inside.configure(identity)).await), Code::InvalidArgument);
    }
    assert_eq!(scene.sh("echo $A").await.stdout, "\n");
    assert_eq!(std::fs::read_dir(scene.home()).unwrap().count(), 0);
}

#[tokio::test]
async fn processes_and_listeners_are_seen() {
    let scene = Scene::new().await;
    let mut process = soon(scene.inside.start(&shell("echo ready; exec sleep 999"))).await.unwrap();
    until(&mut process, "ready").await;
    let running = soon(scene.inside.processes()).await.unwrap().running;
    let seen = running.iter().find(|one| one.pid == process.id()).unwrap();
    assert_eq!(seen.parent.unsigned_abs(), scene.sandboxd.id().unwrap());
    assert!(seen.memory_bytes > 0);
    soon(scene.inside.sync()).await.unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listeners = soon(scene.inside.listeners()).await.unwrap().listeners;
    let seen = listeners.iter().find(|one| one.port == u32::from(port)).unwrap();
    assert_eq!((seen.address.as_str(), seen.pid.unsigned_abs()), ("127.0.0.1", std::process::id()));
    assert!(!seen.command.is_empty());
}

#[tokio::test]
async fn a_port_is_reached_with_raw_bytes() {
    let scene = Scene::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        client.write_all(b"first: ").await.unwrap();
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        client.write_all(&all).await.unwrap();
        all.len()
    });
    let mut stream = soon(scene.inside.connect(port)).await.unwrap();
    let sent = vec![0xa5; 300_000];
    soon(stream.write_all(&sent)).await.unwrap();
    soon(stream.shutdown()).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, [&b"first: "[..], &sent].concat());
    assert_eq!(soon(server).await.unwrap(), sent.len());
    assert_eq!(code(soon(scene.inside.connect(port)).await.map(|_| ())), Code::Unavailable);
}

#[tokio::test]
async fn a_folder_goes_out_and_in_as_an_archive() {
    let scene = Scene::new().await;
    let script = "mkdir -p from/sub; echo a > from/a; chmod 750 from/a; head -c 3000000 /dev/zero > from/sub/big; \
                  ln -s ../a from/sub/link; mkfifo from/pipe";
    assert_eq!(scene.sh(script).await.exit_code, 0);
    let mut archive = soon(scene.inside.archive("from")).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = soon(archive.next()).await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    soon(scene.inside.extract("to/here", std::io::Cursor::new(bytes.clone()))).await.unwrap();
    let look = "cd to/here/from; cat a; stat -c %a a; stat -c %s sub/big; readlink sub/link; test -e pipe || echo none";
    assert_eq!(scene.sh(look).await.stdout, "a\n750\n3000000\n../a\nnone\n");

    // In place of what is there, also where its owner has shut himself out.
    let more = "cd to/here; mkdir -p old/shut; touch old/shut/x .hidden; chmod 0 old/shut";
    assert_eq!(scene.sh(more).await.exit_code, 0);
    soon(scene.inside.replace("to/here", std::io::Cursor::new(bytes.clone()))).await.unwrap();
    assert_eq!(scene.sh("cd to/here; ls -A; cat from/a").await.stdout, "from\na\n");

    let cut = bytes[..bytes.len() / 2].to_vec();
    assert_eq!(code(soon(scene.inside.extract("cut", std::io::Cursor::new(cut.clone()))).await), Code::InvalidArgument);
    // What is not whole is marked, and the mark is in no archive.
    assert_eq!(code(soon(scene.inside.replace("cut", std::io::Cursor::new(cut))).await), Code::InvalidArgument);
    assert_eq!(scene.sh("ls -A cut").await.stdout, ".exeat-unrestored\nfrom\n");
    let mut archive = soon(scene.inside.archive("cut")).await.unwrap();
    while let Some(piece) = soon(archive.next()).await.unwrap() {
        assert!(!String::from_utf8_lossy(&piece).contains("unrestored"));
    }
    assert_eq!(code(soon(scene.inside.archive("missing")).await), Code::NotFound);
}

#[tokio::test]
async fn an_archive_is_in_order_and_whole_while_files_change() {
    let scene = Scene::new().await;
    let script = "mkdir -p d/b d/a; for n in 9 1 5; do echo $n > d/b/$n; echo $n > d/$n; done; touch d/b-; \
                  head -c 2000000 /dev/zero > d/growing; head -c 2000000 /dev/zero > d/cut; \
                  (while :; do echo more >> d/growing; : > d/cut; head -c 2000000 /dev/zero > d/cut; rm -f d/gone; \
                  : > d/gone; done) >/dev/null 2>&1 & echo $!";
    let busy = scene.sh(script).await;
    for _ in 0..20 {
        let mut archive = soon(scene.inside.archive("d")).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = soon(archive.next()).await.unwrap() {
            bytes.extend_from_slice(&piece);
        }
        let mut archive = tar::Archive::new(&bytes[..]);
        let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        let names: Vec<_> = names.filter(|name| !["d/gone", "d/cut", "d/growing"].contains(&name.as_str())).collect();
        assert_eq!(names, ["d", "d/1", "d/5", "d/9", "d/a", "d/b", "d/b/1", "d/b/5", "d/b/9", "d/b-"]);
    }
    let pid = String::from_utf8_lossy(&busy.stdout).trim().to_owned();
    scene.sh(&format!("kill {pid}")).await;
}

#[tokio::test]
async fn no_request_for_an_sdk_reaches_our_own_api() {
    let scene = Scene::new().await;
    for api in [Api::Legacy, Api::Rest, Api::Grpc] {
        let path = "/exeat.inside.v1.Control/Sync";
        let request = http::Request::builder().method(Method::POST).uri(format!("http://exeat{path}"));
        let request = request.header("host", "exeat").header("content-type", "application/grpc");
        let request = request.body(http_body_util::Full::from("\0\0\0\0\0")).unwrap();
        let response = soon(scene.inside.forward(api, request)).await.unwrap();
        assert!(response.headers().get("grpc-status").is_none_or(|status| status == "12"), "{api:?}: {response:?}");
        assert!(api == Api::Grpc || response.status() == 404, "{response:?}");
    }
    let connect = http::Request::builder().method(Method::CONNECT).uri("exeat:80");
    let connect = connect.body(http_body_util::Empty::new()).unwrap();
    assert!(matches!(soon(scene.inside.forward(Api::Legacy, connect)).await, Err(Error::Misused(_))));
}
