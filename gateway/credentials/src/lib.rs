//! Credentials that the agent never sees: where they come from, for which requests they count, and how they are put in.
//!
//! ```text
//!   client's headers ──▶ strip ──▶ (judged, journaled) ──▶ select by host and action ──▶ lease ──▶ inject ──▶ origin
//! ```
//!
//! Start with [`Credentials`]. Nothing here can print a secret: [`Secret`] has no `Debug`, `Display` or `Serialize`.

mod binding;
mod config;
mod secret;
mod source;

use std::sync::Arc;

use exeat_core::{Authority, Malformed, PLACEHOLDER_PREFIX, Request, Scheme};
use exeat_policy::Exeat;
use http::{HeaderMap, HeaderName, header};

use crate::binding::Binding;
pub use crate::config::{Config, ConfigError, Inject, Keeper, Kept, SourceConfig};
pub use crate::secret::Secret;
use crate::source::Source;
pub use crate::source::SourceError;

/// Every credential that the configuration names, in its order.
pub struct Credentials {
    all: Vec<Arc<Credential>>,
}

/// One credential: where it comes from, what it is bound to, how it is put into a request.
pub struct Credential {
    name: String,
    source: Source,
    binding: Binding,
    inject: Inject,
    placeholder_variables: Vec<String>,
}

impl Credential {
    /// Reads one credential's configuration. Its source is not asked yet.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.build()
    }

    /// Asks its source, as a request would.
    ///
    /// # Errors
    /// [`SourceError`] where the source fails, or gives what no header can carry.
    pub async fn check(&self) -> Result<(), SourceError> {
        let secret = self.source.fetch(&self.name).await?;
        self.inject.header(&secret).map(drop).ok_or_else(|| SourceError::unusable(&self.name))
    }

    /// Its name in the configuration and in the journal.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fetches the secret and puts it into `headers`, which is the last thing done to a request before it is sent.
    /// The exeat is the proof that it may be.
    ///
    /// # Errors
    /// [`SourceError`] where the source fails.
    pub async fn inject(&self, _permission: &Exeat, headers: &mut HeaderMap) -> Result<(), SourceError> {
        let secret = self.source.fetch(&self.name).await?;
        let (name, value) = self.inject.header(&secret).ok_or_else(|| SourceError::unusable(&self.name))?;
        headers.insert(name, value);
        Ok(())
    }
}

impl Credentials {
    /// Reads the configuration. No source is asked yet.
    ///
    /// # Errors
    /// [`ConfigError`] names the credential and the key.
    pub fn new(configs: Vec<Config>) -> Result<Self, ConfigError> {
        let mut all: Vec<Arc<Credential>> = Vec::with_capacity(configs.len());
        for config in configs {
            if all.iter().any(|other| other.name == config.name) {
                return Err(ConfigError::new(&config.name, "name", "it is given twice"));
            }
            all.push(Arc::new(config.build()?));
        }
        Ok(Credentials { all })
    }

    /// Credentials that were read one by one, by a name each, in the order in which they are tried.
    pub fn of(all: Vec<Arc<Credential>>) -> Self {
        Credentials { all }
    }

    /// Asks every source once, so that a wrong one shows at the start and not at the first push.
    ///
    /// # Errors
    /// The first [`SourceError`].
    pub async fn check(&self) -> Result<(), SourceError> {
        for credential in &self.all {
            credential.check().await?;
        }
        Ok(())
    }

    /// The credential for a permitted request: the first that is bound to its host and to each of its actions.
    /// There is none for plain HTTP, where anybody on the way could read it.
    pub fn select(&self, exeat: &Exeat) -> Option<Arc<Credential>> {
        if exeat.request().scheme() != Scheme::Https {
            return None;
        }
        let authority = exeat.request().authority();
        let covers = |credential: &&Arc<Credential>| {
            credential.binding.covers_host(authority)
                && exeat.verdicts().iter().all(|verdict| credential.binding.covers_action(&verdict.operation.action))
        };
        self.all.iter().find(covers).cloned()
    }

    /// Takes the client's own credentials out: a sandbox acts by what it is given here, or not at all.
    pub fn strip(&self, authority: &Authority, headers: &mut HeaderMap) {
        headers.remove(header::AUTHORIZATION);
        headers.remove(header::PROXY_AUTHORIZATION);
        let bound = self.all.iter().filter(|credential| credential.binding.covers_host(authority));
        for name in bound.filter_map(|credential| credential.inject.header_name()) {
            headers.remove(name);
        }
    }

    /// The environment of a sandbox: variables of tools that insist on a credential, with placeholders.
    pub fn placeholders(&self) -> impl Iterator<Item = (String, String)> {
        self.all.iter().flat_map(|credential| {
            let placeholder = format!("{PLACEHOLDER_PREFIX}{}", credential.name);
            credential.placeholder_variables.iter().map(move |variable| (variable.clone(), placeholder.clone()))
        })
    }
}

/// Fetches a secret that is not a credential for origins, once: a session's token. `name` is for messages.
///
/// # Errors
/// [`SourceError`] where the source fails.
pub async fn fetch(source: &SourceConfig, name: &str) -> Result<Arc<Secret>, SourceError> {
    Source::new(source.clone()).fetch(name).await
}

/// Where a placeholder stands in a request from which the client's credentials are already stripped. There it would reach
/// the origin, and somebody is trying out where a secret could be put.
pub fn misplaced_placeholder(request: &Request) -> Option<&'static str> {
    let holds = |bytes: &[u8]| bytes.windows(PLACEHOLDER_PREFIX.len()).any(|at| at == PLACEHOLDER_PREFIX.as_bytes());
    if request.path_and_query().contains(PLACEHOLDER_PREFIX) {
        return Some("the URL");
    }
    request.headers().values().any(|value| holds(value.as_bytes())).then_some("a header")
}

/// Headers that a configured injection may not set, because they frame or address the request.
fn may_carry_secret(name: &HeaderName) -> Result<(), Malformed> {
    let framing = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::TE,
        header::UPGRADE,
    ];
    if framing.contains(name) {
        return Err(Malformed::Framing("this header frames or addresses the request and cannot carry a credential"));
    }
    Ok(())
}
