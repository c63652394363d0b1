//! A workspace that would go with its pod is saved first: a snapshot, then the pod goes.

use exeat_api::{Sandbox, annotations, labels, name_hash};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{Observed, is_suspended, workspace};
use crate::Key;
use crate::effect::{Act, Effect, Kind};
use crate::owners::reference;
use crate::snapshot::{failure, is_taken};
use crate::views::Pod;

/// Longer names of sandboxes are cut in their snapshots' names.
const NAME: usize = 200;

/// What is to be done before the pod of a suspended sandbox goes. Nothing where it can go; no effects where it has to wait.
pub(super) fn plan(observed: &Observed<'_>, pod: &Pod) -> Option<Vec<Effect>> {
    let name = name(observed, pod)?;
    match observed.snapshot(&name) {
        None => Some(vec![create(observed.sandbox, &name, "suspend")]),
        Some(snapshot) if !is_taken(snapshot) => Some(Vec::new()),
        Some(_) if workspace::noted(observed.sandbox, annotations::LAST_SNAPSHOT) == Some(&name) => None,
        // The next pod starts from it.
        Some(_) => Some(vec![Effect::annotate(observed.sandbox, json!({ annotations::LAST_SNAPSHOT: name }))]),
    }
}

/// The snapshot that a suspended sandbox's workspace is saved in. None where there is nothing to save: it is on a volume, is
/// not there yet, or nobody runs who could read it out.
pub(super) fn name(observed: &Observed<'_>, pod: &Pod) -> Option<String> {
    let sandbox = observed.sandbox;
    let saves = is_suspended(sandbox) && observed.has_store && workspace::is_wired(sandbox) && pod.runs();
    if !saves || workspace::is_kept(sandbox) || workspace::pending(sandbox, pod).is_some() {
        return None;
    }
    // A sandbox that was resumed before its pod went has worked on: the next time is another one.
    let which = format!("{} {}", pod.uid().unwrap_or_default(), sandbox.metadata.generation.unwrap_or_default());
    Some(named(sandbox, &which))
}

/// A snapshot's name for this occasion of the sandbox.
pub(super) fn named(sandbox: &Sandbox, occasion: &str) -> String {
    let name = sandbox.name_any();
    let cut = name.get(..NAME).unwrap_or(&name).trim_end_matches(['-', '.']);
    format!("{cut}-{}", name_hash(occasion))
}

/// A snapshot that nobody has asked for. It goes with the sandbox.
pub(super) fn create(sandbox: &Sandbox, name: &str, before: &str) -> Effect {
    Effect {
        on: Kind::SandboxSnapshot,
        key: Key::of(sandbox).beside(name),
        act: Act::Create(wanted(sandbox, name, before)),
    }
}

fn wanted(sandbox: &Sandbox, name: &str, before: &str) -> Value {
    let mut owner = reference(sandbox);
    owner["controller"] = json!(false);
    owner["blockOwnerDeletion"] = json!(false);
    json!({
        "apiVersion": "exeat.dev/v1alpha1", "kind": "SandboxSnapshot",
        "metadata": {
            "name": name, "namespace": sandbox.namespace(), "ownerReferences": [owner],
            "labels": { labels::TAKEN_BEFORE: before, labels::NAME_HASH: name_hash(&sandbox.name_any()) },
        },
        "spec": { "sandboxName": sandbox.name_any(), "kind": "Disk" },
    })
}

/// Where a sandbox that is being suspended is, for people.
pub(super) fn said(observed: &Observed<'_>, pod: &Pod) -> Option<String> {
    let name = name(observed, pod)?;
    let failed = observed.snapshot(&name).and_then(failure);
    Some(match failed {
        Some(why) => format!("the workspace cannot be saved in the snapshot `{name}`, so the pod stays: {why}"),
        None => format!("the workspace is being saved in the snapshot `{name}`"),
    })
}
