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

    /// One with settings: `auth`, and `http.tls`. A port that was free a moment ago may be somebody's now, so that one
    /// that ends at once is started on another.
    pub(crate) async fn start(folder: tempfile::TempDir, auth: Value, tls: Value) -> Self {
        let is_set = |value: &Value| value.as_object().is_some_and(|map| !map.is_empty());
        let scheme = if is_set(&tls) { "https" } else { "http" };
        let mut settings = json!({
            "version": "0.1", "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": folder.path().join("data")}},
            "http": {"secret": "only for this test"},
        });
        if is_set(&auth) {
            settings["auth"] = auth;
        }
        if is_set(&tls) {
            settings["http"]["tls"] = tls;
        }
        for _ in 0..5 {
            let address = format!("127.0.0.1:{}", free_port());
            settings["http"]["addr"] = json!(address);
            let mut process = serve(folder.path(), &settings);
            if answers(&mut process, &format!("{scheme}://{address}/v2/")).await {
                return Self { process, folder, address, client: client(), scheme };
            }
        }
        panic!("docker-registry does not answer: {}", fs::read_to_string(folder.path().join("log")).unwrap());
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

fn serve(folder: &Path, settings: &Value) -> Child {
    // JSON is YAML too.
    let file = folder.join("registry.yml");
    fs::write(&file, settings.to_string()).unwrap();
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(&file).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap()
}

/// Waits until a registry answers; says no where it has ended instead.
async fn answers(process: &mut Child, url: &str) -> bool {
    let client = client();
    for _ in 0..600 {
        let answered = client.get(url).send().await.is_ok();
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if answered {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _ = process.kill();
    false
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
