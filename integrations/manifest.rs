//! The facts about a service that are data: read from its folder's `manifest.toml`, once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use exeat_core::{Action, Group};
use serde::Deserialize;

/// A `manifest.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// As it is written in `exeat.toml`, the journal and `github:git/push`.
    pub name: String,
    /// The Cedar namespace: `GitHub`.
    pub namespace: String,
    /// For people.
    pub title: String,
    /// Where its protocol is described.
    pub documentation: Vec<String>,
    /// The hosts that are the service, and what each of them serves. None for a protocol that anybody may serve.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// Resource types: what they stand for, and how their ids are written.
    pub resources: BTreeMap<String, String>,
    /// Actions that are written by hand, without those of a generated table.
    pub actions: BTreeMap<String, ActionFacts>,
    /// Parameters of paths in which a percent-encoded slash is part of the value.
    #[serde(default)]
    pub slash_parameters: Vec<String>,
    /// Routes that the service serves and its description leaves out: `METHOD /template` to the operation's name.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// What whoever writes a policy must know.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One action of a manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionFacts {
    /// Its group's name.
    pub group: String,
    /// What it does, in a few words.
    pub what: String,
}

/// A manifest as a static: parsed when it is first asked for.
pub type Parsed = LazyLock<Result<Manifest, toml::de::Error>>;

/// The parsed manifest of the folder `name`.
///
/// # Errors
/// [`ConfigError::Manifest`] where the text in the binary is broken, which the tests rule out.
pub fn parsed(name: &'static str, manifest: &'static Parsed) -> Result<&'static Manifest, ConfigError> {
    manifest.as_ref().map_err(|error| ConfigError::Manifest { name, why: error.to_string() })
}

impl Manifest {
    /// The action of that name.
    ///
    /// # Errors
    /// [`ConfigError::Manifest`] where the manifest does not have it or gives it an unknown group.
    pub fn action(&'static self, name: &str) -> Result<Action, ConfigError> {
        let missing = || ConfigError::Manifest { name: &self.name, why: format!("it lacks a proper action `{name}`") };
        let (name, facts) = self.actions.get_key_value(name).ok_or_else(missing)?;
        let group = Group::parse(&facts.group).ok_or_else(missing)?;
        Ok(self.action_of(name, group))
    }

    /// An action of a generated table.
    pub fn action_of(&'static self, name: &'static str, group: Group) -> Action {
        Action { integration: &self.name, namespace: &self.namespace, name: Cow::Borrowed(name), group: Some(group) }
    }
}

/// Why the integrations cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An entry of `exeat.toml`.
    #[error("`{entry}` in `{setting}` cannot be used: {why}")]
    Entry {
        /// `integrations.npm.hosts`
        setting: &'static str,
        /// The user's words.
        entry: String,
        /// What is wrong with them.
        why: String,
    },
    /// A file of this program itself.
    #[error("the data of the integration `{name}` is broken: {why}")]
    Manifest {
        /// The integration.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
}
