//! Who came in, and what is theirs alone: connections to origins are never shared between sandboxes.

use std::sync::Arc;

use exeat_core::{Session, limits};
use exeat_credentials::Credentials;
use exeat_journal::SessionFacts;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::origin::Upstream;
use crate::{Precaution, Terms};

/// Who wants in, and under which terms.
pub struct Applicant {
    pub(crate) session: Session,
    pub(crate) facts: SessionFacts,
    pub(crate) terms: Arc<dyn Terms>,
    pub(crate) precaution: Option<Arc<dyn Precaution>>,
}

impl Applicant {
    /// A session under these terms.
    pub fn new(session: Session, terms: Arc<dyn Terms>) -> Self {
        Applicant { session, facts: SessionFacts::default(), terms, precaution: None }
    }

    /// The same with a precaution that is taken before its requests leave.
    #[must_use]
    pub fn with_precaution(mut self, precaution: Arc<dyn Precaution>) -> Self {
        self.precaution = Some(precaution);
        self
    }

    /// The same with more for the journal. What the session itself says is not taken from here.
    #[must_use]
    pub fn with_facts(mut self, facts: SessionFacts) -> Self {
        self.facts = facts;
        self
    }

    /// What the journal is told when it comes in.
    pub(crate) fn session_facts(&self) -> SessionFacts {
        let Session { id, profile, user, teams } = self.session.clone();
        SessionFacts { id, profile, user, teams, ..self.facts.clone() }
    }
}

/// An admitted session.
pub struct Guest {
    pub(crate) session: Session,
    pub(crate) terms: Arc<dyn Terms>,
    pub(crate) upstream: Upstream,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) precaution: Option<Arc<dyn Precaution>>,
    pub(crate) ended: CancellationToken,
}

impl Guest {
    pub(crate) fn new(applicant: Applicant, upstream: Upstream) -> Self {
        Guest {
            session: applicant.session,
            terms: applicant.terms,
            upstream,
            connections: Arc::new(Semaphore::new(limits::CONNECTIONS_PER_SESSION)),
            requests: Arc::new(Semaphore::new(limits::REQUESTS_PER_SESSION)),
            precaution: applicant.precaution,
            ended: CancellationToken::new(),
        }
    }

    /// How many of its requests have not ended.
    pub fn requests(&self) -> usize {
        limits::REQUESTS_PER_SESSION - self.requests.available_permits()
    }

    /// The Cedar principal.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Waits until it is dismissed.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Its credentials, for the placeholders that its sandbox gets.
    pub fn credentials(&self) -> Arc<Credentials> {
        self.terms.credentials()
    }
}
