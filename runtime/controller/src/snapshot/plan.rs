//! What is to be done about a snapshot. Pure.

use std::net::IpAddr;

use exeat_api::{ConditionType, Reason, ResourceExt, Sandbox, SandboxSnapshot, SnapshotKind, annotations, finalizers};
use serde_json::json;

use crate::Key;
use crate::effect::{Act, Effect, Kind};
use crate::owners::is_owned;
use crate::sandbox::workspace;
use crate::views::Pod;

/// Everything that deciding about a snapshot needs to know.
pub(super) struct Observed<'o> {
    pub(super) snapshot: &'o SandboxSnapshot,
    /// The sandbox that it is to be of.
    pub(super) sandbox: Option<&'o Sandbox>,
    /// That sandbox's pod.
    pub(super) pod: Option<&'o Pod>,
    pub(super) has_store: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Nothing,
    /// Say why it is not taken.
    Say(Reason, String),
    Do(Effect),
    Take(Source),
    Remove,
}

/// Where it is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) address: IpAddr,
    pub(super) sandbox_uid: String,
    pub(super) parent: Option<String>,
}

/// Whether it is whole, and can be gone back to.
pub(crate) fn is_taken(snapshot: &SandboxSnapshot) -> bool {
    let conditions = snapshot.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().any(|condition| condition.is_true(ConditionType::Ready))
}

/// Why it is not taken, where that does not pass by itself.
pub(crate) fn failure(snapshot: &SandboxSnapshot) -> Option<&str> {
    let ready = snapshot.status.as_ref()?.conditions.first().filter(|_| !is_taken(snapshot))?;
    let passing = [Reason::Taking, Reason::Restoring].map(Reason::as_str);
    (!passing.contains(&ready.reason.as_str())).then_some(ready.message.as_str())
}

/// The next step.
pub(super) fn plan(observed: &Observed<'_>) -> Step {
    let snapshot = observed.snapshot;
    let is_held = snapshot.finalizers().iter().any(|held| held == finalizers::STORED);
    if snapshot.metadata.deletion_timestamp.is_some() {
        return if is_held { Step::Remove } else { Step::Nothing };
    }
    if is_taken(snapshot) {
        return Step::Nothing;
    }
    let source = match source(observed) {
        Ok(source) => source,
        Err((reason, why)) => return Step::Say(reason, why),
    };
    if is_held { Step::Take(source) } else { Step::Do(hold(snapshot)) }
}

/// Where it is taken from; else why it cannot be now: in a word, and for people.
fn source(observed: &Observed<'_>) -> Result<Source, (Reason, String)> {
    let name = &observed.snapshot.spec.sandbox_name;
    let no = |reason, why: String| Err((reason, why));
    if observed.snapshot.spec.kind == SnapshotKind::Live {
        let why = "memory cannot be kept: no node's runtime writes it down; take a snapshot of kind `Disk`";
        return no(Reason::LiveNotSupported, why.to_owned());
    }
    if !observed.has_store {
        return no(Reason::NoSnapshotStore, "the controller has no store of snapshots (`--snapshot-store`)".to_owned());
    }
    let Some(sandbox) = observed.sandbox.filter(|sandbox| sandbox.metadata.deletion_timestamp.is_none()) else {
        return no(Reason::SandboxNotFound, format!("there is no sandbox `{name}` in this namespace"));
    };
    if !workspace::is_wired(sandbox) {
        let why = format!(
            "the sandbox `{name}` has no profile (`exeat.dev/profile`), so nobody inside reads its workspace out"
        );
        return no(Reason::NotWired, why);
    }
    let uid = sandbox.uid().unwrap_or_default();
    let running = observed.pod.filter(|pod| is_owned(&pod.metadata, &uid) && pod.runs());
    let running = running.and_then(|pod| Some((pod, pod.address()?)));
    let Some((pod, address)) = running else {
        return no(Reason::SandboxNotRunning, format!("the sandbox `{name}` does not run"));
    };
    if let Some(from) = workspace::pending(sandbox, pod) {
        return no(Reason::Restoring, format!("the workspace of `{name}` is still being restored from `{from}`"));
    }
    let parent = workspace::noted(sandbox, annotations::LAST_SNAPSHOT);
    let parent = parent.filter(|parent| *parent != observed.snapshot.name_any()).map(ToOwned::to_owned);
    Ok(Source { address, sandbox_uid: uid, parent })
}

/// From before anything of it is stored until nothing is, its object stays.
fn hold(snapshot: &SandboxSnapshot) -> Effect {
    let mut held = snapshot.finalizers().to_vec();
    held.push(finalizers::STORED.to_owned());
    let patch = json!({ "metadata": { "resourceVersion": snapshot.resource_version(), "finalizers": held } });
    Effect { on: Kind::SandboxSnapshot, key: Key::of(snapshot), act: Act::Merge(patch) }
}
