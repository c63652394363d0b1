//! What can be done with snapshots.

use std::sync::Arc;

use exeat_lifecycle::{Cause, SandboxId};

use crate::limits;
use crate::problem::Problem;
use crate::sandboxes::read;
use crate::service::{At, Service};
use crate::shapes::{Outside, OutsideSince, Rollback, RolledBack, Snapshot, Snapshots, Take};

pub(crate) async fn take(service: Arc<Service>, at: At, take: Take) -> Result<Snapshot, Problem> {
    let sandbox = service.sandbox_at(&at)?;
    if let Some(label) = &take.label
        && (label.len() > limits::LABEL_BYTES || label.chars().any(char::is_control))
    {
        let message = format!("a label has at most {} bytes and no control characters", limits::LABEL_BYTES);
        return Err(Problem::input(message));
    }
    let take = exeat_supervisor::Take { label: take.label, kind: take.kind, cause: Cause::Asked };
    Ok(service.supervisor.snapshot(&sandbox.id, take).await?.into())
}

pub(crate) async fn list(service: Arc<Service>, at: At) -> Result<Snapshots, Problem> {
    let namespace = at.query("namespace").unwrap_or("default");
    let of = at.query("sandbox").map(|said| match SandboxId::try_from(said.to_owned()) {
        // Snapshots outlive their sandbox.
        Ok(id) => Ok(id),
        Err(_) => service.sandbox(namespace, said).map(|sandbox| sandbox.id),
    });
    let of = of.transpose()?;
    let all = service.supervisor.snapshots().into_iter();
    let asked = all.filter(|snapshot| of.as_ref().is_none_or(|of| snapshot.sandbox == *of));
    Ok(Snapshots { snapshots: asked.map(Snapshot::from).collect() })
}

pub(crate) async fn show(service: Arc<Service>, at: At) -> Result<Snapshot, Problem> {
    Ok(service.snapshot_at(&at)?.into())
}

pub(crate) async fn delete(service: Arc<Service>, at: At) -> Result<(), Problem> {
    let snapshot = service.snapshot_at(&at)?;
    Ok(service.supervisor.delete_snapshot(&snapshot.id).await?)
}

pub(crate) async fn outside(service: Arc<Service>, at: At) -> Result<OutsideSince, Problem> {
    let snapshot = service.snapshot_at(&at)?;
    let sandbox = match at.query("sandbox") {
        Some(said) => service.sandbox(at.query("namespace").unwrap_or("default"), said)?.id,
        None => snapshot.sandbox,
    };
    Ok(OutsideSince { outside: since(&service, sandbox, snapshot.journal_sequence).await? })
}

pub(crate) async fn rollback(service: Arc<Service>, at: At, rollback: Rollback) -> Result<RolledBack, Problem> {
    let sandbox = service.sandbox_at(&at)?;
    let snapshot = service.supervisor.snapshot_of(&rollback.snapshot)?;
    let back = service.supervisor.rollback(&sandbox.id, &snapshot.id, rollback.memory).await?;
    let outside = since(&service, sandbox.id, snapshot.journal_sequence).await?;
    Ok(RolledBack { sandbox: back.into(), outside })
}

async fn since(service: &Service, sandbox: SandboxId, sequence: u64) -> Result<Vec<Outside>, Problem> {
    let reading = move |journal: std::path::PathBuf, id| exeat_supervisor::outside(&journal, &id, sequence);
    Ok(read(service, sandbox, reading).await?.into_iter().map(Into::into).collect())
}
