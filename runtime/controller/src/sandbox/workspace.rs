//! What a sandbox's workspace starts from, and whether it is there yet.

use exeat_api::{ConditionType, Reason, Sandbox, SandboxSnapshot, annotations};
use kube::ResourceExt;

use super::{Observed, is_suspended};
use crate::snapshot::is_taken;
use crate::views::Pod;
use crate::wiring::{self, WORKSPACE};

/// Whether the gateway is its only way out, and so somebody inside reads its workspace out and in.
pub(crate) fn is_wired(sandbox: &Sandbox) -> bool {
    wiring::profile(&sandbox.spec.pod_template.metadata).is_some()
}

/// Whether the workspace is on a volume that stays when the pod does not.
pub(crate) fn is_kept(sandbox: &Sandbox) -> bool {
    let spec = sandbox.spec.pod_template.spec.value();
    let mounts = spec["containers"][0]["volumeMounts"].as_array();
    let mount = mounts.into_iter().flatten().find(|mount| mount["mountPath"] == WORKSPACE);
    // Wiring mounts the volume of this name, and makes one that does not stay where there is none.
    let name = mount.map_or(Some("workspace"), |mount| mount["name"].as_str());
    let is_claimed = |name: &str| sandbox.spec.volume_claim_templates.iter().any(|known| known.metadata.name == name);
    let volume = spec["volumes"].as_array().into_iter().flatten().find(|volume| volume["name"].as_str() == name);
    name.is_some_and(is_claimed) || volume.is_some_and(|volume| volume["emptyDir"].is_null())
}

/// An annotation that says something.
pub(crate) fn noted<'s>(sandbox: &'s Sandbox, annotation: &str) -> Option<&'s str> {
    sandbox.annotations().get(annotation).map(String::as_str).filter(|value| !value.is_empty())
}

/// The snapshot that the sandbox's pods are asked to start from.
pub(crate) fn asked(sandbox: &Sandbox) -> Option<&str> {
    let template = &sandbox.spec.pod_template.metadata.annotations;
    template.get(annotations::SNAPSHOT).map(String::as_str).filter(|name| !name.is_empty())
}

/// The snapshot that a pod which is made now starts from. What was asked for counts once; from then on it is the last state
/// that is known, unless a volume has a later one.
pub(crate) fn origin(sandbox: &Sandbox) -> Option<&str> {
    if !is_wired(sandbox) {
        return None;
    }
    let fresh = asked(sandbox).filter(|asked| noted(sandbox, annotations::RESTORED) != Some(asked));
    let last = || noted(sandbox, annotations::LAST_SNAPSHOT).filter(|_| !is_kept(sandbox));
    noted(sandbox, annotations::RESTORING).or(fresh).or_else(last)
}

/// The snapshot that this pod has still to be restored from.
pub(crate) fn pending<'s>(sandbox: &'s Sandbox, pod: &'s Pod) -> Option<&'s str> {
    if !is_wired(sandbox) {
        return None;
    }
    let at_start = || pod.annotations().get(annotations::SNAPSHOT).filter(|_| !is_restored(pod)).map(String::as_str);
    noted(sandbox, annotations::RESTORING).or_else(at_start)
}

fn is_restored(pod: &Pod) -> bool {
    pod.condition(ConditionType::PodRestored.as_str()).is_some_and(|restored| restored.status == "True")
}

/// The snapshot of this name, if it can be gone back to; else why not, in a word and for people.
pub(crate) fn usable(has_store: bool, found: Option<&SandboxSnapshot>, name: &str) -> Result<(), (Reason, String)> {
    if !has_store {
        return Err((
            Reason::NoSnapshotStore,
            "the controller has no store of snapshots (`--snapshot-store`)".to_owned(),
        ));
    }
    match found {
        Some(snapshot) if snapshot.metadata.deletion_timestamp.is_some() => {
            Err((Reason::SnapshotNotFound, format!("the snapshot `{name}` is being deleted")))
        }
        Some(snapshot) if is_taken(snapshot) => Ok(()),
        Some(_) => Err((Reason::SnapshotNotReady, format!("the snapshot `{name}` is not whole yet"))),
        None => Err((Reason::SnapshotNotFound, format!("there is no snapshot `{name}` in this namespace"))),
    }
}

/// Why the workspace is not there yet, where it is not: in a word, and for people.
pub(super) fn missing(observed: &Observed<'_>, pod: &Pod) -> Option<(Reason, String)> {
    let sandbox = observed.sandbox;
    let name = pending(sandbox, pod).filter(|_| !is_suspended(sandbox))?;
    if let Err(why) = observed.usable(name) {
        return Some(why);
    }
    let said = pod.condition(ConditionType::PodRestored.as_str()).filter(|said| said.status == "False");
    let failed = said.filter(|said| said.reason.as_deref() == Some(Reason::RestoreFailed.as_str()));
    Some(match failed {
        Some(failed) => (Reason::RestoreFailed, failed.message.clone().unwrap_or_default()),
        None => (Reason::Restoring, format!("the workspace is being restored from the snapshot `{name}`")),
    })
}
