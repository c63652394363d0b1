//! What differs between two states.

use std::path::PathBuf;
use std::sync::Arc;

use exeat_changes::{Changes, Options, Side, compare};
use exeat_disks::Tree;
use exeat_lifecycle::{Cause, Kind, SnapshotId};

use crate::problem::Problem;
use crate::service::{At, Service};
use crate::shapes::{Compare, Difference};

pub(crate) async fn diff(service: Arc<Service>, _: At, asked: Compare) -> Result<Difference, Problem> {
    let before = state(&service, &asked, &asked.before).await?;
    let compared = match state(&service, &asked, &asked.after).await {
        Ok(after) => {
            let compared = compared(&service, &before, &after, asked.all).await;
            put_away(&service, after).await;
            compared
        }
        Err(error) => Err(error),
    };
    put_away(&service, before).await;
    let changes = compared?;
    let json = serde_json::to_value(&changes).map_err(|error| Problem::failed(error.to_string()))?;
    Ok(Difference { text: changes.to_string(), changes: json })
}

/// A state that is compared.
struct State {
    snapshot: SnapshotId,
    /// Whether the snapshot was taken for this and for nothing else.
    is_ours: bool,
}

async fn state(service: &Service, asked: &Compare, said: &str) -> Result<State, Problem> {
    if let Ok(id) = SnapshotId::try_from(said.to_owned()) {
        return Ok(State { snapshot: service.supervisor.snapshot_of(&id)?.id, is_ours: false });
    }
    let sandbox = service.sandbox(asked.namespace.as_str(), said)?;
    let label = Some("to be compared, and then deleted".to_owned());
    let take = exeat_supervisor::Take { label, kind: Kind::Disk, cause: Cause::Asked };
    Ok(State { snapshot: service.supervisor.snapshot(&sandbox.id, take).await?.id, is_ours: true })
}

async fn put_away(service: &Service, state: State) {
    if state.is_ours
        && let Err(error) = service.supervisor.delete_snapshot(&state.snapshot).await
    {
        tracing::warn!(snapshot = %state.snapshot, %error, "a snapshot that was compared could not be deleted");
    }
}

async fn compared(service: &Service, before: &State, after: &State, all: bool) -> Result<Changes, Problem> {
    let work = move |before: Vec<PathBuf>, after: Vec<PathBuf>| {
        let (before, after) = (Tree::open(&before)?, Tree::open(&after)?);
        let side = |tree| Side { tree, observed: None };
        compare(&side(&before), &side(&after), Options { all })
    };
    let compared = service.supervisor.with_disks(&before.snapshot, &after.snapshot, work).await?;
    compared.map_err(|error| Problem::failed(error.to_string()))
}
