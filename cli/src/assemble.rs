//! From `exeat.toml` to a gateway. Everything is read and checked before anything is made or bound.

use std::path::Path;
use std::sync::Arc;

use exeat_core::{Host, Integration, Session, limits};
use exeat_credentials::Credentials;
use exeat_integrations::Integrations;
use exeat_journal::{DEFAULT_SEGMENT_BYTES, Event, Journal};
use exeat_policy::{LoadError, Policies, Source};
use exeat_proxy::{Applicant, Gateway, OneTenant, Origin, Parts, Terms, Tokens};
use exeat_tls::{Authority, Termination, Trust};

use crate::config::{Config, TokenSession};
use crate::problem::Problem;
use crate::state::State;

/// What a configuration says, checked, with nothing started.
pub(crate) struct Plan {
    pub(crate) policies: Arc<Policies>,
    credentials: Credentials,
    outside: Outside,
}

/// What a configuration says of the world outside, the same for every kind of gateway.
pub(crate) struct Outside {
    pub(crate) integrations: Integrations,
    pub(crate) origins: Vec<Origin>,
    pub(crate) trust: Trust,
}

impl Outside {
    /// Checks integrations and origins.
    pub(crate) fn check(config: &Config) -> Result<Self, Problem> {
        let integrations = exeat_integrations::all(&config.integrations).map_err(Problem::input)?;
        let mut origins = Vec::new();
        let mut roots: Vec<(Host, &Path)> = Vec::new();
        for origin in &config.origin {
            let authority = origin.authority()?;
            roots.extend(origin.ca.as_deref().map(|ca| (authority.host.clone(), ca)));
            origins.push(Origin { authority, address: origin.address });
        }
        let trust = Trust::new(roots.iter().map(|(host, ca)| (host, *ca))).map_err(Problem::input)?;
        Ok(Outside { integrations, origins, trust })
    }

    /// Where the policies of a folder come from, in the words of all integrations.
    pub(crate) fn source(&self, directory: &Path) -> Source {
        source(directory, &self.integrations)
    }

    /// The gateway's parts.
    pub(crate) fn parts(self, journal: Journal, authority: Authority, sessions: usize) -> Parts {
        Parts {
            journal,
            termination: Termination::new(authority),
            trust: self.trust,
            integrations: self.integrations.known,
            any: self.integrations.any,
            origins: self.origins,
            sessions,
        }
    }
}

impl Plan {
    /// Checks everything that can be checked without touching the state folder.
    pub(crate) fn check(config: &Config) -> Result<Self, Problem> {
        let outside = Outside::check(config)?;
        let policies = Arc::new(load_policies(&config.policy.directory, &outside.integrations)?);
        let credentials = Credentials::new(config.credential.clone()).map_err(Problem::input)?;
        Ok(Plan { policies, credentials, outside })
    }

    /// Ports besides 80 and 443 that sandboxes carry names on: those of configured hosts.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.outside.origins.iter().map(|origin| origin.authority.port).collect()
    }

    /// Asks every credential source once.
    pub(crate) async fn check_credentials(&self) -> Result<(), Problem> {
        self.credentials.check().await.map_err(|error| {
            Problem::failure(error).advise("put its source right, or take the `[[credential]]` out of exeat.toml")
        })
    }

    /// Opens the state folder and puts the gateway together.
    pub(crate) async fn start(self, state: &State) -> Result<Started, Problem> {
        state.create()?;
        let journal = open_journal(state)?;
        let authority = Authority::open(&state.certificates()).map_err(Problem::failure)?;
        begin(&journal, &self.policies).await?;
        let gateway = Gateway::new(self.outside.parts(journal.clone(), authority, limits::SESSIONS));
        let terms = OneTenant { policies: self.policies, credentials: Arc::new(self.credentials) };
        Ok(Started { gateway, journal, terms: Arc::new(terms) })
    }
}

/// A gateway that serves nobody yet.
pub(crate) struct Started {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) journal: Journal,
    /// What every session's requests are judged by and given.
    pub(crate) terms: Arc<dyn Terms>,
}

/// Opens the journal in a state folder that is there.
pub(crate) fn open_journal(state: &State) -> Result<Journal, Problem> {
    let config = exeat_journal::Config { directory: state.journal(), segment_bytes: DEFAULT_SEGMENT_BYTES };
    Journal::open(&config).map_err(Problem::failure)
}

/// Records that a gateway begins to write.
pub(crate) async fn begin(journal: &Journal, policies: &Policies) -> Result<(), Problem> {
    let started = Event::GatewayStart {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policy_version: policies.version().to_string(),
    };
    journal.append(started).await.map(drop).map_err(Problem::failure)
}

/// Loads the policies of a folder against the schema of all integrations.
pub(crate) fn load_policies(directory: &Path, integrations: &Integrations) -> Result<Policies, Problem> {
    Policies::load(source(directory, integrations)).map_err(policies_problem)
}

/// What to do about policies that are not valid.
pub(crate) fn policies_problem(error: LoadError) -> Problem {
    Problem::input(error).advise("`exeat policy check` reads the policies without starting anything")
}

fn source(directory: &Path, integrations: &Integrations) -> Source {
    Source::new(directory, known(integrations))
}

/// The words of all integrations, and no policies yet.
pub(crate) fn source_without_folder(integrations: &Integrations) -> Source {
    Source::without_folder(known(integrations))
}

fn known(integrations: &Integrations) -> impl Iterator<Item = &dyn Integration> {
    integrations.known.iter().chain([&integrations.any]).map(|known| &**known as &dyn Integration)
}

/// Admits the sessions that come by token.
pub(crate) async fn admit(started: &Started, sessions: Vec<TokenSession>) -> Result<Arc<Tokens>, Problem> {
    let tokens = Tokens::default();
    for session in sessions {
        let TokenSession { name, profile, user, teams, token } = session;
        let secret = exeat_credentials::fetch(&token, &name).await.map_err(Problem::failure)?;
        let session = Session { id: name, profile, user, teams };
        let applicant = Applicant::new(session, Arc::clone(&started.terms));
        let guest = started.gateway.admit(applicant).await.map_err(Problem::failure)?;
        tokens.insert(secret.expose(), guest);
    }
    Ok(Arc::new(tokens))
}
