//! `exeat.toml`: read whole and checked whole before anything is started.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use exeat_core::{Authority, Scheme};
use exeat_credentials::{Config as Credential, SourceConfig};
use exeat_images::{Defaults, Endpoint, Registries};
use exeat_lifecycle::{Name, Resources, Root, Schedule, Spec};
use exeat_supervisor::{ImageSources, PoolConfig};
use serde::Deserialize;

use crate::problem::Problem;

/// The whole file. Unknown keys are refused: a misspelt one would silently leave a default in force.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) gateway: Gateway,
    pub(crate) policy: Policy,
    pub(crate) sandbox: Sandbox,
    pub(crate) pool: Vec<Pool>,
    pub(crate) image: Defaults,
    pub(crate) registry: Vec<Registry>,
    pub(crate) api: Option<Api>,
    pub(crate) integrations: exeat_integrations::Config,
    pub(crate) origin: Vec<Origin>,
    pub(crate) credential: Vec<Credential>,
    pub(crate) session: Vec<TokenSession>,
}

/// `[gateway]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Gateway {
    /// Where the certificate authority, the journal and the sockets live.
    pub(crate) state: Option<PathBuf>,
    /// Where clients with a token connect; none without it.
    pub(crate) listen: Option<SocketAddr>,
}

/// `[policy]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policy {
    /// The folder of Cedar files.
    pub(crate) directory: PathBuf,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { directory: "policies".into() }
    }
}

/// `[sandbox]`: what `exeat run` starts with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sandbox {
    pub(crate) profile: String,
    pub(crate) teams: Vec<String>,
    pub(crate) runsc: Option<PathBuf>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Sandbox { profile: "coder".to_owned(), teams: Vec::new(), runsc: None }
    }
}

/// `[[pool]]`: sandboxes that run before anybody asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pool {
    pub(crate) name: Name,
    #[serde(default)]
    pub(crate) namespace: Name,
    /// How many wait.
    #[serde(default)]
    pub(crate) replicas: u32,
    /// An OCI image; without it the host's own tools.
    pub(crate) image: Option<String>,
    /// Without it, `[sandbox]`'s.
    pub(crate) profile: Option<String>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) resources: Resources,
    pub(crate) idle_seconds: Option<u64>,
    #[serde(default)]
    pub(crate) snapshots: Schedule,
}

/// `[[registry]]`: where images of one registry are, if not simply at its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registry {
    /// As images' names begin.
    pub(crate) name: String,
    /// The host that is asked instead.
    pub(crate) address: Option<String>,
    /// A PEM file with roots that count beside the system's.
    pub(crate) ca: Option<PathBuf>,
    /// Speak plain HTTP with it: whoever is on the way sees the credentials.
    #[serde(default)]
    pub(crate) insecure_plain_http: bool,
}

/// `[api]`: where clients of Agent Sandbox connect; nowhere without it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Api {
    /// Where the API server listens. Only on loopback: the token would cross a network in plain.
    pub(crate) listen: SocketAddr,
    /// Where the router listens.
    pub(crate) router_listen: SocketAddr,
    /// Give each claimed sandbox an address of loopback. No token is asked for there: other users of the machine can enter.
    pub(crate) pod_addresses: bool,
}

impl Default for Api {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Api { listen: loopback(9600), router_listen: loopback(9601), pod_addresses: false }
    }
}

/// `[[origin]]`: a host that is not where DNS says, at an address that is not public, or with a CA of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    /// `host` or `host:port`, as clients name it.
    pub(crate) host: String,
    /// Where it is, if not where DNS says.
    pub(crate) address: Option<SocketAddr>,
    /// A PEM file with the roots that count for it, instead of the system's.
    pub(crate) ca: Option<PathBuf>,
}

/// `[[session]]`: a client that comes over TCP with a token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenSession {
    pub(crate) name: String,
    pub(crate) profile: String,
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) teams: Vec<String>,
    pub(crate) token: SourceConfig,
}

impl Origin {
    pub(crate) fn authority(&self) -> Result<Authority, Problem> {
        Authority::parse(&self.host, Scheme::Https.default_port())
            .map_err(|error| Problem::input(format!("`[[origin]]`, `host`: {error}")))
    }
}

impl Sandbox {
    /// What a sandbox is of which nothing else is said.
    pub(crate) fn spec(&self) -> Spec {
        Spec {
            root: Root::Host,
            profile: self.profile.clone(),
            user: crate::commands::run::user(),
            teams: self.teams.clone(),
            environment: BTreeMap::new(),
            workspace: None,
            resources: Resources::default(),
            idle_seconds: None,
            shutdown: None,
            snapshots: Schedule::default(),
        }
    }
}

impl Pool {
    /// The pool as the supervisor has it.
    fn assemble(self, sandbox: &Sandbox) -> PoolConfig {
        let usual = sandbox.spec();
        let spec = Spec {
            root: self.image.map_or(Root::Host, Root::Image),
            profile: self.profile.unwrap_or_else(|| usual.profile.clone()),
            environment: self.environment,
            resources: self.resources,
            idle_seconds: self.idle_seconds,
            snapshots: self.snapshots,
            ..usual
        };
        PoolConfig { namespace: self.namespace, name: self.name, replicas: self.replicas, spec }
    }
}

impl Config {
    /// The configured pools.
    pub(crate) fn pools(&mut self) -> Vec<PoolConfig> {
        std::mem::take(&mut self.pool).into_iter().map(|pool| pool.assemble(&self.sandbox)).collect()
    }

    /// Where images come from.
    pub(crate) fn image_sources(&self) -> Result<ImageSources, Problem> {
        let mut registries = Registries::default();
        for registry in &self.registry {
            let read = |path: &PathBuf| {
                std::fs::read(path)
                    .map_err(|error| Problem::input(format!("`{}` cannot be read: {error}", path.display())))
            };
            let endpoint = Endpoint {
                address: registry.address.clone(),
                ca: registry.ca.as_ref().map(read).transpose()?,
                insecure_plain_http: registry.insecure_plain_http,
                ..Endpoint::default()
            };
            registries.endpoints.insert(registry.name.clone(), endpoint);
        }
        Ok(ImageSources { defaults: self.image.clone(), registries })
    }

    /// Reads the file that is named, or the one that is found.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, Problem> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => find().ok_or_else(|| {
                Problem::input("there is no `exeat.toml` here")
                    .advise("`exeat init` writes one; `--config FILE` names another")
            })?,
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Problem::input(format!("`{}` cannot be read: {error}", path.display())))?;
        let mut config: Config =
            toml::from_str(&text).map_err(|error| Problem::input(format!("`{}`: {error}", path.display())))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        config.resolve(&std::path::absolute(folder).map_err(Problem::failure)?);
        Ok(config)
    }

    /// Paths in the file are relative to the file.
    fn resolve(&mut self, folder: &Path) {
        let files = self.credential.iter_mut().map(|credential| &mut credential.source);
        let sources = files.chain(self.session.iter_mut().map(|session| &mut session.token));
        let files = sources.filter_map(|source| match source {
            SourceConfig::File(path) => Some(path),
            _ => None,
        });
        let paths = files.chain(self.origin.iter_mut().filter_map(|origin| origin.ca.as_mut()));
        let paths = paths.chain(self.registry.iter_mut().filter_map(|registry| registry.ca.as_mut()));
        let paths = paths.chain(self.gateway.state.as_mut()).chain(self.sandbox.runsc.as_mut());
        for path in paths.chain(std::iter::once(&mut self.policy.directory)) {
            *path = folder.join(&*path);
        }
    }
}

fn find() -> Option<PathBuf> {
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")));
    let candidates = std::iter::once(PathBuf::from("exeat.toml")).chain(home.map(|home| home.join("exeat/exeat.toml")));
    candidates.into_iter().find(|path| path.exists())
}
