//! Where sandboxes come from.

use http::{Request, Response};
use hyper::body::Incoming;

use crate::{Refusal, Target};

/// Finds sandboxes and lets requests in.
pub trait Backend: Send + Sync + 'static {
    /// Being in a sandbox.
    type Visit: Visit;

    /// Whether it knows its sandboxes already.
    fn is_ready(&self) -> bool {
        true
    }

    /// Finds the sandbox, and wakes it where it is paused.
    ///
    /// # Errors
    /// There is none, it is another one, or it does not wake.
    fn enter(&self, target: &Target) -> impl Future<Output = Result<Self::Visit, Refusal>> + Send;
}

/// Being in a sandbox, which stays awake for as long as this is held.
pub trait Visit: Send + Sync + Unpin + 'static {
    /// Sends a request to a port. The request is the sandbox's to see: nothing of the router is in it any more.
    ///
    /// # Errors
    /// Nothing listens there, or what does broke off.
    fn send(
        &self, port: u16, request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Incoming>, Refusal>> + Send;
}
