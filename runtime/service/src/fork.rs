//! Several sandboxes from one state.

use std::sync::Arc;

use exeat_lifecycle::{Cause, Kind, Name, Snapshot};
use exeat_supervisor::Error;

use crate::limits;
use crate::problem::Problem;
use crate::sandboxes;
use crate::service::{At, Service};
use crate::shapes::{Create, Fork, Forked};

/// From where a sandbox is: a snapshot is taken for it, which stays, so that each fork can be compared with it.
pub(crate) async fn fork(service: Arc<Service>, at: At, fork: Fork) -> Result<Forked, Problem> {
    let sandbox = service.sandbox_at(&at)?;
    check(&fork)?;
    let take = exeat_supervisor::Take { label: Some("fork".to_owned()), kind: Kind::Live, cause: Cause::Asked };
    let snapshot = service.supervisor.snapshot(&sandbox.id, take).await?;
    start(&service, &sandbox.namespace, fork, snapshot).await
}

/// From a snapshot.
pub(crate) async fn fork_snapshot(service: Arc<Service>, at: At, fork: Fork) -> Result<Forked, Problem> {
    let snapshot = service.snapshot_at(&at)?;
    check(&fork)?;
    // A snapshot outlives its sandbox, and with that its namespace.
    let namespace = service.supervisor.get(&snapshot.sandbox).map(|sandbox| sandbox.namespace).unwrap_or_default();
    start(&service, &namespace, fork, snapshot).await
}

fn check(fork: &Fork) -> Result<(), Problem> {
    match fork.count {
        1..=limits::FORKS => Ok(()),
        _ => Err(Problem::input(format!("`count` is between 1 and {}", limits::FORKS))),
    }
}

/// Starts them one after the other, all or none. Names that are taken are passed over.
async fn start(
    service: &Arc<Service>, namespace: &Name, fork: Fork, snapshot: Snapshot,
) -> Result<Forked, Problem> {
    let prefix = fork.prefix.as_ref().map_or(snapshot.sandbox_name.as_str(), Name::as_str);
    let mut forked = Forked { snapshot: snapshot.id.clone(), sandboxes: Vec::new() };
    let mut number = 0_u32;
    while forked.sandboxes.len() < fork.count as usize {
        number += 1;
        let name = Name::parse(&format!("{prefix}-{number}")).map_err(|error| Problem::input(error.to_string()))?;
        if service.supervisor.find(namespace.as_str(), name.as_str()).is_ok() {
            continue;
        }
        let from = Some(snapshot.id.clone());
        let create = Create { namespace: namespace.clone(), name: Some(name), spec: None, from };
        match sandboxes::make(service, create).await {
            Ok(sandbox) => forked.sandboxes.push(sandbox),
            Err(error) => {
                undo(service, &forked).await;
                return Err(error);
            }
        }
    }
    Ok(forked)
}

async fn undo(service: &Service, forked: &Forked) {
    for sandbox in &forked.sandboxes {
        match service.supervisor.delete(&sandbox.id).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(sandbox = %sandbox.id, %error, "a fork could not be removed again"),
        }
    }
}
