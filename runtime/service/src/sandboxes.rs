//! What can be done with a sandbox.

use std::path::PathBuf;
use std::sync::Arc;

use exeat_lifecycle::{Name, SandboxId};
use exeat_supervisor::Error;

use crate::problem::Problem;
use crate::service::{At, Service};
use crate::shapes::{Change, Claim, Create, History, Pools, Resume, Sandbox, Sandboxes};

pub(crate) async fn list(service: Arc<Service>, at: At) -> Result<Sandboxes, Problem> {
    let namespace = at.query("namespace");
    let all = service.supervisor.list().into_iter();
    let asked = all.filter(|sandbox| namespace.is_none_or(|namespace| sandbox.namespace.as_str() == namespace));
    Ok(Sandboxes { sandboxes: asked.map(Sandbox::from).collect() })
}

pub(crate) async fn create(service: Arc<Service>, _: At, create: Create) -> Result<Sandbox, Problem> {
    make(&service, create).await
}

/// Makes a sandbox, also for a fork.
pub(crate) async fn make(service: &Service, create: Create) -> Result<Sandbox, Problem> {
    let Create { namespace, name, spec, from } = create;
    let spec = match (spec, &from) {
        (Some(spec), _) => spec,
        (None, Some(snapshot)) => {
            let mut spec = service.supervisor.snapshot_of(snapshot)?.spec;
            // That time was the other one's.
            spec.shutdown = None;
            spec
        }
        (None, None) => service.usual.clone(),
    };
    let create = exeat_supervisor::Create { namespace, name, spec, claim: None, from };
    Ok(service.supervisor.create(create).await?.into())
}

pub(crate) async fn claim(service: Arc<Service>, at: At, claim: Claim) -> Result<Sandbox, Problem> {
    let pool = Name::parse(at.part()).map_err(|error| Problem::input(error.to_string()))?;
    let Claim { namespace, environment, shutdown } = claim;
    // Each request is a claim of its own.
    let uid = exeat_supervisor::new_uid()?;
    let claim = exeat_supervisor::Claim { uid, environment, shutdown, from: None };
    Ok(service.supervisor.claim(&namespace, &pool, claim).await?.into())
}

pub(crate) async fn show(service: Arc<Service>, at: At) -> Result<Sandbox, Problem> {
    Ok(service.sandbox_at(&at)?.into())
}

pub(crate) async fn change(service: Arc<Service>, at: At, change: Change) -> Result<Sandbox, Problem> {
    let sandbox = service.sandbox_at(&at)?;
    Ok(service.supervisor.set_shutdown(&sandbox.id, change.shutdown).await?.into())
}

pub(crate) async fn delete(service: Arc<Service>, at: At) -> Result<(), Problem> {
    let with_snapshots = at.is("snapshots")?;
    let sandbox = service.sandbox_at(&at)?;
    service.supervisor.delete(&sandbox.id).await?;
    let snapshots = service.supervisor.snapshots().into_iter();
    for snapshot in snapshots.filter(|snapshot| with_snapshots && snapshot.sandbox == sandbox.id) {
        match service.supervisor.delete_snapshot(&snapshot.id).await {
            // Somebody else was faster.
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(crate) async fn pause(service: Arc<Service>, at: At) -> Result<Sandbox, Problem> {
    let sandbox = service.sandbox_at(&at)?;
    Ok(service.supervisor.pause(&sandbox.id).await?.into())
}

pub(crate) async fn resume(service: Arc<Service>, at: At, resume: Resume) -> Result<Sandbox, Problem> {
    let sandbox = service.sandbox_at(&at)?;
    let resumed = match resume.memory {
        true => service.supervisor.resume(&sandbox.id).await?,
        false => service.supervisor.boot(&sandbox.id).await?,
    };
    Ok(resumed.into())
}

pub(crate) async fn history(service: Arc<Service>, at: At) -> Result<History, Problem> {
    let sandbox = service.sandbox_at(&at)?;
    let happenings = read(&service, sandbox.id, |journal, id| exeat_supervisor::history(&journal, &id)).await?;
    Ok(History { happenings: happenings.into_iter().map(Into::into).collect() })
}

pub(crate) async fn pools(service: Arc<Service>, _: At) -> Result<Pools, Problem> {
    Ok(Pools { pools: service.supervisor.pools().into_iter().map(Into::into).collect() })
}

/// Reads the journal where that blocks nobody.
pub(crate) async fn read<T: Send + 'static>(
    service: &Service, id: SandboxId, reader: impl FnOnce(PathBuf, SandboxId) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let journal = service.journal.clone();
    let read = tokio::task::spawn_blocking(move || reader(journal, id)).await;
    Ok(read.map_err(|_| Problem::failed("reading the journal panicked"))??)
}
