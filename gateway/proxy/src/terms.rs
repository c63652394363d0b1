//! Under which terms a session's requests leave: what judges them, what may be put into them, what they may use up.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use exeat_core::Cause;
use exeat_credentials::Credentials;
use exeat_policy::Policies;

/// The terms of one session. They are its tenant's: what another tenant has is not among them, so no request can name it.
pub trait Terms: Send + Sync + 'static {
    /// The credentials that may be put into its requests. One request sees one answer.
    fn credentials(&self) -> Arc<Credentials>;

    /// What judges a request now.
    ///
    /// # Errors
    /// Why nothing of this session may leave, whatever the policies would say.
    fn policies(&self) -> Result<Arc<Policies>, Cause>;

    /// Takes one request that the policies allow out of what the session may use. What was taken is taken, also where the
    /// request fails afterwards.
    ///
    /// # Errors
    /// Why there is no room for it, or none that is known.
    fn spend(&self) -> Pin<Box<dyn Future<Output = Result<(), Cause>> + Send + '_>> {
        Box::pin(ready(Ok(())))
    }
}

/// The terms of one machine, where there is one tenant: the same for every session, without a budget.
pub struct OneTenant {
    /// What judges.
    pub policies: Arc<Policies>,
    /// What may be put in.
    pub credentials: Arc<Credentials>,
}

impl Terms for OneTenant {
    fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials)
    }

    fn policies(&self) -> Result<Arc<Policies>, Cause> {
        Ok(Arc::clone(&self.policies))
    }
}
