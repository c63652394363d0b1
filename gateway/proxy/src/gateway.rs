//! What the data path stands on.

use std::sync::Arc;

use exeat_core::{Authority, Integration, Session, limits};
use exeat_credentials::Credentials;
use exeat_journal::{AppendError, Event, Journal, SessionFacts};
use exeat_policy::Policies;
use exeat_tls::{Termination, Trust, TrustError};
use tokio::sync::Semaphore;

use crate::dial::{Dialer, Origin};
use crate::origin::Upstream;
use crate::{Guest, Precaution};

/// The rooms that a gateway is put together from.
pub struct Parts {
    /// What decides.
    pub policies: Arc<Policies>,
    /// What is injected.
    pub credentials: Credentials,
    /// What remembers.
    pub journal: Journal,
    /// What ends the clients' TLS.
    pub termination: Termination,
    /// What verifies origins.
    pub trust: Trust,
    /// What tells meaning, asked in order.
    pub integrations: Vec<Box<dyn Integration>>,
    /// What tells the meaning of requests that no integration claims.
    pub any: Box<dyn Integration>,
    /// Origins that are not where DNS says, or not at a public address.
    pub origins: Vec<Origin>,
}

/// The gateway. It serves nobody until it is given a listener.
pub struct Gateway {
    pub(crate) policies: Arc<Policies>,
    pub(crate) credentials: Credentials,
    pub(crate) journal: Journal,
    pub(crate) termination: Termination,
    pub(crate) dialer: Arc<Dialer>,
    /// Bytes of bodies that may be held for inspection.
    pub(crate) inspection: Arc<Semaphore>,
    trust: Trust,
    integrations: Vec<Box<dyn Integration>>,
    any: Box<dyn Integration>,
    places: Arc<Semaphore>,
}

impl Gateway {
    /// Puts a gateway together.
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Gateway {
            policies: parts.policies,
            credentials: parts.credentials,
            journal: parts.journal,
            termination: parts.termination,
            dialer: Arc::new(Dialer::new(parts.origins)),
            inspection: Arc::new(Semaphore::new(limits::INSPECTED_TOTAL_BYTES)),
            trust: parts.trust,
            integrations: parts.integrations,
            any: parts.any,
            places: Arc::new(Semaphore::new(limits::SESSIONS)),
        })
    }

    /// Admits a session, durably: from now on its requests have a name in the journal.
    ///
    /// # Errors
    /// [`StartError`] where there is no place or the journal takes no record.
    pub async fn admit(
        &self, session: Session, precaution: Option<Arc<dyn Precaution>>,
    ) -> Result<Arc<Guest>, StartError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| StartError::Full)?;
        let upstream = Upstream::new(Arc::clone(&self.dialer), self.trust.for_session()?, place);
        let facts = SessionFacts {
            id: session.id.clone(),
            profile: session.profile.clone(),
            user: session.user.clone(),
            teams: session.teams.clone(),
        };
        self.journal.append(Event::SessionStart { session: facts }).await?;
        Ok(Arc::new(Guest::new(session, upstream, precaution)))
    }

    /// Records that a session is over. Its listener must be gone already.
    ///
    /// # Errors
    /// [`StartError::Journal`].
    pub async fn dismiss(&self, guest: &Guest) -> Result<(), StartError> {
        self.journal.append(Event::SessionEnd { session: guest.session.id.clone() }).await?;
        Ok(())
    }

    /// The certificate that sandboxes must trust, as PEM.
    pub fn certificate_pem(&self) -> &str {
        self.termination.authority().certificate_pem()
    }

    /// The credentials, for the placeholders that sandboxes get.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The integrations, in the order in which they are asked.
    pub fn integrations(&self) -> &[Box<dyn Integration>] {
        &self.integrations
    }

    pub(crate) fn integration(&self, authority: &Authority) -> &dyn Integration {
        let claiming = self.integrations.iter().find(|integration| integration.claims(authority));
        claiming.unwrap_or(&self.any).as_ref()
    }
}

/// Why a session is not admitted.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No place is left.
    #[error("{} sessions are open, which is the limit", limits::SESSIONS)]
    Full,
    /// The journal takes no record.
    #[error(transparent)]
    Journal(#[from] AppendError),
    /// TLS towards origins cannot be set up.
    #[error(transparent)]
    Trust(#[from] TrustError),
}
