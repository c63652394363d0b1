//! Who came in, and what is theirs alone: connections to origins are never shared between sandboxes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exeat_core::{Session, limits};
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::Precaution;
use crate::origin::Upstream;

/// An admitted session.
pub struct Guest {
    pub(crate) session: Session,
    pub(crate) upstream: Upstream,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) precaution: Option<Arc<dyn Precaution>>,
}

impl Guest {
    pub(crate) fn new(session: Session, upstream: Upstream, precaution: Option<Arc<dyn Precaution>>) -> Self {
        Guest {
            session,
            upstream,
            connections: Arc::new(Semaphore::new(limits::CONNECTIONS_PER_SESSION)),
            requests: Arc::new(Semaphore::new(limits::REQUESTS_PER_SESSION)),
            precaution,
        }
    }

    /// How many of its requests have not ended.
    pub fn requests(&self) -> usize {
        limits::REQUESTS_PER_SESSION - self.requests.available_permits()
    }

    /// The Cedar principal.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

/// Sessions by their token, for clients that come over TCP. Only digests are kept, so a lookup tells nothing by its timing.
#[derive(Default)]
pub struct Tokens(RwLock<HashMap<[u8; 32], Arc<Guest>>>);

impl Tokens {
    /// Lets whoever shows `token` in as `guest`.
    pub fn insert(&self, token: &[u8], guest: Arc<Guest>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(Sha256::digest(token).into(), guest);
    }

    /// The guest by `Proxy-Authorization`: `Bearer TOKEN`, or `Basic` with the token as password, which is what clients
    /// make of `http://session:TOKEN@host:port` (RFC 9110, section 11.7).
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Option<Arc<Guest>> {
        let mut shown = headers.get_all(header::PROXY_AUTHORIZATION).iter();
        let (Some(value), None) = (shown.next(), shown.next()) else { return None };
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        let digest: [u8; 32] = if scheme.eq_ignore_ascii_case("bearer") {
            Sha256::digest(rest.trim()).into()
        } else if scheme.eq_ignore_ascii_case("basic") {
            let pair = STANDARD.decode(rest.trim()).ok()?;
            let colon = pair.iter().position(|byte| *byte == b':')?;
            Sha256::digest(&pair[colon + 1..]).into()
        } else {
            return None;
        };
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()
    }
}
