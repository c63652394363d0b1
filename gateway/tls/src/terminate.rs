//! Ends the client's TLS as the host that it asked for, after the names agree.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use exeat_core::{Host, limits};
use lru::LruCache;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::{ALPN, Authority, AuthorityError, provider};

/// A leaf is made anew after this time, long before it expires.
const RENEW_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Ends TLS with leaf certificates from a bounded cache.
pub struct Termination {
    authority: Authority,
    leaves: Mutex<LruCache<Host, Leaf>>,
}

struct Leaf {
    config: Arc<ServerConfig>,
    made: Instant,
}

impl Termination {
    /// Ends TLS with certificates of `authority`.
    pub fn new(authority: Authority) -> Self {
        let capacity = NonZeroUsize::new(limits::LEAF_CERTIFICATES).unwrap_or(NonZeroUsize::MIN);
        Termination { authority, leaves: Mutex::new(LruCache::new(capacity)) }
    }

    /// The authority whose certificates it uses.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Ends TLS on `stream` as `host`. A certificate is made only once the ClientHello names that same host.
    ///
    /// # Errors
    /// [`TerminateError::Misdirected`] where the SNI is another host, or absent though the host has a name.
    pub async fn accept<S>(&self, stream: S, host: &Host) -> Result<TlsStream<S>, TerminateError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = async {
            let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            let sni = hello.client_hello().server_name().map(str::to_owned);
            check_sni(sni.as_deref(), host)?;
            Ok(hello.into_stream(self.config(host)?).await?)
        };
        tokio::time::timeout(limits::TLS_HANDSHAKE_TIME, handshake).await.map_err(|_| TerminateError::Slow)?
    }

    fn config(&self, host: &Host) -> Result<Arc<ServerConfig>, TerminateError> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(host).filter(|leaf| leaf.made.elapsed() < RENEW_AFTER) {
            return Ok(Arc::clone(&leaf.config));
        }
        let certified = self.authority.issue(host)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        let config = Arc::new(config);
        leaves.put(host.clone(), Leaf { config: Arc::clone(&config), made: Instant::now() });
        Ok(config)
    }
}

fn check_sni(sni: Option<&str>, host: &Host) -> Result<(), TerminateError> {
    let agrees = match (sni, host) {
        (Some(sni), Host::Name(name)) => sni.parse::<Host>().is_ok_and(|sni| sni.name() == Some(name)),
        // RFC 6066, section 3: an address is not sent as SNI.
        (None, Host::Address(_)) => true,
        _ => false,
    };
    let shown = || sni.map_or_else(|| "no SNI".to_owned(), |sni| sni.escape_debug().to_string());
    if agrees { Ok(()) } else { Err(TerminateError::Misdirected(shown())) }
}

/// Why a client's TLS was not ended.
#[derive(Debug, thiserror::Error)]
pub enum TerminateError {
    /// The SNI is not the host that the connection is for.
    #[error("the TLS server name is `{0}`")]
    Misdirected(String),
    /// The handshake took too long.
    #[error("the TLS handshake took longer than {:?}", limits::TLS_HANDSHAKE_TIME)]
    Slow,
    /// The client broke TLS, does not trust the certificate, or went away.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] std::io::Error),
    /// No certificate could be made.
    #[error(transparent)]
    Certificate(#[from] AuthorityError),
    /// The TLS library refused the configuration.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}
