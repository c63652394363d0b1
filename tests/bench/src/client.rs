//! One connection from the load to the origin: direct, or by CONNECT through a proxy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::Result;

/// The head of an answer to CONNECT, in bytes.
const CONNECT_HEAD_BYTES: usize = 16 * 1024;

/// How the origin is reached.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// Without a proxy, at its address.
    Direct(SocketAddr),
    /// Through a proxy on TCP.
    Proxy(SocketAddr),
    /// Through a proxy behind a Unix socket, as sandboxes do.
    Socket(PathBuf),
}

/// Where connections go to, and as whom.
pub(crate) struct Dialler {
    /// How.
    pub(crate) way: Way,
    /// The origin's `name:port`, as CONNECT has it.
    pub(crate) target: String,
    /// `Proxy-Authorization`, where the proxy wants one.
    pub(crate) proxy_authorization: Option<String>,
    /// Whom to trust.
    pub(crate) tls: Arc<ClientConfig>,
}

impl Dialler {
    /// Opens a connection that is ready for requests.
    pub(crate) async fn open(&self) -> Result<SendRequest<Empty<Bytes>>> {
        match &self.way {
            Way::Direct(address) => self.secure(tcp(*address).await?).await,
            Way::Proxy(address) => self.secure(self.connect(tcp(*address).await?).await?).await,
            Way::Socket(path) => self.secure(self.connect(UnixStream::connect(path).await?).await?).await,
        }
    }

    /// Asks a proxy for a tunnel.
    async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> Result<S> {
        let target = &self.target;
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(value) = &self.proxy_authorization {
            head.push_str(&format!("Proxy-Authorization: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        // The origin speaks second in TLS, so nothing of the tunnel can follow the answer yet.
        let mut answer = Vec::new();
        while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut answer).await? == 0 || answer.len() > CONNECT_HEAD_BYTES {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer);
        if answer.split(' ').nth(1) != Some("200") {
            return Err(format!("the proxy answered CONNECT {target} with `{}`", answer.trim()).into());
        }
        Ok(stream)
    }

    async fn secure<S>(&self, stream: S) -> Result<SendRequest<Empty<Bytes>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let name = self.target.rsplit_once(':').map_or(self.target.as_str(), |(name, _)| name);
        let name = ServerName::try_from(name.to_owned())?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its end shows in the sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A client's TLS that trusts one authority.
pub(crate) fn tls_config(ca: &Path) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(ca);
    for certificate in certificates.map_err(|error| format!("cannot read `{}`: {error}", ca.display()))? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(format!("`{}` holds no certificate", ca.display()).into());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

#[allow(clippy::disallowed_methods, reason = "the load is a client: it dials what it is told to measure")]
async fn tcp(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
