//! What a registry asks for before it answers (RFC 9110, section 11; distribution's token specification).

use reqwest::Url;
use serde::Deserialize;
use zeroize::Zeroizing;

/// How to get in.
pub(super) enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token from another service.
    Bearer {
        /// The service, with what it is to grant.
        url: Url,
    },
}

/// A token service's answer.
#[derive(Deserialize)]
pub(super) struct Token {
    token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
}

impl Token {
    pub(super) fn value(self) -> Option<Zeroizing<String>> {
        self.token.or(self.access_token).filter(|token| !token.is_empty())
    }
}

impl Challenge {
    /// Reads a `WWW-Authenticate` header. `scope` is asked for where the registry names none. `allowed`
    /// says whether credentials may be sent to an address.
    pub(super) fn parse(header: &str, scope: &str, allowed: impl Fn(&Url) -> bool) -> Result<Self, String> {
        let challenges = http_auth::parse_challenges(header).map_err(|_| "it asks for credentials in no known way")?;
        for challenge in &challenges {
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                return Ok(Self::Basic);
            }
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let value = |name: &str| {
                    challenge
                        .params
                        .iter()
                        .find(|(key, _)| key.eq_ignore_ascii_case(name))
                        .map(|(_, value)| value.to_unescaped())
                };
                let realm = value("realm").ok_or("it asks for a token and does not say where to get one")?;
                let scope = value("scope").unwrap_or_else(|| scope.to_owned());
                return token_url(&realm, value("service").as_deref(), &scope, allowed).map(|url| Self::Bearer { url });
            }
        }
        Err("it asks for credentials in no known way".into())
    }
}

fn token_url(realm: &str, service: Option<&str>, scope: &str, allowed: impl Fn(&Url) -> bool) -> Result<Url, String> {
    let mut url =
        Url::parse(realm).map_err(|_| format!("`{}` is no address to get a token at", realm.escape_debug()))?;
    if !allowed(&url) {
        return Err(format!("it wants a token from `{}`, which is not HTTPS", realm.escape_debug()));
    }
    let mut query = url.query_pairs_mut();
    if let Some(service) = service {
        query.append_pair("service", service);
    }
    query.append_pair("scope", scope);
    drop(query);
    Ok(url)
}
