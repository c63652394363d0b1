//! What the data path stands on.

use std::sync::Arc;

use exeat_core::{Authority, Integration, limits};
use exeat_journal::{AppendError, Event, Journal};
use exeat_tls::{Termination, Trust, TrustError};
use tokio::sync::Semaphore;

use crate::dial::{Dialer, Origin};
use crate::origin::Upstream;
use crate::{Applicant, Figures, Guest};

/// The rooms that a gateway is put together from.
pub struct Parts {
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
    /// Sessions at once.
    pub sessions: usize,
}

/// The gateway. It serves nobody until it is given a listener.
pub struct Gateway {
    pub(crate) journal: Journal,
    pub(crate) termination: Termination,
    pub(crate) dialer: Arc<Dialer>,
    /// Bytes of bodies that may be held for inspection.
    pub(crate) inspection: Arc<Semaphore>,
    trust: Trust,
    integrations: Vec<Box<dyn Integration>>,
    any: Box<dyn Integration>,
    sessions: usize,
    places: Arc<Semaphore>,
    figures: Arc<Figures>,
}

impl Gateway {
    /// Puts a gateway together.
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Gateway {
            journal: parts.journal,
            termination: parts.termination,
            dialer: Arc::new(Dialer::new(parts.origins)),
            inspection: Arc::new(Semaphore::new(limits::INSPECTED_TOTAL_BYTES)),
            trust: parts.trust,
            integrations: parts.integrations,
            any: parts.any,
            sessions: parts.sessions,
            places: Arc::new(Semaphore::new(parts.sessions)),
            figures: Arc::default(),
        })
    }

    /// Admits a session, durably: from now on its requests have a name in the journal.
    ///
    /// # Errors
    /// [`StartError`] where there is no place or the journal takes no record.
    pub async fn admit(&self, applicant: Applicant) -> Result<Arc<Guest>, StartError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| StartError::Full(self.sessions))?;
        let upstream = Upstream::new(Arc::clone(&self.dialer), self.trust.for_session()?, place);
        self.journal.append(Event::SessionStart { session: applicant.session_facts() }).await?;
        Ok(Arc::new(Guest::new(applicant, upstream)))
    }

    /// Ends a session: its connections over TCP are closed, and when its requests have ended, that it is over is recorded.
    /// A socket of its own must be gone already.
    ///
    /// # Errors
    /// [`StartError::Journal`].
    pub async fn dismiss(&self, guest: &Guest) -> Result<(), StartError> {
        guest.ended.cancel();
        // Who holds every place keeps new requests out. What does not end now leaves an outcome behind the session's end.
        let all = Arc::clone(&guest.requests).acquire_many_owned(limits::REQUESTS_PER_SESSION as u32);
        let _all = tokio::time::timeout(limits::DISMISSAL_TIME, all).await;
        self.journal.append(Event::SessionEnd { session: guest.session.id.clone() }).await?;
        Ok(())
    }

    /// The certificate that sandboxes must trust, as PEM.
    pub fn certificate_pem(&self) -> &str {
        self.termination.authority().certificate_pem()
    }

    /// What it has counted.
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        self.sessions - self.places.available_permits()
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
    #[error("{0} sessions are open, which is the limit")]
    Full(usize),
    /// The journal takes no record.
    #[error(transparent)]
    Journal(#[from] AppendError),
    /// TLS towards origins cannot be set up.
    #[error(transparent)]
    Trust(#[from] TrustError),
}
