//! Debian's docker-registry on a port of its own, and pushing to it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use exeat_images::Digest;
use serde_json::{Value, json};

use crate::built::Built;

/// The user that [`HTPASSWD`] lets in.
pub(crate) const USER: (&str, &str) = ("tester", "open sesame");
/// `htpasswd -nbB` of that user.
pub(crate) const HTPASSWD: &str = "tester:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

/// A registry, which ends with the test.
pub(crate) struct Registry {
    process: Child,
    pub(crate) folder: tempfile::TempDir,
    /// `127.0.0.1:port`
    pub(crate) address: String,
    client: reqwest::Client,
    scheme: &'static str,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Registry {
    /// One that everybody may use.
    pub(crate) async fn open() -> Self {
        Self::start(tempfile::tempdir().unwrap(), json!({}), json!({})).await
    }

    /// One that lets [`USER`] in.
    pub(crate) async fn with_password() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("htpasswd");
        fs::write(&file, HTPASSWD).unwrap();
        Self::start(folder, json!({"htpasswd": {"realm": "test", "path": file}}), json!({})).await
    }

    /// One with settings: `auth`, and `http.tls`.
    pub(crate) async fn start(folder: tempfile::TempDir, auth: Value, tls: Value) -> Self {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let mut settings = json!({
            "version": "0.1", "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": folder.path().join("data")}},
            "http": {"addr": address, "secret": "only for this test"},
        });
        let is_set = |value: &Value| value.as_object().is_some_and(|map| !map.is_empty());
        if is_set(&auth) {
            settings["auth"] = auth;
        }
        let scheme = if is_set(&tls) { "https" } else { "http" };
        if is_set(&tls) {
            settings["http"]["tls"] = tls;
        }
        // JSON is YAML too.
        let file = folder.path().join("registry.yml");
        fs::write(&file, settings.to_string()).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let registry = Self { process, folder, address, client: client(), scheme };
        registry.wait().await;
        registry
    }

    async fn wait(&self) {
        for _ in 0..600 {
            if self.client.get(self.url("/v2/")).send().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("docker-registry does not answer: {}", fs::read_to_string(self.folder.path().join("log")).unwrap());
    }

    fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Pushes an image by the distribution API, as [`USER`] where that counts.
    pub(crate) async fn push(&self, name: &str, tag: &str, built: &Built) {
        self.push_as(name, tag, built, None).await;
    }

    /// Pushes with a token instead.
    pub(crate) async fn push_as(&self, name: &str, tag: &str, built: &Built, token: Option<&str>) {
        for (digest, blob) in &built.blobs {
            let started = self.client.post(self.url(&format!("/v2/{name}/blobs/uploads/")));
            let started = authorized(started, token).send().await.unwrap();
            assert_eq!(started.status(), 202);
            let place = started.headers()["location"].to_str().unwrap();
            let place = if place.starts_with('/') { self.url(place) } else { place.to_owned() };
            let place = format!("{place}{}digest={digest}", if place.contains('?') { '&' } else { '?' });
            let put = authorized(self.client.put(place), token).body(blob.clone());
            assert_eq!(put.send().await.unwrap().status(), 201);
        }
        self.push_manifest(name, tag, "application/vnd.oci.image.manifest.v1+json", &built.manifest, token).await;
    }

    pub(crate) async fn push_manifest(&self, name: &str, tag: &str, kind: &str, manifest: &[u8], token: Option<&str>) {
        let put = self.client.put(self.url(&format!("/v2/{name}/manifests/{tag}")));
        let put = authorized(put, token).header("content-type", kind).body(manifest.to_vec()).send().await.unwrap();
        let status = put.status();
        assert_eq!(status, 201, "{}", put.text().await.unwrap());
    }

    /// Where the registry keeps a blob.
    pub(crate) fn blob_file(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let blobs = Path::new("data/docker/registry/v2/blobs/sha256");
        self.folder.path().join(blobs).join(&hex[..2]).join(hex).join("data")
    }
}

fn authorized(request: reqwest::RequestBuilder, token: Option<&str>) -> reqwest::RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request.basic_auth(USER.0, Some(USER.1)),
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A client that trusts whom it must not: it only fills and looks at registries of these tests.
fn client() -> reqwest::Client {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let _ = rustls::crypto::CryptoProvider::install_default((*provider).clone());
    reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap()
}
