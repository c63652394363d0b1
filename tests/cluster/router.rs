//! The router in front of real sandboxes: who may enter, what gets through, and what wakes them.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use exeat_tests::{PATIENCE, exeat, until};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::api::PostParams;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::inside::served;
use crate::scene::{Kind, Scene};
use crate::wire::Wire;

/// A server inside that says which headers it got, and says back what it hears once the protocol is changed.
const SERVER: &str = r#"python3 -c '
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.headers.get("upgrade"):
            self.send_response(101); self.send_header("connection", "upgrade"); self.send_header("upgrade", "websocket"); self.end_headers()
            while line := self.rfile.readline(): self.wfile.write(line.upper())
            self.close_connection = True
            return
        said = ("%s %s" % (self.path, sorted(k.lower() for k in self.headers))).encode()
        self.send_response(200); self.send_header("content-length", str(len(said))); self.end_headers(); self.wfile.write(said)
http.server.ThreadingHTTPServer(("0.0.0.0", 3000), Handler).serve_forever()'"#;

/// `exeat router` on this machine, beside the cluster.
struct Router {
    address: SocketAddr,
    _program: Child,
}

impl Router {
    async fn start(kubeconfig: &OsStr, flags: &[&str]) -> Router {
        let mut command = Command::new(exeat());
        command
            .args(["router", "--listen", "127.0.0.1:0", "--output", "json"])
            .args(flags)
            .env("KUBECONFIG", kubeconfig);
        let mut program = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Router { address: ready["listen"].as_str().unwrap().parse().unwrap(), _program: program }
    }

    async fn of_the_cluster(flags: &[&str]) -> Router {
        Router::start(&std::env::var_os("EXEAT_CLUSTER").unwrap(), flags).await
    }

    /// A request to a sandbox of the scene.
    fn request(&self, scene: &Scene, method: &str, path: &str, id: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(path).header("host", "router");
        request.header("x-sandbox-id", id).header("x-sandbox-namespace", &scene.namespace)
    }

    async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Response<Incoming> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(connect(self.address).await)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap()
    }

    /// Status and body.
    async fn ask(&self, request: http::request::Builder, body: impl Into<Bytes>) -> (StatusCode, String) {
        let response = self.send(request, body).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// Runs a shell's line in a sandbox: status and output, or what was said instead.
    async fn execute(&self, scene: &Scene, id: &str, token: &str, line: &str) -> (StatusCode, String) {
        let request = self.request(scene, "POST", "/execute", id).header("authorization", format!("Bearer {token}"));
        let (status, body) = self.ask(request, json!({ "command": line }).to_string()).await;
        let output =
            serde_json::from_str::<Value>(&body).ok().and_then(|said| said["stdout"].as_str().map(str::to_owned));
        (status, output.unwrap_or(body))
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.ask(Request::get(path).header("host", "router"), "").await
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpSocket::new_v4().unwrap().connect(address).await.unwrap()
}

/// Somebody of this name with a token.
async fn account(scene: &Scene, name: &str) -> String {
    scene.make(Kind::ServiceAccount, json!({ "metadata": { "name": name } })).await;
    let api = scene.api(Kind::ServiceAccount);
    let ask = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": 600 } });
    let given: Value = api.create_subresource("token", name, &PostParams::default(), &ask).await.unwrap();
    given["status"]["token"].as_str().unwrap().to_owned()
}

/// Lets somebody enter the sandboxes of these names, or all without any.
async fn permit(scene: &Scene, name: &str, subject: Value, sandboxes: &[&str]) {
    let rule = json!({
        "apiGroups": ["agents.x-k8s.io"], "resources": ["sandboxes/router"], "verbs": ["create"], "resourceNames": sandboxes,
    });
    scene.make(Kind::Role, json!({ "metadata": { "name": name }, "rules": [rule] })).await;
    let bound = json!({
        "metadata": { "name": name }, "subjects": [subject],
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
    });
    scene.make(Kind::RoleBinding, bound).await;
}

async fn permitted(scene: &Scene, name: &str, sandboxes: &[&str]) -> String {
    let token = account(scene, name).await;
    let subject = json!({ "kind": "ServiceAccount", "name": name, "namespace": scene.namespace });
    permit(scene, name, subject, sandboxes).await;
    token
}

async fn ready(scene: &Scene, name: &str) -> Value {
    scene.says(Kind::Sandbox, name, "Ready True DependenciesReady").await
}

fn with_idle(mut spec: Value, seconds: u32) -> Value {
    spec["podTemplate"]["metadata"]["annotations"]["exeat.dev/idle-seconds"] = json!(seconds.to_string());
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_enter_enters_and_only_that_sandbox() {
    let Some(scene) = Scene::open("doors").await else { return };
    for name in ["mine", "other"] {
        scene.create(Kind::Sandbox, name, served("")).await;
    }
    let (alice, bob) = (permitted(&scene, "alice", &["mine"]).await, account(&scene, "bob").await);
    let router = Router::of_the_cluster(&[]).await;
    ready(&scene, "mine").await;
    ready(&scene, "other").await;
    assert_eq!(router.execute(&scene, "mine", &alice, "hostname").await, (StatusCode::OK, "mine\n".to_owned()));
    for (id, token, status, words) in [
        ("other", &alice, StatusCode::FORBIDDEN, "may not enter the sandbox `other`"),
        ("missing", &alice, StatusCode::FORBIDDEN, "`create` on `sandboxes/router` of `agents.x-k8s.io`"),
        ("mine", &bob, StatusCode::FORBIDDEN, "system:serviceaccount:"),
        ("mine", &"nobody's".to_owned(), StatusCode::UNAUTHORIZED, "show a token"),
    ] {
        let (said, body) = router.execute(&scene, id, token, "hostname").await;
        assert_eq!(said, status, "{id}: {body}");
        assert!(body.contains(words) && body.starts_with(r#"{"detail":""#), "{body}");
    }
    // From loopback too: nobody is taken for somebody.
    assert_eq!(router.ask(router.request(&scene, "GET", "/", "mine"), "").await.0, StatusCode::UNAUTHORIZED);
    // Who may enter what is not there is told so; and another sandbox of the name is another.
    let carol = permitted(&scene, "carol", &[]).await;
    assert_eq!(router.execute(&scene, "missing", &carol, "true").await.0, StatusCode::NOT_FOUND);
    let request = router.request(&scene, "GET", "/", "mine").header("authorization", format!("Bearer {carol}"));
    assert_eq!(router.ask(request.header("x-sandbox-uid", "another"), "").await.0, StatusCode::CONFLICT);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forwards_a_port_is_the_user_that_is_named_for_it() {
    let Some(scene) = Scene::open("forward").await else { return };
    scene.create(Kind::Sandbox, "box", served("")).await;
    let user = format!("{}-user", scene.namespace);
    let router = Router::of_the_cluster(&["--port-forward-user", &user]).await;
    ready(&scene, "box").await;
    let ask = async || router.ask(router.request(&scene, "GET", "/", "box"), "").await;
    let (status, body) = ask().await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    permit(&scene, "forwarders", json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }), &[])
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ask().await.0, StatusCode::OK);
    // A token that is shown counts, also where it is nobody's.
    let request = router.request(&scene, "GET", "/", "box").header("authorization", "Bearer nobody's");
    assert_eq!(router.ask(request, "").await.0, StatusCode::UNAUTHORIZED);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_speaking_http_gets_through() {
    let Some(scene) = Scene::open("speaking").await else { return };
    scene.create(Kind::Sandbox, "box", served(SERVER)).await;
    let token = permitted(&scene, "alice", &[]).await;
    let router = Router::of_the_cluster(&[]).await;
    ready(&scene, "box").await;
    let request = |path: &str| {
        let request = router.request(&scene, "GET", path, "box").header("authorization", format!("Bearer {token}"));
        request.header("x-sandbox-port", "3000").header("x-sandbox-pod-ip", "169.254.169.254")
    };
    // The server may take longer than sandboxd.
    while router.ask(request("/"), "").await.0 == StatusCode::BAD_GATEWAY {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (status, said) = router.ask(request("/a%2Fb?c=%20").header("x-own", "1"), "").await;
    assert_eq!((status, said.as_str()), (StatusCode::OK, "/a%2Fb?c=%20 ['host', 'x-own']"));

    let upgrade = request("/ws").header("connection", "Upgrade").header("upgrade", "websocket");
    let response = router.send(upgrade, "").await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    stream.write_all(b"hello\n").await.unwrap();
    let mut heard = [0; 6];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"HELLO\n");

    // gRPC: ExecuteRequest { config { command: ["hostname"] } }
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(connect(router.address).await)).await.unwrap();
    tokio::spawn(connection);
    let grpc = Request::builder().method("POST").uri("http://router/process.v1.ProcessService/Execute");
    let grpc = grpc.header("x-sandbox-id", "box").header("x-sandbox-namespace", &scene.namespace);
    let grpc = grpc.header("x-sandbox-port", "9090").header("authorization", format!("Bearer {token}"));
    let grpc = grpc.header("content-type", "application/grpc").header("te", "trailers");
    let message = Full::new(Bytes::from_static(b"\0\0\0\0\x0c\x0a\x0a\x0a\x08hostname"));
    let whole = sender.send_request(grpc.body(message).unwrap()).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
    assert!(whole.to_bytes().windows(4).any(|word| word == b"box\n"));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_in_a_pool_is_nobodys() {
    let Some(scene) = Scene::open("pooled").await else { return };
    // The router of this test is no pod: a template's own policy would let nobody in but routers that are.
    let mut template = served("");
    template["networkPolicyManagement"] = json!("Unmanaged");
    scene.pool("pool", 1, template).await;
    scene.filled("pool", 1).await;
    let member = scene.list(Kind::Sandbox).await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let token = permitted(&scene, "alice", &[]).await;
    let router = Router::of_the_cluster(&[]).await;
    assert_eq!(router.execute(&scene, &member, &token, "true").await.0, StatusCode::NOT_FOUND);
    scene.create(Kind::SandboxClaim, "mine", json!({ "warmPoolRef": { "name": "pool" } })).await;
    let claim = scene.says(Kind::SandboxClaim, "mine", "Ready True DependenciesReady").await;
    let name = claim["status"]["sandbox"]["name"].as_str().unwrap();
    assert_eq!(router.execute(&scene, name, &token, "hostname").await, (StatusCode::OK, format!("{name}\n")));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_use_and_wakes_what_slept_but_not_what_was_suspended() {
    let Some(scene) = Scene::open("sleeper").await else { return };
    scene.create(Kind::Sandbox, "box", with_idle(served(""), 6)).await;
    let token = permitted(&scene, "alice", &[]).await;
    let router = Router::of_the_cluster(&[]).await;
    ready(&scene, "box").await;
    // As long as somebody waits for something, it is in use.
    let long = router.execute(&scene, "box", &token, "sleep 15; echo done").await;
    assert_eq!(long, (StatusCode::OK, "done\n".to_owned()));
    let seen = scene.get(Kind::Sandbox, "box").await.unwrap();
    assert!(seen["metadata"]["annotations"]["exeat.dev/last-active"].is_string(), "{seen:#?}");

    let asleep = scene.says(Kind::Sandbox, "box", "Suspended True PodTerminated").await;
    assert_eq!(asleep["metadata"]["annotations"]["exeat.dev/suspended-by"], "idle");
    let requests: Vec<JoinHandle<_>> = (0..8)
        .map(|_| {
            let request = router.request(&scene, "GET", "/", "box").header("authorization", format!("Bearer {token}"));
            let address = router.address;
            tokio::spawn(async move {
                let (mut sender, connection) = http1::handshake(TokioIo::new(connect(address).await)).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap().status()
            })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), StatusCode::OK);
    }
    let awake = scene.get(Kind::Sandbox, "box").await.unwrap();
    assert_eq!(awake["spec"]["operatingMode"], "Running");
    assert!(awake["metadata"]["annotations"].get("exeat.dev/suspended-by").is_none(), "{awake:#?}");

    scene.patch(Kind::Sandbox, "box", json!({ "spec": { "operatingMode": "Suspended" } })).await;
    scene.says(Kind::Sandbox, "box", "Suspended True PodTerminated").await;
    let (status, body) = router.execute(&scene, "box", &token, "true").await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    assert!(body.contains("is suspended"), "{body}");
    // Who resumes it is waited for.
    scene.patch(Kind::Sandbox, "box", json!({ "spec": { "operatingMode": "Running" } })).await;
    while router.execute(&scene, "box", &token, "true").await.0 == StatusCode::CONFLICT {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(router.execute(&scene, "box", &token, "hostname").await, (StatusCode::OK, "box\n".to_owned()));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_api_server_does_not_answer_nobody_new_enters() {
    let Some(scene) = Scene::open("cut").await else { return };
    scene.create(Kind::Sandbox, "box", served("")).await;
    let (alice, bob) = (permitted(&scene, "alice", &[]).await, permitted(&scene, "bob", &[]).await);
    ready(&scene, "box").await;
    let wire = Wire::lay().await;
    let router = Router::start(wire.kubeconfig().as_os_str(), &[]).await;
    assert_eq!(router.get("/readyz").await.0, StatusCode::OK);
    assert_eq!(router.execute(&scene, "box", &alice, "true").await.0, StatusCode::OK);
    wire.cut();
    let (status, body) = router.execute(&scene, "box", &bob, "true").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    // Who was let in a moment ago is not for long.
    until("the permit ends", async || {
        router.execute(&scene, "box", &alice, "true").await.0 == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let (status, metrics) = router.get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(metrics.contains(r#"exeat_router_requests_total{code="503"}"#), "{metrics}");
    assert!(metrics.contains("exeat_router_requests_in_flight 0"), "{metrics}");
    scene.close().await;
}
