//! Whom the gateway believes to be an origin.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exeat_core::Host;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::{ALPN, provider};

/// The roots by which origins are verified: the system's, or for single hosts those that the configuration gives.
pub struct Trust {
    public: Arc<WebPkiServerVerifier>,
    own: HashMap<Host, Arc<WebPkiServerVerifier>>,
}

impl Trust {
    /// The system's roots, and for each host in `own` the certificates in its file *instead*.
    ///
    /// # Errors
    /// [`TrustError`] for a file without certificates, or a system without roots.
    pub fn new<'a>(own: impl IntoIterator<Item = (&'a Host, &'a Path)>) -> Result<Self, TrustError> {
        let own = own.into_iter().map(|(host, file)| Ok((host.clone(), verifier(read_roots(file)?)?)));
        let own = own.collect::<Result<HashMap<_, _>, TrustError>>()?;
        let system = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            return Err(TrustError::NoSystemRoots);
        }
        Ok(Trust { public: verifier(roots)?, own })
    }

    /// TLS settings for one session: resumption state is not shared between sandboxes.
    ///
    /// # Errors
    /// [`TrustError::Setup`] where the TLS library refuses the settings.
    pub fn for_session(&self) -> Result<OriginTls, TrustError> {
        let own = self.own.iter().map(|(host, verifier)| Ok((host.clone(), client(verifier)?)));
        Ok(OriginTls { public: client(&self.public)?, own: own.collect::<Result<_, TrustError>>()? })
    }
}

/// How one session speaks TLS to origins.
#[derive(Clone)]
pub struct OriginTls {
    public: Arc<ClientConfig>,
    own: HashMap<Host, Arc<ClientConfig>>,
}

impl OriginTls {
    /// The settings for `host`.
    pub fn config(&self, host: &Host) -> Arc<ClientConfig> {
        Arc::clone(self.own.get(host).unwrap_or(&self.public))
    }
}

fn read_roots(file: &Path) -> Result<RootCertStore, TrustError> {
    let unusable = |why: String| TrustError::Unusable(file.to_owned(), why);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() { Err(unusable("it holds no certificate".to_owned())) } else { Ok(roots) }
}

fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TrustError::Setup(error.to_string()))
}

fn client(verifier: &Arc<WebPkiServerVerifier>) -> Result<Arc<ClientConfig>, TrustError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError::Setup(error.to_string()))?
        .with_webpki_verifier(Arc::clone(verifier))
        .with_no_client_auth();
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

/// Why origins cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The system has no root certificates.
    #[error("this system has no root certificates: install `ca-certificates`")]
    NoSystemRoots,
    /// A configured file holds none that can be used.
    #[error("`{0}` cannot be used as root certificates: {1}")]
    Unusable(PathBuf, String),
    /// The TLS library refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}
