//! How clients at the proxy's own door are known.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exeat_core::Cause;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::Guest;

/// How the client of one connection is known.
#[derive(Clone)]
pub(crate) enum Identity {
    /// By the socket that it came through.
    Socket(Arc<Guest>),
    /// By a token that this gateway was told.
    Tokens(Arc<Tokens>),
    /// By where it comes from and what it shows, which somebody else judges.
    Asked(Arc<dyn Identify>, IpAddr),
}

/// Tells who comes over TCP, where the gateway was told no tokens.
pub trait Identify: Send + Sync + 'static {
    /// The guest at `peer` who shows `token`.
    ///
    /// # Errors
    /// Why it is none.
    fn identify<'a>(&'a self, peer: IpAddr, token: &'a [u8]) -> Identified<'a>;
}

/// A guest, or why there is none.
pub type Identified<'a> = Pin<Box<dyn Future<Output = Result<Arc<Guest>, Cause>> + Send + 'a>>;

impl Identity {
    /// Whose request has these headers.
    pub(crate) async fn of(&self, headers: &HeaderMap) -> Result<Arc<Guest>, Cause> {
        match self {
            Identity::Socket(guest) => Ok(Arc::clone(guest)),
            Identity::Tokens(tokens) => tokens.identify(headers).ok_or(Cause::Unidentified),
            Identity::Asked(judge, peer) => {
                let token = shown_token(headers).ok_or(Cause::Unidentified)?;
                judge.identify(*peer, &token).await
            }
        }
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

    fn identify(&self, headers: &HeaderMap) -> Option<Arc<Guest>> {
        let digest: [u8; 32] = Sha256::digest(shown_token(headers)?).into();
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()
    }
}

/// The token in `Proxy-Authorization`: `Bearer TOKEN`, or `Basic` with the token as password, which is what clients make of
/// `http://session:TOKEN@host:port` (RFC 9110, section 11.7). None where there are two.
fn shown_token(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut shown = headers.get_all(header::PROXY_AUTHORIZATION).iter();
    let (Some(value), None) = (shown.next(), shown.next()) else { return None };
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(rest.trim()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}
