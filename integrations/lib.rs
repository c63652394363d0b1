//! What Exeat knows about outside services: one folder each, and nothing outside that folder names it.
//!
//! ```text
//!   Request ──▶ github ─▶ npm ─▶ … ─▶ http     the first that claims the authority; http claims all
//!                  │
//!                  ├─ inspect, classify ──▶ [ GitHub::Action::"git/push" on GitHub::Ref::"acme/site@refs/heads/main" ]
//!                  └─ refuse ──▶ no, in the words of the service's own protocol
//! ```
//!
//! A folder holds
//! - `manifest.toml`: the facts ([`manifest::Manifest`]): name, hosts where they are fixed, resources, actions;
//! - `schema.cedarschema`: its namespace for the policies;
//! - `cases.txt`: raw requests and what they mean, tests and documentation at once ([`cases`]);
//! - code, only where the wire needs it.
//!
//! To add a service: copy the smallest folder, `http/`, and add one line to [`all`] (its file of cases is one more in
//! `cases.rs`). Where its protocol has a body that decides the meaning, `npm/` shows a whole JSON body, `github/` the
//! head of a stream.
//!
//! Invariants: nothing here does I/O, but for [`npm::detect`], which asks a client for its own settings. What is not
//! recognised is [`unclassified`], never guessed. What two servers could read in two ways is an error.

pub mod cases;
mod content;
mod endpoint;
pub mod github;
#[cfg(test)]
mod golden;
pub mod http;
pub mod json;
pub mod manifest;
pub mod npm;

use exeat_core::{Authority, Integration};
use serde::Deserialize;

pub use endpoint::unclassified;
pub use manifest::ConfigError;

/// `[integrations]` of `exeat.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[integrations.github]`
    pub github: github::Config,
    /// `[integrations.npm]`
    pub npm: npm::Config,
}

/// Every integration.
pub struct Integrations {
    /// Those of services, in the order in which they are asked: the first that claims an authority has it.
    pub known: Vec<Box<dyn Integration>>,
    /// The one for every authority that none of them claims.
    pub any: Box<dyn Integration>,
}

impl Integrations {
    /// The integration for an authority.
    pub fn claiming(&self, authority: &Authority) -> &dyn Integration {
        self.known.iter().find(|one| one.claims(authority)).unwrap_or(&self.any).as_ref()
    }
}

/// Every integration, as it is configured.
///
/// # Errors
/// [`ConfigError`] names the setting that cannot be used.
pub fn all(config: &Config) -> Result<Integrations, ConfigError> {
    Ok(Integrations {
        known: vec![Box::new(github::GitHub::new(&config.github)?), Box::new(npm::Npm::new(&config.npm)?)],
        any: Box::new(http::Http::new()?),
    })
}
