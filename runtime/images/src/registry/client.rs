//! One registry, asked for manifests and blobs.

use std::path::Path;
use std::sync::Arc;

use reqwest::header::{ACCEPT, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode, Url, redirect};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::challenge::{Challenge, Token};
use super::credentials::{self, Login};
use crate::digest::{Promise, Tally};
use crate::document::ACCEPTED;
use crate::error::Error;
use crate::limits;

/// A registry, with the way in once it is known.
pub(crate) struct Client {
    http: reqwest::Client,
    host: String,
    transport: Transport,
    credentials: credentials::Store,
    /// Found with the first request; all of one pull are for the same name.
    access: Mutex<Access>,
}

/// What may be asked without TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Transport {
    /// Nothing.
    Tls,
    /// This machine.
    Loopback,
    /// Everything: the caller said so.
    Insecure,
}

impl Transport {
    /// Whether a registry may send its client to an address, for a token or a blob.
    fn allows(self, url: &Url) -> bool {
        match self {
            _ if url.scheme() == "https" => true,
            Self::Tls => false,
            Self::Loopback => url.scheme() == "http" && url.host_str().is_some_and(is_loopback),
            Self::Insecure => url.scheme() == "http",
        }
    }
}

#[derive(Clone, Default)]
enum Access {
    #[default]
    Unknown,
    Basic(Arc<Login>),
    Bearer(Arc<Zeroizing<String>>),
}

/// What went wrong, and whether another try may help.
enum Fault {
    Final(Error),
    Passing(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Client {
    pub(super) fn new(
        host: &str, insecure: bool, ca: Option<&[u8]>, credentials: credentials::Store,
    ) -> Result<Self, Error> {
        let failed = |why: String| Error::Registry { host: host.to_owned(), why };
        let loopback = is_loopback(host);
        let transport = match (insecure, loopback && ca.is_none()) {
            (true, _) => Transport::Insecure,
            (false, true) => Transport::Loopback,
            (false, false) => Transport::Tls,
        };
        let mut builder = reqwest::Client::builder();
        if loopback {
            // A proxy would look for it on its own machine.
            builder = builder.no_proxy();
        }
        let http = builder
            .tls_backend_preconfigured(tls(ca).map_err(failed)?)
            .connect_timeout(limits::CONNECT)
            .read_timeout(limits::SILENCE)
            .redirect(redirects(transport))
            .user_agent(concat!("exeat/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failed(described(error)))?;
        Ok(Self { http, host: host.to_owned(), transport, credentials, access: Mutex::default() })
    }

    /// Gets a manifest or an index, by tag or digest.
    pub(crate) async fn manifest(&self, name: &str, wanted: &str) -> Result<Vec<u8>, Error> {
        let url = self.url(name, "manifests", wanted)?;
        self.retried(|| async {
            let response = self.get(url.clone(), name).await?;
            self.read(response, limits::MANIFEST_BYTES).await
        })
        .await
    }

    /// Gets a small blob into memory.
    pub(crate) async fn document(&self, name: &str, promise: Promise) -> Result<Vec<u8>, Error> {
        let url = self.url(name, "blobs", &promise.digest.to_string())?;
        self.retried(|| async {
            let response = self.get(url.clone(), name).await?;
            self.read(response, promise.size).await
        })
        .await
    }

    /// Gets a blob into a file and checks it on the way. `progress` is told of every piece: bytes so far.
    pub(crate) async fn blob(
        &self, name: &str, promise: Promise, file: &Path, progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Error> {
        let url = self.url(name, "blobs", &promise.digest.to_string())?;
        self.retried(|| async {
            let response = self.get(url.clone(), name).await?;
            self.write(response, promise, file, progress).await
        })
        .await
    }

    fn failed(&self, why: impl Into<String>) -> Error {
        Error::Registry { host: self.host.clone(), why: why.into() }
    }

    /// Names and digests were checked when they were parsed, so that they can be parts of a path.
    fn url(&self, name: &str, kind: &str, wanted: &str) -> Result<Url, Error> {
        let scheme = if self.transport == Transport::Tls { "https" } else { "http" };
        let text = format!("{scheme}://{}/v2/{name}/{kind}/{wanted}", self.host);
        Url::parse(&text).map_err(|error| self.failed(format!("`{text}` is no address: {error}")))
    }

    async fn retried<T, F: Future<Output = Result<T, Fault>>>(&self, attempt: impl Fn() -> F) -> Result<T, Error> {
        let mut pause = limits::RETRY_PAUSE;
        for _ in 1..limits::TRIES {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing(_)) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
        attempt().await.map_err(|(Fault::Final(error) | Fault::Passing(error))| error)
    }

    /// Asks, and asks again with credentials where they are wanted.
    async fn get(&self, url: Url, name: &str) -> Result<Response, Fault> {
        let access = self.access.lock().await.clone();
        let response = self.send(self.http.get(url.clone()), &access).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.checked(response).await;
        }
        // A token may have run out on the way; a password that was refused stays refused.
        if matches!(access, Access::Basic(_)) {
            return Err(self.failed("it refuses the credentials that Docker's `config.json` has for it").into());
        }
        let access = self.enter(&response, name).await?;
        *self.access.lock().await = access.clone();
        let response = self.send(self.http.get(url), &access).await?;
        self.checked(response).await
    }

    async fn send(&self, request: RequestBuilder, access: &Access) -> Result<Response, Fault> {
        let request = request.header(ACCEPT, format!("{ACCEPTED}, */*"));
        let request = match access {
            Access::Unknown => request,
            Access::Basic(login) => request.basic_auth(&login.user, Some(login.secret.as_str())),
            Access::Bearer(token) => request.bearer_auth(token.as_str()),
        };
        request.send().await.map_err(|error| self.broken(error))
    }

    /// An error of the connection may pass; a redirect that is not followed does not.
    fn broken(&self, error: reqwest::Error) -> Fault {
        let lasting = error.is_redirect() || error.is_builder();
        let failed = self.failed(described(error));
        if lasting { Fault::Final(failed) } else { Fault::Passing(failed) }
    }

    async fn enter(&self, response: &Response, name: &str) -> Result<Access, Fault> {
        let header = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let scope = format!("repository:{name}:pull");
        let challenge =
            Challenge::parse(header, &scope, |url| self.transport.allows(url)).map_err(|why| self.failed(why))?;
        let login = self.credentials.login().await?;
        match (challenge, login) {
            (Challenge::Basic, Some(login)) => Ok(Access::Basic(Arc::new(login))),
            (Challenge::Basic, None) => {
                let why = "it asks for a user and a password, and Docker's `config.json` has none: run `docker login`";
                Err(self.failed(why).into())
            }
            (Challenge::Bearer { url }, login) => self.token(url, login).await,
        }
    }

    async fn token(&self, url: Url, login: Option<Login>) -> Result<Access, Fault> {
        let mut request = self.http.get(url);
        if let Some(login) = &login {
            request = request.basic_auth(&login.user, Some(login.secret.as_str()));
        }
        let response = request.send().await.map_err(|error| self.broken(error))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(self.failed("its token service refuses the credentials").into());
        }
        let response = self.checked(response).await?;
        let answer = Zeroizing::new(self.read(response, limits::ANSWER_BYTES).await?);
        let token = serde_json::from_slice::<Token>(&answer).ok().and_then(Token::value);
        let token = token.ok_or_else(|| self.failed("its token service answers without a token"))?;
        Ok(Access::Bearer(Arc::new(token)))
    }

    async fn checked(&self, response: Response) -> Result<Response, Fault> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = self.read(response, limits::ANSWER_BYTES).await.unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said).chars().take(limits::SHOWN_BYTES).collect();
        let failed = self.failed(format!("it answers {status}: {}", said.trim().escape_debug()));
        let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        Err(if passes { Fault::Passing(failed) } else { Fault::Final(failed) })
    }

    async fn read(&self, mut response: Response, most: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            if (bytes.len() + piece.len()) as u64 > most {
                return Err(self.failed(format!("it answers with more than {most} bytes")).into());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    async fn write(
        &self, mut response: Response, promise: Promise, path: &Path, progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Fault> {
        let broken = |source| Fault::Final(Error::Io { doing: "write", path: path.to_owned(), source });
        let wrong = |fault| Error::Blob { digest: promise.digest, fault };
        let file = tokio::fs::File::create(path).await.map_err(broken)?;
        let mut file = tokio::io::BufWriter::with_capacity(limits::BUFFER_BYTES, file);
        let mut tally = Tally::new(promise);
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            progress(tally.add(&piece).map_err(wrong)?);
            file.write_all(&piece).await.map_err(broken)?;
        }
        file.flush().await.map_err(broken)?;
        tally.finish().map_err(wrong)?;
        Ok(())
    }
}

/// Whether a host is this machine, to which nobody can listen on the way.
fn is_loopback(host: &str) -> bool {
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(host, _)| host);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Registries send clients to where their blobs are. reqwest takes credentials off where the host changes.
fn redirects(transport: Transport) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > limits::REDIRECTS {
            return attempt.error("too many redirects");
        }
        if !transport.allows(attempt.url()) {
            return attempt.error("a redirect to plain HTTP");
        }
        attempt.follow()
    })
}

fn tls(ca: Option<&[u8]>) -> Result<rustls::ClientConfig, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    // What of the system's cannot be read is left out; without any, connecting fails.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(ca.unwrap_or_default()) {
        let certificate = certificate.map_err(|error| format!("the extra CA cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("the extra CA is no certificate: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(versions.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

/// An error with its causes, which reqwest's own message leaves out, and without the address: that of a blob's store may
/// hold a signature that lets everybody in.
fn described(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_by_plain_http_that_the_registry_would_not() {
        let allowed = |transport: Transport| {
            let addresses =
                ["https://a.test/", "http://127.0.0.1:5000/", "http://[::1]/", "http://a.test/", "file:///etc/passwd"];
            addresses.map(|address| transport.allows(&Url::parse(address).unwrap()))
        };
        assert_eq!(allowed(Transport::Tls), [true, false, false, false, false]);
        assert_eq!(allowed(Transport::Loopback), [true, true, true, false, false]);
        assert_eq!(allowed(Transport::Insecure), [true, true, true, true, false]);
    }

    #[test]
    fn loopback_is_an_address_and_no_name_that_looks_like_one() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["127.0.0.1.a.test", "localhost.a.test:5000", "10.0.0.1", "0.0.0.0:5000", "[::2]:5000", "a.test"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
