//! An npm registry: a real Verdaccio behind a recorder, under the name that npm asks for.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use tokio::process::Command;

use crate::body::{Body, BoxError};
use crate::error::Doing;
use crate::recorder::answer;
use crate::verdaccio::{self, Verdaccio};
use crate::{Authority, Error, Login, Recorder};

/// Headers that belong to one connection and not to the request (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 6] = ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// A registry that npm can publish to, with the token, and install from, without one.
pub struct NpmOrigin {
    recorder: Recorder,
    verdaccio: Verdaccio,
    token: String,
}

impl NpmOrigin {
    /// Where Verdaccio is: in `.tools` of this folder or one above, or on `PATH`.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn is_available() -> Result<PathBuf, String> {
        verdaccio::find()
    }

    /// The host that npm here asks for packages, for an origin that stands in for it.
    ///
    /// # Errors
    /// If npm is missing, or its setting names no host.
    pub async fn configured_host() -> Result<String, Error> {
        let asked = Command::new("npm").args(["config", "get", "registry"]).stdin(Stdio::null()).output().await;
        let output = asked
            .map_err(|error| Error::Missing(format!("npm cannot be run ({error}): run `deploy/dev/setup demo`")))?;
        let registry = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let host = registry.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        host.ok_or_else(|| Error::Command {
            command: "npm config get registry".to_owned(),
            output: format!("`{registry}` names no host; set npm's `registry`"),
        })
    }

    /// Starts the Verdaccio at `program` (see [`is_available`](Self::is_available)) as `https://HOST/`, and registers
    /// the user `demo`.
    ///
    /// # Errors
    /// If Verdaccio does not come up, with what it printed; or there is no certificate for `host`, or no port.
    pub async fn start(authority: &Authority, host: &str, program: &Path) -> Result<Self, Error> {
        let verdaccio = Verdaccio::start(program).await?;
        let login = Login { username: "demo".to_owned(), password: random_password()? };
        let token = verdaccio.register(&login).await?;
        let socket: Arc<Path> = verdaccio.socket().into();
        let recorder =
            Recorder::start(authority, &[host], move |request| pass_on(request, Arc::clone(&socket))).await?;
        Ok(NpmOrigin { recorder, verdaccio, token })
    }

    /// What `npm publish` needs as `_authToken`.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Publishes a small package past the recorder, so that there is something to install.
    ///
    /// # Errors
    /// What Verdaccio says: a name that npm does not allow, a version that is there already.
    pub async fn seed_package(&self, name: &str, version: &str) -> Result<(), Error> {
        let manifest = json!({
            "name": name,
            "version": version,
            "description": "a package for the demo",
            "main": "index.js",
            "license": "MIT",
        });
        let tarball = pack(&manifest).await?;
        let document = publication(name, version, manifest, &tarball);
        self.verdaccio.put(&package_path(name), Some(&self.token), &document).await.map(drop)
    }

    /// The versions of a package that have landed, oldest first as Verdaccio lists them.
    ///
    /// # Errors
    /// If Verdaccio does not answer. A package that is not there has no versions.
    pub async fn versions(&self, name: &str) -> Result<Vec<String>, Error> {
        let document = self.verdaccio.get(&package_path(name)).await?.unwrap_or_default();
        let versions = document.get("versions").and_then(Value::as_object);
        Ok(versions.map(|versions| versions.keys().cloned().collect()).unwrap_or_default())
    }

    /// Verdaccio's process id, as long as it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.verdaccio.id()
    }
}

/// What it saw, and where it listens.
impl Deref for NpmOrigin {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

/// Gives a request to Verdaccio and streams the answer back.
async fn pass_on(request: Request<Body>, socket: Arc<Path>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if let Some(authority) = parts.uri.authority().and_then(|name| HeaderValue::from_str(name.as_str()).ok()) {
        // h2 has the name in the pseudo-header only.
        parts.headers.insert(header::HOST, authority);
    }
    for name in HOP_BY_HOP {
        parts.headers.remove(name);
    }
    // With it and `Host`, Verdaccio writes the URLs of tarballs as clients reach them.
    parts.headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    parts.version = http::Version::HTTP_11;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    parts.uri = match target.parse() {
        Ok(uri) => uri,
        Err(_) => return answer(StatusCode::BAD_REQUEST, "the path is malformed\n"),
    };
    match verdaccio::send(&socket, Request::from_parts(parts, body)).await {
        Ok(response) => {
            let (mut parts, body) = response.into_parts();
            for name in HOP_BY_HOP {
                parts.headers.remove(name);
            }
            Response::from_parts(parts, body.map_err(BoxError::from).boxed_unsync())
        }
        Err(error) => answer(StatusCode::BAD_GATEWAY, format!("verdaccio did not answer: {error}\n")),
    }
}

/// The document that `npm publish` sends.
fn publication(name: &str, version: &str, mut manifest: Value, tarball: &[u8]) -> Value {
    let base = name.rsplit('/').next().unwrap_or(name);
    let file = format!("{base}-{version}.tgz");
    manifest["_id"] = json!(format!("{name}@{version}"));
    // Verdaccio puts the host that a client asked in this one's place.
    let url = format!("https://localhost/{name}/-/{file}");
    let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(tarball)));
    manifest["dist"] = json!({ "integrity": integrity, "tarball": url });
    json!({
        "_id": name,
        "name": name,
        "dist-tags": { "latest": version },
        "versions": { version: manifest },
        "_attachments": { file: {
            "content_type": "application/octet-stream",
            "data": STANDARD.encode(tarball),
            "length": tarball.len(),
        } },
    })
}

/// A package's tarball, by `tar` and `gzip`, which every machine has that npm runs on.
async fn pack(manifest: &Value) -> Result<Vec<u8>, Error> {
    let folder = tempfile::TempDir::with_prefix("exeat-pack-").doing("make a temporary folder")?;
    let package = folder.path().join("package");
    let index = "module.exports = require(\"./package.json\").version;\n";
    std::fs::create_dir(&package).doing("make a package's folder")?;
    std::fs::write(package.join("package.json"), format!("{manifest:#}\n")).doing("write `package.json`")?;
    std::fs::write(package.join("index.js"), index).doing("write `index.js`")?;
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--owner=0", "--group=0", "--file=-", "package"]);
    tar.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tar.output().await.doing("run `tar`")?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Command { command: "tar --create --gzip".to_owned(), output });
    }
    Ok(output.stdout)
}

/// The path of a package's document. The slash of a scoped name is part of the name.
fn package_path(name: &str) -> String {
    format!("/{}", name.replace('/', "%2f"))
}

/// A password that nobody knows: npm uses the token.
pub(crate) fn random_password() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string())).doing("get random bytes")?;
    Ok(hex::encode(bytes))
}
