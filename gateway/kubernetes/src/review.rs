//! Asking the API server about tokens, and remembering for a short while what it said.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exeat_core::{Cause, limits};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use lru::LruCache;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::AUDIENCE;
use crate::standing::{Proof, Stranger, proof};

/// What a token proves may be remembered for so long, unless it expires earlier. A deleted pod is noticed sooner, by the watch.
const FRESH: Duration = Duration::from_secs(60);
/// That a token proves nothing is remembered for so long: a pod that keeps showing it is no load for the API server.
const FRESH_REFUSAL: Duration = Duration::from_secs(5);

type Digested = [u8; 32];

/// The API server's opinions of tokens. It keeps digests of the tokens, never themselves.
pub(crate) struct Reviews {
    api: Api<TokenReview>,
    known: Mutex<LruCache<Digested, Known>>,
    places: Semaphore,
}

#[derive(Clone)]
struct Known {
    verdict: Result<Proof, Stranger>,
    until: Instant,
}

impl Reviews {
    pub(crate) fn new(client: Client) -> Self {
        let capacity = NonZeroUsize::new(limits::TOKEN_REVIEWS).unwrap_or(NonZeroUsize::MIN);
        Reviews {
            api: Api::all(client),
            known: Mutex::new(LruCache::new(capacity)),
            places: Semaphore::new(limits::TOKEN_REVIEWS_AT_ONCE),
        }
    }

    /// What was said of a token a short while ago.
    pub(crate) fn known(&self, token: &[u8]) -> Option<Result<Proof, Stranger>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&digest(token)).filter(|known| Instant::now() < known.until).map(|known| known.verdict.clone())
    }

    /// Asks the API server.
    ///
    /// # Errors
    /// Why the token proves nothing, or [`Cause::IdentityUnavailable`] where nobody says.
    pub(crate) async fn ask(&self, token: &[u8]) -> Result<Proof, Cause> {
        let unavailable = |why: &str| Cause::IdentityUnavailable(why.to_owned());
        let text = std::str::from_utf8(token).map_err(|_| Cause::Unidentified)?;
        let review = TokenReview {
            spec: TokenReviewSpec { token: text.to_owned(), audiences: Some(vec![AUDIENCE.to_owned()]) },
            ..TokenReview::default()
        };
        let asked = async {
            let _place = self.places.acquire().await;
            self.api.create(&PostParams::default(), &review).await
        };
        let answered = match tokio::time::timeout(limits::API_SERVER_TIME, asked).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the API server reviews no token");
                return Err(unavailable("the Kubernetes API does not say whose token it is"));
            }
            Err(_) => return Err(unavailable("the Kubernetes API does not answer")),
        };
        let status = answered.status.ok_or_else(|| unavailable("the Kubernetes API says nothing of the token"))?;
        if let Some(error) = status.error.as_deref().filter(|error| !error.is_empty()) {
            tracing::debug!(error, "a token does not count");
        }
        let verdict = proof(&status);
        let fresh = match &verdict {
            Ok(_) => FRESH.min(left(text).unwrap_or(FRESH)),
            Err(_) => FRESH_REFUSAL,
        };
        let known = Known { verdict: verdict.clone(), until: Instant::now() + fresh };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).put(digest(token), known);
        verdict.map_err(Cause::from)
    }
}

fn digest(token: &[u8]) -> Digested {
    Sha256::digest(token).into()
}

/// For how long a token that the API server has just found good will be so: its `exp` claim (RFC 7519, section 4.1.4).
fn left(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(claims.exp).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_remembered_no_longer_than_it_counts() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let seconds = |claims: &str| left(&token(claims)).map(|left| left.as_secs());
        assert!((28..=30).contains(&seconds(&format!("{{\"exp\":{}}}", now + 30)).unwrap()));
        assert_eq!(seconds(&format!("{{\"exp\":{}}}", now - 30)), Some(0));
        assert_eq!(seconds("{}"), None);
        assert_eq!(left("opaque"), None);
    }
}
