//! GitHub: the REST API, and git over HTTP.
//!
//! ```text
//!   api.github.com, uploads.github.com ──▶ rest ──▶ router (operations.tsv: 1,222 operations)
//!   github.com ──▶ git ──▶ receive_pack (the commands of a push) ──▶ pktline
//!   refusals: rest answers JSON, report answers git
//! ```

mod git;
mod names;
mod pktline;
mod receive_pack;
mod report;
mod rest;
mod router;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::LazyLock;

use exeat_core::{Action, Answer, Authority, Inspect, Integration, Operation, Refusal, Request, Unreadable};
use serde::Deserialize;

use crate::endpoint::unclassified;
use crate::manifest::{ConfigError, Manifest, Parsed, parsed};
use router::Router;

pub(crate) static MANIFEST: Parsed = LazyLock::new(|| toml::from_str(include_str!("manifest.toml")));

/// `[integrations.github]`: nothing can be set yet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// GitHub.
pub struct GitHub {
    manifest: &'static Manifest,
    surfaces: HashMap<&'static str, Surface>,
    router: Router,
    actions: Actions,
}

/// What a host serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surface {
    /// The REST API.
    Rest,
    /// The one REST operation that uploads a release's file.
    Uploads,
    /// git over HTTP.
    Git,
    /// Tarballs and zip files.
    Archive,
    /// Single files.
    Raw,
}

/// The actions that are not in operations.tsv.
struct Actions {
    fetch: Action,
    discover_push: Action,
    push: Action,
    delete: Action,
    archive: Action,
    raw: Action,
}

impl GitHub {
    /// The integration with its table of operations.
    ///
    /// # Errors
    /// [`ConfigError::Manifest`], which the tests rule out.
    pub fn new(_: &Config) -> Result<Self, ConfigError> {
        let manifest = parsed("github", &MANIFEST)?;
        let surfaces = manifest.hosts.iter().map(|(host, serves)| Ok((host.as_str(), Surface::parse(serves)?)));
        Ok(GitHub {
            manifest,
            surfaces: surfaces.collect::<Result<_, ConfigError>>()?,
            router: Router::new(manifest, include_str!("operations.tsv"))?,
            actions: Actions {
                fetch: manifest.action("git/fetch")?,
                discover_push: manifest.action("git/discover-push")?,
                push: manifest.action("git/push")?,
                delete: manifest.action("git/delete")?,
                archive: manifest.action("git/archive")?,
                raw: manifest.action("git/raw")?,
            },
        })
    }

    fn surface(&self, authority: &Authority) -> Option<Surface> {
        let web = matches!(authority.port, 80 | 443);
        authority.host.name().filter(|_| web).and_then(|name| self.surfaces.get(name)).copied()
    }
}

impl Surface {
    fn parse(name: &str) -> Result<Surface, ConfigError> {
        match name {
            "rest" => Ok(Surface::Rest),
            "uploads" => Ok(Surface::Uploads),
            "git" => Ok(Surface::Git),
            "archive" => Ok(Surface::Archive),
            "raw" => Ok(Surface::Raw),
            _ => Err(ConfigError::Manifest { name: "github", why: format!("`{name}` is nothing that a host serves") }),
        }
    }
}

impl Integration for GitHub {
    fn name(&self) -> &'static str {
        &self.manifest.name
    }

    fn schema(&self) -> &str {
        include_str!("schema.cedarschema")
    }

    fn claims(&self, authority: &Authority) -> bool {
        self.surface(authority).is_some()
    }

    fn inspect(&self, request: &Request) -> Inspect {
        match self.surface(request.authority()) {
            Some(Surface::Git) => git::inspect(request),
            _ => Inspect::Nothing,
        }
    }

    fn classify(&self, request: &Request, body: &[u8]) -> Result<Vec<Operation>, Unreadable> {
        match self.surface(request.authority()) {
            Some(surface @ (Surface::Rest | Surface::Uploads)) => rest::classify(&self.router, surface, request),
            Some(Surface::Git) => git::classify(&self.actions, request, body),
            Some(Surface::Archive) => git::classify_download(&self.actions.archive, 4, request),
            Some(Surface::Raw) => git::classify_download(&self.actions.raw, 4, request),
            None => Ok(vec![unclassified(request)]),
        }
    }

    fn refuse(&self, request: &Request, body: &[u8], refusal: &Refusal) -> Answer {
        match self.surface(request.authority()) {
            Some(Surface::Git) => git::refuse(request, body, refusal),
            Some(Surface::Rest | Surface::Uploads) => rest::refuse(refusal),
            _ => report::text(refusal),
        }
    }
}
