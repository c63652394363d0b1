//! `[[credential]]` in `exeat.toml`.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exeat_core::{Authority, Scheme};
use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::binding::{ActionPattern, Binding};
use crate::source::Source;
use crate::{Credential, Secret, may_carry_secret};

/// One credential as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name in messages and in the journal.
    pub name: String,
    /// Where the secret comes from.
    pub source: SourceConfig,
    /// How it is put into a request.
    pub inject: Inject,
    /// The hosts (`github.com`, `registry.example:8443`) whose requests may carry it, by HTTPS only.
    pub hosts: Vec<String>,
    /// The actions that may use it: `read`, `github:git/push`, `github:*`.
    pub actions: Vec<String>,
    /// Whether every action that an integration knows may use it, where `actions` is empty. A file cannot ask for it.
    #[serde(skip)]
    pub any_action: bool,
    /// Environment variables that hold a placeholder for it in sandboxes.
    #[serde(default)]
    pub placeholder: Vec<String>,
}

/// Where a secret comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SourceConfig {
    /// A variable in the gateway's own environment.
    Env(String),
    /// A file that only its owner should be able to read.
    File(PathBuf),
    /// A program and its arguments; what it prints is the secret. It is asked again after a minute.
    Command(Vec<String>),
    /// Somebody else who keeps secrets. A file cannot name one.
    #[serde(skip)]
    Kept(Kept),
}

/// Where one secret is kept by somebody whom this crate does not know. It is asked again after a minute.
#[derive(Clone)]
pub struct Kept(pub Arc<dyn Keeper>);

/// Keeps one secret.
pub trait Keeper: Send + Sync + 'static {
    /// The secret as it is now.
    ///
    /// # Errors
    /// Why it cannot be had, for a person, without anything of the secret in it.
    fn read(&self) -> Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + '_>>;
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// How a secret is put into a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Inject {
    /// `Authorization: Bearer SECRET` (RFC 6750).
    Bearer,
    /// `Authorization: Basic base64(USERNAME:SECRET)` (RFC 7617).
    Basic {
        /// The user name that goes before the secret.
        username: String,
    },
    /// A header that holds the secret.
    Header {
        /// The header's name.
        name: String,
        /// What goes before the secret, with the space after it.
        #[serde(default)]
        prefix: String,
    },
}

impl Inject {
    /// The header that carries the secret; `None` for a name that no header can have, which loading has refused.
    pub(crate) fn header_name(&self) -> Option<HeaderName> {
        match self {
            Inject::Bearer | Inject::Basic { .. } => Some(header::AUTHORIZATION),
            Inject::Header { name, .. } => name.parse().ok(),
        }
    }

    /// The header with the secret in it; `None` where the secret has bytes that no header can carry.
    pub(crate) fn header(&self, secret: &Secret) -> Option<(HeaderName, HeaderValue)> {
        let text: Zeroizing<Vec<u8>> = Zeroizing::new(match self {
            Inject::Bearer => [b"Bearer ", secret.expose()].concat(),
            Inject::Basic { username } => {
                let pair = Zeroizing::new([username.as_bytes(), b":", secret.expose()].concat());
                format!("Basic {}", STANDARD.encode(&*pair)).into_bytes()
            }
            Inject::Header { prefix, .. } => [prefix.as_bytes(), secret.expose()].concat(),
        });
        let mut value = HeaderValue::from_bytes(&text).ok().filter(|_| !secret.expose().is_empty())?;
        value.set_sensitive(true);
        Some((self.header_name()?, value))
    }
}

impl Config {
    pub(crate) fn build(self) -> Result<Credential, ConfigError> {
        let error = |key, why: &str| ConfigError::new(&self.name, key, why);
        if self.name.is_empty()
            || !self.name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        {
            return Err(error("name", "use letters, digits, `-`, `_` and `.`"));
        }
        let hosts = self.hosts.iter().map(|host| {
            Authority::parse(host, Scheme::Https.default_port()).map_err(|why| error("hosts", &why.to_string()))
        });
        let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
        let actions = self.actions.iter().map(|text| {
            let why = format!("`{text}` is neither a group (`read`), an action (`github:git/push`) nor `github:*`");
            ActionPattern::parse(text).ok_or_else(|| error("actions", &why))
        });
        let actions = actions.collect::<Result<Vec<_>, _>>()?;
        if hosts.is_empty() || (actions.is_empty() && !self.any_action) {
            return Err(error(
                if hosts.is_empty() { "hosts" } else { "actions" },
                "it is empty, so nothing could use it",
            ));
        }
        match self.inject.header_name() {
            Some(name) => may_carry_secret(&name).map_err(|why| error("inject", &why.to_string()))?,
            None => return Err(error("inject", "that is not a header's name")),
        }
        if matches!(&self.inject, Inject::Basic { username } if username.contains(':')) {
            return Err(error("inject", "a user name cannot hold a colon (RFC 7617)"));
        }
        if matches!(&self.inject, Inject::Header { prefix, .. } if HeaderValue::from_str(prefix).is_err()) {
            return Err(error("inject", "that prefix cannot stand in a header"));
        }
        if matches!(&self.source, SourceConfig::Command(words) if words.is_empty()) {
            return Err(error("source", "the command is empty"));
        }
        Ok(Credential {
            binding: Binding { hosts, actions: (!actions.is_empty()).then_some(actions) },
            source: Source::new(self.source),
            inject: self.inject,
            placeholder_variables: self.placeholder,
            name: self.name,
        })
    }
}

/// A credential's configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("credential `{credential}`, `{key}`: {why}")]
pub struct ConfigError {
    credential: String,
    key: &'static str,
    why: String,
}

impl ConfigError {
    pub(crate) fn new(credential: &str, key: &'static str, why: &str) -> Self {
        ConfigError { credential: credential.to_owned(), key, why: why.to_owned() }
    }
}
