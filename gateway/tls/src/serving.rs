//! TLS of a server of our own, whose certificate is replaced while it serves.

use std::sync::Arc;

use arc_swap::ArcSwap;
use exeat_core::limits;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::{ALPN, AuthorityError, Pair, TerminateError, provider};

/// Ends TLS as one server, with the certificate that was given last.
pub struct Serving {
    certificate: Arc<Current>,
    acceptor: TlsAcceptor,
}

struct Current(ArcSwap<CertifiedKey>);

impl Serving {
    /// A server with this certificate.
    ///
    /// # Errors
    /// [`AuthorityError::Unusable`] where certificate or key are none.
    pub fn new(pair: &Pair) -> Result<Self, AuthorityError> {
        let certificate = Arc::new(Current(ArcSwap::from_pointee(certified(pair)?)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(Serving { certificate, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Serves new connections with another certificate from now on.
    ///
    /// # Errors
    /// [`AuthorityError::Unusable`], and the one before stays.
    pub fn replace(&self, pair: &Pair) -> Result<(), AuthorityError> {
        self.certificate.0.store(Arc::new(certified(pair)?));
        Ok(())
    }

    /// Ends TLS on `stream`.
    ///
    /// # Errors
    /// [`TerminateError`] where the client breaks TLS or is slow.
    pub async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, TerminateError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = tokio::time::timeout(limits::TLS_HANDSHAKE_TIME, self.acceptor.accept(stream)).await;
        Ok(handshake.map_err(|_| TerminateError::Slow)??)
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Current")
    }
}

fn certified(pair: &Pair) -> Result<CertifiedKey, AuthorityError> {
    let chain = CertificateDer::pem_slice_iter(pair.certificate_pem().as_bytes()).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(pair.expose_key_pem().as_bytes()).map_err(unusable)?;
    CertifiedKey::from_der(chain.map_err(unusable)?, key, &provider()).map_err(unusable)
}

fn unusable(error: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::Unusable(error.to_string())
}
