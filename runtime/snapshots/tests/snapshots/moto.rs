//! `moto_server`: S3 and IAM on this machine, which check signatures. Also for tests/cluster.
#![allow(dead_code, reason = "each test program uses its part of this")]

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use exeat_snapshots::{Credentials, S3Config};

const REGION: &str = "eu-west-1";
pub(crate) const BUCKET: &str = "snapshots";

/// A server with a bucket, and a user who may use it.
pub(crate) struct Moto {
    server: Child,
    port: u16,
    _place: tempfile::TempDir,
    key: String,
    secret: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The server's program, as `deploy/dev/setup test` installs it, or one on PATH.
fn program() -> Option<PathBuf> {
    let ours =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join(".tools/moto/bin/moto_server"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    ours.chain(std::env::split_paths(&path).map(|folder| folder.join("moto_server"))).find(|it| it.is_file())
}

/// Says that a test does not run here, and counts it in the file that `EXEAT_SKIPS` names.
fn skip(needed: &str) {
    // Not by `eprintln!`, which the harness hides where a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: needs {needed}");
    if let Some(file) = std::env::var_os("EXEAT_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{needed}").unwrap();
    }
}

impl Moto {
    /// Starts one; nothing where it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let Some(program) = program() else {
            skip("moto_server (deploy/dev/setup test)");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let place = tempfile::tempdir().unwrap();
        let server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .current_dir(place.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut moto = Self { server, port, _place: place, key: String::new(), secret: String::new() };
        moto.set_up().await;
        Some(moto)
    }

    async fn set_up(&mut self) {
        let began = Instant::now();
        while self.ask("s3", reqwest::Method::PUT, &format!("/{BUCKET}"), &location()).await.is_none() {
            assert!(began.elapsed() < Duration::from_secs(120), "moto_server does not start");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C\
                      %22Action%22%3A%22s3%3A*%22%2C%22Resource%22%3A%22*%22%7D%7D";
        for call in [
            "Action=CreateUser&UserName=exeat".to_owned(),
            format!("Action=PutUserPolicy&UserName=exeat&PolicyName=all&PolicyDocument={policy}"),
        ] {
            self.iam(&call).await;
        }
        let made = self.iam("Action=CreateAccessKey&UserName=exeat").await;
        let element = |name: &str| {
            let rest = made.split_once(&format!("<{name}>")).unwrap().1;
            rest.split_once('<').unwrap().0.to_owned()
        };
        (self.key, self.secret) = (element("AccessKeyId"), element("SecretAccessKey"));
        // From now on every request has to be signed.
        self.ask("s3", reqwest::Method::POST, "/moto-api/reset-auth", "0").await.unwrap();
    }

    async fn iam(&self, call: &str) -> String {
        self.ask("iam", reqwest::Method::POST, "/", &format!("{call}&Version=2010-05-08")).await.unwrap()
    }

    async fn ask(&self, service: &str, method: reqwest::Method, path: &str, body: &str) -> Option<String> {
        let scope = format!("Credential=x/20260101/{REGION}/{service}/aws4_request");
        let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(no_tls()).build().unwrap();
        let request = client
            .request(method, format!("http://127.0.0.1:{}{path}", self.port))
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"))
            .header("content-type", if service == "iam" { "application/x-www-form-urlencoded" } else { "text/plain" })
            .body(body.to_owned());
        let answer = request.send().await.ok()?;
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        answer.text().await.ok()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn config(&self, port: u16) -> S3Config {
        S3Config {
            bucket: BUCKET.into(),
            region: REGION.into(),
            endpoint: Some(format!("http://127.0.0.1:{port}")),
            prefix: "exeat/one".into(),
            path_style: true,
            plain_http: false,
            ca_file: None,
        }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::new(&self.key, &self.secret, None)
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

fn location() -> String {
    format!("<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>")
}

fn no_tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
