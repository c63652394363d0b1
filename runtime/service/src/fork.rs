//! Several sandboxes from one state.

use std::sync::Arc;

use exeat_lifecycle::{Cause, Kind, Name, Snapshot};
use exeat_supervisor::Error;
use tokio::task::JoinSet;

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

/// Starts them, all or none.
async fn start(service: &Arc<Service>, namespace: &Name, fork: Fork, snapshot: Snapshot) -> Result<Forked, Problem> {
    let prefix = fork.prefix.as_ref().map_or(snapshot.sandbox_name.as_str(), Name::as_str);
    let mut starting = JoinSet::new();
    for name in free_names(service, namespace, prefix, fork.count)? {
        let (service, from) = (Arc::clone(service), Some(snapshot.id.clone()));
        let create = Create { namespace: namespace.clone(), name: Some(name), spec: None, from };
        starting.spawn(async move { sandboxes::make(&service, create).await });
    }
    let mut forked = Forked { snapshot: snapshot.id.clone(), sandboxes: Vec::new() };
    let mut failure = None;
    while let Some(started) = starting.join_next().await {
        match started {
            Ok(Ok(sandbox)) => forked.sandboxes.push(sandbox),
            Ok(Err(error)) => failure = Some(error),
            Err(error) => failure = Some(Problem::failed(error.to_string())),
        }
    }
    match failure {
        None => {
            forked.sandboxes.sort_by_key(|sandbox| sandbox.created);
            Ok(forked)
        }
        Some(failure) => {
            undo(service, &forked).await;
            Err(failure)
        }
    }
}

/// `PREFIX-1`, `PREFIX-2`, … as far as they are free. Who is faster takes one, and the fork fails.
fn free_names(service: &Service, namespace: &Name, prefix: &str, count: u32) -> Result<Vec<Name>, Problem> {
    let mut names = Vec::new();
    let mut number = 0_u32;
    while names.len() < count as usize {
        number += 1;
        let name = Name::parse(&format!("{prefix}-{number}")).map_err(|error| Problem::input(error.to_string()))?;
        if service.supervisor.find(namespace.as_str(), name.as_str()).is_err() {
            names.push(name);
        }
    }
    Ok(names)
}

async fn undo(service: &Service, forked: &Forked) {
    for sandbox in &forked.sandboxes {
        match service.supervisor.delete(&sandbox.id).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(sandbox = %sandbox.id, %error, "a fork could not be removed again"),
        }
    }
}
