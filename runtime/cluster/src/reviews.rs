//! Who may enter: the API server is asked, and its answers are remembered for a moment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use exeat_api::AGENTS;
use exeat_router::{Doorkeeper, Refusal, Target};
use http::{HeaderMap, header};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::cache::Cache;
use crate::limits;
use crate::user::{self, User};

/// What somebody must be allowed to do who enters a sandbox: `create` of `sandboxes/router`.
const VERB: &str = "create";
const RESOURCE: &str = "sandboxes";
const SUBRESOURCE: &str = "router";

const ADVICE: &str = "show a token of the cluster: `Authorization: Bearer …`, as of `kubectl create token`";

/// Asks the API server who somebody is (TokenReview) and whether he may enter (SubjectAccessReview).
pub struct Reviews {
    client: Client,
    /// Whom those are taken for who come from this machine without a token.
    forwarded: Option<Arc<User>>,
    /// By a token's digest; none where it is nobody's.
    users: Cache<[u8; 32], Option<Arc<User>>>,
    permits: Cache<Permit, bool>,
    calls: Semaphore,
}

/// A user by his digest, and a sandbox by namespace and name.
type Permit = ([u8; 32], String, String);

impl Reviews {
    /// Without `port_forward_user`, everybody has to show a token. With it, whoever comes from loopback without one is that
    /// user: `kubectl port-forward` to the router's pod does, and the SDKs' default connection. In front of a router in a pod
    /// with a proxy beside it, which connects from loopback too, that would be everybody.
    pub fn new(client: Client, port_forward_user: Option<String>) -> Self {
        Reviews {
            client,
            forwarded: port_forward_user.map(|name| Arc::new(User::named(name))),
            users: Cache::new(limits::TOKENS),
            permits: Cache::new(limits::PERMITS),
            calls: Semaphore::new(limits::CALLS),
        }
    }

    async fn review(&self, token: &str) -> Result<(Option<Arc<User>>, Duration), Refusal> {
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = self.ask(&TokenReview { spec, ..TokenReview::default() }).await?;
        let status = review.status.unwrap_or_default();
        match status.user {
            Some(info) if status.authenticated == Some(true) && info.username.is_some() => {
                let time = user::time(token, SystemTime::now());
                Ok((Some(Arc::new(User::new(info))), time))
            }
            _ => Ok((None, limits::STRANGER_TIME)),
        }
    }

    async fn may_enter(&self, user: &User, target: &Target) -> Result<(bool, Duration), Refusal> {
        let attributes = ResourceAttributes {
            group: Some(AGENTS.to_owned()),
            resource: Some(RESOURCE.to_owned()),
            subresource: Some(SUBRESOURCE.to_owned()),
            verb: Some(VERB.to_owned()),
            namespace: Some(target.namespace.clone()),
            name: Some(target.id.clone()),
            ..ResourceAttributes::default()
        };
        let info = user.info.clone();
        let spec = SubjectAccessReviewSpec {
            user: info.username,
            groups: info.groups,
            uid: info.uid,
            extra: info.extra,
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = self.ask(&SubjectAccessReview { spec, ..SubjectAccessReview::default() }).await?;
        let allowed = review.status.is_some_and(|status| status.allowed);
        Ok((allowed, if allowed { limits::PERMIT_TIME } else { limits::DENIAL_TIME }))
    }

    /// An answer of the API server, or nobody enters.
    async fn ask<R>(&self, review: &R) -> Result<R, Refusal>
    where
        R: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
    {
        let api: Api<R> = Api::all(self.client.clone());
        let (call, parameters) = (async { self.calls.acquire().await }, PostParams::default());
        let answer = timeout(limits::CALL_TIME, async {
            let _place = call.await;
            api.create(&parameters, review).await
        });
        let error = match answer.await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        tracing::warn!(error, kind = %R::kind(&()), "the API server does not say who may enter");
        Err(Refusal::Busy("the API server does not say who may enter; try again".to_owned()))
    }
}

impl Doorkeeper for Reviews {
    type Guest = Arc<User>;

    async fn recognise(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<Arc<User>, Refusal> {
        let Some(token) = bearer(headers)? else {
            let forwarded = self.forwarded.as_ref().filter(|_| peer.is_some_and(|peer| is_forwarded(peer.ip())));
            return forwarded.cloned().ok_or(Refusal::Unauthorized(ADVICE));
        };
        let user = Box::pin(self.users.get(Sha256::digest(token).into(), self.review(token))).await?;
        user.ok_or(Refusal::Unauthorized(ADVICE))
    }

    async fn admit(&self, user: &Arc<User>, target: &Target) -> Result<(), Refusal> {
        let Target { namespace, id, .. } = target;
        let permit = (user.digest, namespace.clone(), id.clone());
        if Box::pin(self.permits.get(permit, self.may_enter(user, target))).await? {
            return Ok(());
        }
        let name = user.name().escape_debug();
        Err(Refusal::Forbidden(format!(
            "`{name}` may not enter the sandbox `{id}` in namespace `{namespace}`: \
             that takes the verb `{VERB}` on `{RESOURCE}/{SUBRESOURCE}` of `{AGENTS}`"
        )))
    }
}

/// The token that a request shows, if it shows one. Two, or something else, is nobody's.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.split_once(' ')).and_then(|(scheme, token)| {
        let token = token.trim();
        let is_one = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= limits::TOKEN_BYTES;
        is_one.then_some(token)
    });
    match (token, values.next()) {
        (Some(token), None) => Ok(Some(token)),
        _ => Err(Refusal::Unauthorized(ADVICE)),
    }
}

/// Whether a connection comes through the kubelet, which dials these two. The rest of loopback is where proxies that stand
/// beside programs come from.
fn is_forwarded(peer: IpAddr) -> bool {
    peer == Ipv4Addr::LOCALHOST || peer == Ipv6Addr::LOCALHOST || peer.to_canonical() == Ipv4Addr::LOCALHOST
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn shown(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_bearer_token_is_a_token_and_everything_else_nobodys() {
        assert_eq!(bearer(&shown(&[])).unwrap(), None);
        assert_eq!(bearer(&shown(&["Bearer abc"])).unwrap(), Some("abc"));
        assert_eq!(bearer(&shown(&["bearer  abc "])).unwrap(), Some("abc"));
        for bad in [&["Bearer"][..], &["Bearer "], &["Basic YTpi"], &["Bearer a", "Bearer a"], &[""]] {
            assert!(bearer(&shown(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_what_a_kubelet_dials_is_forwarded() {
        for (address, forwarded) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.6", false),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(is_forwarded(address.parse().unwrap()), forwarded, "{address}");
        }
    }
}
