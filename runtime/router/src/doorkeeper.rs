//! Who may enter.

use std::net::SocketAddr;

use http::HeaderMap;

use crate::{Refusal, Target, Token};

/// Knows who comes, and which sandboxes he may enter.
pub trait Doorkeeper: Send + Sync + 'static {
    /// Somebody who is known.
    type Guest: Send + Sync;

    /// Finds out who sends a request.
    ///
    /// # Errors
    /// Nobody who is known.
    fn recognise(
        &self, headers: &HeaderMap, peer: Option<SocketAddr>,
    ) -> impl Future<Output = Result<Self::Guest, Refusal>> + Send;

    /// Lets him enter this sandbox.
    ///
    /// # Errors
    /// He may not.
    fn admit(&self, guest: &Self::Guest, target: &Target) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// On one machine there is one token, and whoever has it may do everything.
impl Doorkeeper for Token {
    type Guest = ();

    async fn recognise(&self, headers: &HeaderMap, _: Option<SocketAddr>) -> Result<(), Refusal> {
        const ADVICE: &str = "show the token: `Authorization: Bearer …`, or `http://exeat:TOKEN@HOST` as the URL; \
                              it is in the file `token` of the state folder";
        if self.permits(headers) { Ok(()) } else { Err(Refusal::Unauthorized(ADVICE)) }
    }

    async fn admit(&self, (): &(), _: &Target) -> Result<(), Refusal> {
        Ok(())
    }
}
