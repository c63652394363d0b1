//! npm registries: any host that speaks npm's registry protocol and is named in `exeat.toml`.
//!
//! ```text
//!   path ──▶ registry (below whose path?) ──▶ routes ──▶ Plain: an action on a resource
//!                                                └─────▶ Document, MoveTag: body ──▶ json ──▶ document
//!                                                                             one operation for each change
//! ```

mod detect;
mod document;
mod names;
mod registry;
mod routes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use exeat_core::{
    Action, Answer, Authority, Cause, Entity, Inspect, Integration, Operation, PLACEHOLDER_PREFIX, Refusal, Request,
    SandboxFile, Unreadable, Value,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::content::{require_identity, require_type};
use crate::endpoint::{unclassified, with_advice};
use crate::json;
use crate::manifest::{ConfigError, Manifest, Parsed, parsed};
pub use detect::detect;
use document::Change;
use names::Package;
use registry::Registry;
use routes::{Route, Target, route};

pub(crate) static MANIFEST: Parsed = LazyLock::new(|| toml::from_str(include_str!("manifest.toml")));

/// `[integrations.npm]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The registries: `host`, `host:port`, or either with the path below which the registry lies. The first is the
    /// sandbox's default.
    pub hosts: Vec<String>,
}

/// npm registries.
pub struct Npm {
    manifest: &'static Manifest,
    registries: Vec<Registry>,
    actions: BTreeMap<&'static str, Action>,
}

impl Npm {
    /// The integration for the configured registries, of which there may be none.
    ///
    /// # Errors
    /// [`ConfigError::Entry`] names the host that cannot be used.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let manifest = parsed("npm", &MANIFEST)?;
        let actions = manifest.actions.keys().map(|name| Ok((name.as_str(), manifest.action(name)?)));
        Ok(Npm {
            manifest,
            registries: config.hosts.iter().map(|entry| Registry::parse(entry)).collect::<Result<_, _>>()?,
            actions: actions.collect::<Result<_, ConfigError>>()?,
        })
    }

    /// The registry that a request is for, and what it asks of it.
    fn route<'r>(&'r self, request: &Request) -> Option<(&'r Registry, Route)> {
        let below = self.registries.iter().filter_map(|registry| Some((registry, registry.below(request)?)));
        let (registry, segments) = below.max_by_key(|(registry, _)| registry.depth())?;
        let bare = !request.path().has_trailing_slash() || segments.is_empty();
        route(request.method().as_str(), &segments).filter(|_| bare).map(|route| (registry, route))
    }

    /// An action of the manifest; without one it is unclassified.
    fn operation(&self, request: &Request, action: &str, registry: &Registry, lineage: Vec<Entity>) -> Operation {
        match self.actions.get(action) {
            Some(action) => Operation::new(action.clone(), lineage.into_iter().chain([registry.entity()]).collect()),
            None => unclassified(request),
        }
    }

    fn plain(
        &self, request: &Request, action: &str, registry: &Registry, target: Target,
    ) -> Result<Operation, Unreadable> {
        let lineage = match target {
            Target::Registry => Vec::new(),
            Target::Scope(scope) => vec![scope],
            Target::Package(package) => {
                if action != "read" {
                    package.require_writable()?;
                }
                package.lineage()
            }
        };
        Ok(self.operation(request, action, registry, lineage))
    }

    fn change(&self, request: &Request, registry: &Registry, package: &Package, change: Change) -> Operation {
        let on = |action: &str| self.operation(request, action, registry, package.lineage());
        match change {
            Change::Publish { version, tags, access } => {
                let operation = on("publish").with("version", version.as_str()).with("tags", Value::Set(tags));
                match access {
                    Some(access) => operation.with("access", access.as_str()),
                    None => operation,
                }
            }
            Change::Deprecate(versions) => on("deprecate").with("versions", Value::Set(versions)),
            Change::Star => on("star"),
            Change::Owner => on("owner"),
            Change::Unpublish => on("unpublish"),
            Change::Modify => on("modify"),
        }
    }
}

impl Integration for Npm {
    fn name(&self) -> &'static str {
        &self.manifest.name
    }

    fn schema(&self) -> &str {
        include_str!("schema.cedarschema")
    }

    fn claims(&self, authority: &Authority) -> bool {
        self.registries.iter().any(|registry| registry.authority == *authority)
    }

    fn inspect(&self, request: &Request) -> Inspect {
        match self.route(request) {
            // What is encoded is refused without a look at it.
            Some((_, Route::Document { .. } | Route::MoveTag { .. })) if require_identity(request).is_ok() => {
                Inspect::Whole
            }
            _ => Inspect::Nothing,
        }
    }

    fn classify(&self, request: &Request, body: &[u8]) -> Result<Vec<Operation>, Unreadable> {
        require_package_slashes(request)?;
        let Some((registry, route)) = self.route(request) else { return Ok(vec![unclassified(request)]) };
        match route {
            Route::Plain(action, target) => Ok(vec![self.plain(request, action, registry, target)?]),
            Route::RemoveTag { package, tag } => {
                Ok(vec![self.plain(request, "dist-tag", registry, Target::Package(package))?.with("tag", tag.as_str())])
            }
            Route::MoveTag { package, tag } => {
                let version = read_json(request, body)?;
                let version = version.as_str().ok_or_else(|| Unreadable::malformed("the body is not a version"))?;
                let operation = self.plain(request, "dist-tag", registry, Target::Package(package))?;
                Ok(vec![operation.with("tag", tag.as_str()).with("version", version)])
            }
            Route::Document { package, revised } => {
                package.require_writable()?;
                let changes = document::read(&package, revised, &read_json(request, body)?)?;
                Ok(changes.into_iter().map(|change| self.change(request, registry, &package, change)).collect())
            }
        }
    }

    fn refuse(&self, _: &Request, _: &[u8], refusal: &Refusal) -> Answer {
        refuse(refusal)
    }

    fn hint(&self, request: &Request) -> Option<String> {
        let host = request.authority().to_host_header(request.scheme());
        let agent = request.header("user-agent").unwrap_or_default();
        let speaks_npm = request.headers().contains_key("npm-command")
            || ["npm/", "pnpm/", "yarn/", "bun/", "Bun/"].iter().any(|client| agent.starts_with(client));
        (speaks_npm && !self.claims(request.authority()))
            .then(|| format!("add `{host}` to `hosts` under `[integrations.npm]` in exeat.toml"))
    }

    fn sandbox_files(&self) -> Vec<SandboxFile> {
        let Some(default) = self.registries.first() else { return Vec::new() };
        let tokens = self
            .registries
            .iter()
            .map(|registry| format!("//{}:_authToken={PLACEHOLDER_PREFIX}npm\n", registry.location()));
        let text = format!(
            "; Written by Exeat. The token is a placeholder: the gateway puts the real one in its place.\n\
             registry=https://{}\n{}update-notifier=false\nfund=false\n",
            default.location(),
            tokens.collect::<String>()
        );
        vec![SandboxFile { path: ".npmrc", text }]
    }
}

fn read_json(request: &Request, body: &[u8]) -> Result<serde_json::Value, Unreadable> {
    require_identity(request)?;
    require_type(request, "application/json")?;
    json::parse(body)
}

/// A percent-encoded slash stands between a scope and a name, and nowhere else.
fn require_package_slashes(request: &Request) -> Result<(), Unreadable> {
    let proper = |segment: &str| segment.starts_with('@') && segment.matches('/').count() == 1;
    match request.path().segments().all(|segment| !segment.contains('/') || proper(segment)) {
        true => Ok(()),
        false => Err(Unreadable::malformed("the path has an encoded slash that is not between a scope and a name")),
    }
}

/// npm and yarn show `error` of a JSON body (npm-registry-fetch, errors.js). npm sends a request again, after ten
/// seconds and a minute, for 408, 420, 429 and from 500 on (make-fetch-happen, remote.js): a refusal that waiting
/// does not change has a status that it takes at once.
fn refuse(refusal: &Refusal) -> Answer {
    let message = with_advice(refusal);
    let mut answer = Answer::json_with(refusal, json!({ "error": message, "exeat": refusal.to_json() }));
    answer.status = match refusal.cause {
        Cause::JournalUnavailable
        | Cause::BudgetUnavailable(_)
        | Cause::CredentialUnavailable(_)
        | Cause::PrecautionFailed => StatusCode::FORBIDDEN,
        Cause::BodyTimeout => StatusCode::BAD_REQUEST,
        _ => answer.status,
    };
    answer
}
