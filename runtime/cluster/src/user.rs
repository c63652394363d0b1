//! Who a token is of, and until when: pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::authentication::v1::UserInfo;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::limits;

/// Somebody whom the API server knows.
pub struct User {
    pub(crate) info: UserInfo,
    /// Tells this user from every other.
    pub(crate) digest: [u8; 32],
}

impl User {
    pub(crate) fn new(info: UserInfo) -> Self {
        let digest = Sha256::digest(serde_json::to_vec(&info).unwrap_or_default()).into();
        User { info, digest }
    }

    /// Somebody of this name, in the group of all who are known.
    pub(crate) fn named(name: String) -> Self {
        let groups = Some(vec!["system:authenticated".to_owned()]);
        User::new(UserInfo { username: Some(name), groups, ..UserInfo::default() })
    }

    pub(crate) fn name(&self) -> &str {
        self.info.username.as_deref().unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
}

/// For how long it may be remembered whose `token` is, which the API server has just accepted: not beyond its own end, where it
/// is a JSON Web Token that has one.
pub(crate) fn time(token: &str, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = token.split('.').nth(1).and_then(|claims| {
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        Duration::try_from_secs_f64(claims.exp?).ok()
    });
    end.map_or(limits::TOKEN_TIME, |end| end.saturating_sub(now).min(limits::TOKEN_TIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_remembered_no_longer_than_it_holds() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let token = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        for (token, seconds) in [
            (token(r#"{"exp":1030}"#), 30),
            (token(r#"{"exp":1030.5}"#), 30),
            (token(r#"{"exp":9000}"#), 60),
            (token(r#"{"exp":900}"#), 0),
            (token(r#"{"sub":"x"}"#), 60),
            (token(r#"{"exp":"soon"}"#), 60),
            (token(r#"{"exp":-1}"#), 60),
            ("opaque".to_owned(), 60),
            ("a.!.c".to_owned(), 60),
        ] {
            assert_eq!(time(&token, now).as_secs(), seconds, "{token}");
        }
    }

    #[test]
    fn users_differ_by_everything_that_they_may_be_judged_by() {
        let one = User::named("alice".into());
        let mut other = one.info.clone();
        assert_eq!(User::new(other.clone()).digest, one.digest);
        other.groups = Some(vec!["system:authenticated".into(), "admins".into()]);
        assert_ne!(User::new(other).digest, one.digest);
    }
}
