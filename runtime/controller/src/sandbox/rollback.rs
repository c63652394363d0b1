//! Going back: what is there is saved, then the workspace of the running pod is replaced.
//!
//! ```text
//!   rollback-to ─▶ before-rollback ─▶ a snapshot of what is there ─▶ restoring ─▶ (restore/) ─▶ all three gone
//! ```

use exeat_api::{Reason, annotations};
use kube::ResourceExt;
use serde_json::{Map, Value, json};

use super::{Observed, is_suspended, saved, workspace};
use crate::effect::Effect;
use crate::snapshot::is_taken;
use crate::views::Pod;

/// The next step.
pub(super) fn plan(observed: &Observed<'_>) -> Vec<Effect> {
    let sandbox = observed.sandbox;
    let Some(to) = workspace::noted(sandbox, annotations::ROLLBACK_TO) else { return Vec::new() };
    let note = |noted: Value| vec![Effect::annotate(sandbox, noted)];
    if refusal(observed, to).is_some() {
        return Vec::new();
    }
    let Some(pod) = &observed.pod else {
        // What was there is in the last snapshot, or was lost with its pod. The next pod starts from this one.
        return if workspace::is_kept(sandbox) { Vec::new() } else { note(restored(observed, to).into()) };
    };
    let is_restoring = workspace::noted(sandbox, annotations::RESTORING).is_some();
    if is_restoring || is_suspended(sandbox) || !can_start(observed, pod) {
        return Vec::new();
    }
    let Some(before) = workspace::noted(sandbox, annotations::BEFORE_ROLLBACK) else {
        // The version is another one for each time that somebody asks.
        let occasion = format!("{to} {}", sandbox.resource_version().unwrap_or_default());
        return note(json!({ annotations::BEFORE_ROLLBACK: saved::named(sandbox, &occasion) }));
    };
    match observed.snapshot(before) {
        None => vec![saved::create(sandbox, before, "rollback")],
        Some(snapshot) if is_taken(snapshot) => note(json!({ annotations::RESTORING: to })),
        Some(_) => Vec::new(),
    }
}

/// What a sandbox's annotations are once its workspace is that of a snapshot.
pub(crate) fn restored(observed: &Observed<'_>, name: &str) -> Map<String, Value> {
    let sandbox = observed.sandbox;
    let mut noted = Map::from_iter([(annotations::LAST_SNAPSHOT.to_owned(), json!(name))]);
    // What its pods were asked to start from is over, whichever it was.
    if let Some(asked) = workspace::asked(sandbox) {
        noted.insert(annotations::RESTORED.to_owned(), json!(asked));
    }
    let over = [annotations::RESTORING, annotations::BEFORE_ROLLBACK];
    let is_done = workspace::noted(sandbox, annotations::ROLLBACK_TO) == Some(name);
    for annotation in over.into_iter().chain(is_done.then_some(annotations::ROLLBACK_TO)) {
        if sandbox.annotations().contains_key(annotation) {
            noted.insert(annotation.to_owned(), Value::Null);
        }
    }
    noted.retain(|annotation, value| {
        value.is_null() || sandbox.annotations().get(annotation).map(String::as_str) != value.as_str()
    });
    noted
}

/// Why a sandbox does not go back, or not yet: in a word, and for people.
pub(super) fn refusal(observed: &Observed<'_>, to: &str) -> Option<(Reason, String)> {
    let sandbox = observed.sandbox;
    if !workspace::is_wired(sandbox) {
        return Some((Reason::NotWired, "only a sandbox with a profile (`exeat.dev/profile`) can go back".to_owned()));
    }
    if let Err(why) = observed.usable(to) {
        return Some(why);
    }
    if is_suspended(sandbox) && workspace::is_kept(sandbox) {
        let why = "its workspace is on a volume: it goes back once the sandbox runs";
        return Some((Reason::SandboxNotRunning, why.to_owned()));
    }
    None
}

/// How far it is, for its condition.
pub(super) fn progress(observed: &Observed<'_>, to: &str) -> (Reason, String) {
    if let Some(why) = refusal(observed, to) {
        return why;
    }
    let sandbox = observed.sandbox;
    if workspace::noted(sandbox, annotations::RESTORING).is_some() {
        return (Reason::Restoring, format!("the workspace is being replaced by the snapshot `{to}`"));
    }
    match workspace::noted(sandbox, annotations::BEFORE_ROLLBACK) {
        Some(before) => (Reason::Taking, format!("what is there is being saved in the snapshot `{before}`")),
        None => (Reason::SandboxNotRunning, "the sandbox does not run yet".to_owned()),
    }
}

fn can_start(observed: &Observed<'_>, pod: &Pod) -> bool {
    pod.runs() && workspace::pending(observed.sandbox, pod).is_none()
}
