//! Snapshots before requests that cannot be taken back.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use exeat_lifecycle::{Cause, Kind, SandboxId};
use exeat_proxy::{Precaution, PrecautionFailed};

use crate::sandbox::Take;
use crate::supervisor::{Shared, Supervisor};

/// Takes a snapshot of a sandbox's disk before its requests of certain groups leave. Of the disk alone: one with memory
/// would break the connection that the request came on.
pub(crate) struct Before {
    supervisor: Weak<Shared>,
    sandbox: SandboxId,
}

impl Before {
    pub(crate) fn of(supervisor: &Supervisor, sandbox: &SandboxId) -> Self {
        Before { supervisor: Arc::downgrade(&supervisor.0), sandbox: sandbox.clone() }
    }

    async fn take(&self, action: &str, group: Option<&str>) -> Result<(), PrecautionFailed> {
        let failed = |error: crate::Error| PrecautionFailed(error.to_string());
        let supervisor =
            self.supervisor.upgrade().ok_or_else(|| PrecautionFailed("the supervisor has ended".to_owned()))?;
        let supervisor = Supervisor(supervisor);
        let record = supervisor.get(&self.sandbox).map_err(failed)?;
        if !group.is_some_and(|group| record.spec.snapshots.before.iter().any(|wanted| wanted == group)) {
            return Ok(());
        }
        let take = Take { label: None, kind: Kind::Disk, cause: Cause::Before(action.to_owned()) };
        supervisor.snapshot(&self.sandbox, take).await.map_err(failed)?;
        supervisor.retain(&record).await.map_err(failed)
    }
}

impl Precaution for Before {
    fn before<'a>(
        &'a self, action: &'a str, group: Option<&'a str>,
    ) -> Pin<Box<dyn Future<Output = Result<(), PrecautionFailed>> + Send + 'a>> {
        Box::pin(self.take(action, group))
    }
}
