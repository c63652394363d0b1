//! What is to be done before a request leaves that cannot be taken back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use exeat_core::Group;
use exeat_policy::Exeat;

use crate::Guest;

/// Something that somebody wants done before requests of a session leave: a snapshot of its sandbox. It is asked about every
/// operation of a request that may leave, before the intent is written.
pub trait Precaution: Send + Sync {
    /// Does what is to be done before this action, which is in this group; nothing for most.
    ///
    /// # Errors
    /// Why it could not be done. The request is refused then.
    fn before<'a>(
        &'a self, action: &'a str, group: Option<&'a str>,
    ) -> Pin<Box<dyn Future<Output = Result<(), PrecautionFailed>> + Send + 'a>>;
}

/// A precaution that could not be taken. It says why.
#[derive(Debug)]
pub struct PrecautionFailed(pub String);

impl fmt::Display for PrecautionFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes the precautions of a session before what is permitted.
pub(crate) async fn take(guest: &Guest, exeat: &Exeat) -> Result<(), PrecautionFailed> {
    let Some(precaution) = &guest.precaution else { return Ok(()) };
    for verdict in exeat.verdicts() {
        let action = &verdict.operation.action;
        precaution.before(&action.to_string(), action.group.map(Group::as_str)).await?;
    }
    Ok(())
}
