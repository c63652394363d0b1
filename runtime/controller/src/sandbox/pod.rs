//! The pod of a sandbox.

use exeat_api::{ConditionType, Sandbox, annotations, name_hash};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::labels::{changes, metadata};
use super::{Observed, Problem, is_suspended, pod_name, saved, status, volumes, workspace};
use crate::Key;
use crate::effect::{Act, Effect, Kind};
use crate::owners::{Owned, owned, reference};
use crate::views::Pod;

/// The first pause before a failed pod is made anew, where that is asked for; each one more doubles it.
const FIRST_RECREATION: SignedDuration = SignedDuration::from_secs(10);
/// The longest such pause.
const LONGEST_RECREATION: SignedDuration = SignedDuration::from_mins(5);

/// What is to be done about the pod.
pub(super) fn plan(observed: &Observed<'_>) -> Result<Vec<Effect>, Problem> {
    let sandbox = observed.sandbox;
    let key = Key::of(sandbox).beside(pod_name(sandbox));
    let effect = |act| Effect { on: Kind::Pod, key: key.clone(), act };
    let Some(pod) = &observed.pod else {
        if is_suspended(sandbox) {
            return Ok(Vec::new());
        }
        // No agent begins with an empty workspace where it left a full one.
        if let Some(Err((reason, why))) = workspace::origin(sandbox).map(|name| observed.usable(name)) {
            return Err(Problem::Waiting(reason, why));
        }
        return Ok(vec![effect(Act::Create(wanted(observed)?))]);
    };
    let whose = owned(&pod.metadata, &sandbox.uid().unwrap_or_default(), &name_hash(&sandbox.name_any()));
    let delete = || Ok(vec![Effect::delete(Kind::Pod, &**pod)]);
    match whose {
        // What is on its way out is left alone; when it is gone, what is wanted then is made.
        Owned::Ours if pod.metadata.deletion_timestamp.is_some() => Ok(Vec::new()),
        Owned::Ours if is_suspended(sandbox) => saved::plan(observed, pod).map_or_else(delete, Ok),
        Owned::Ours if recreation_due(observed).is_some_and(|due| due <= observed.now) => {
            let made = recreations(sandbox) + 1;
            let note = Effect::annotate(sandbox, json!({ annotations::RECREATIONS: made.to_string() }));
            Ok([vec![note], delete()?].concat())
        }
        Owned::Ours => Ok(changes(sandbox, pod)
            .map(|metadata| effect(Act::Merge(json!({ "metadata": metadata }))))
            .into_iter()
            .collect()),
        Owned::Others(_) | Owned::Nobodys if is_suspended(sandbox) => Ok(Vec::new()),
        Owned::Adoptable => {
            let mut metadata = changes(sandbox, pod).unwrap_or_else(|| json!({}));
            metadata["ownerReferences"] = json!([reference(sandbox)]);
            // Two sandboxes may want it: the first one gets it.
            metadata["resourceVersion"] = json!(pod.resource_version());
            Ok(vec![effect(Act::Merge(json!({ "metadata": metadata })))])
        }
        Owned::Nobodys => Err(Problem::Passing(format!(
            "cannot adopt unowned pod `{}`: it has neither the label `{}=true` nor this sandbox's `{}`",
            key.name,
            exeat_api::labels::ADOPTABLE,
            exeat_api::labels::NAME_HASH
        ))),
        Owned::Others(owner) => Err(Problem::Passing(format!(
            "pod `{}` is owned by {owner}, not by sandbox `{}`",
            key.name,
            sandbox.name_any()
        ))),
    }
}

/// The pod as it is to be made.
fn wanted(observed: &Observed<'_>) -> Result<Value, Problem> {
    let sandbox = observed.sandbox;
    let mut spec = sandbox.spec.pod_template.spec.value();
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        return Err(Problem::Lasting(
            "`spec.podTemplate.spec.containers` is empty: a pod needs a container".to_owned(),
        ));
    }
    volumes::mount(sandbox, &mut spec)?;
    if sandbox.spec.service == Some(true) {
        // The name under which the headless Service knows the pod.
        let name = sandbox.name_any();
        for field in ["hostname", "subdomain"] {
            if spec[field].is_null() && name.len() <= 63 {
                spec[field] = json!(name);
            }
        }
    }
    if workspace::origin(sandbox).is_some() {
        let gate = json!({ "conditionType": ConditionType::PodRestored.as_str() });
        match spec["readinessGates"].as_array_mut() {
            Some(gates) if gates.contains(&gate) => {}
            Some(gates) => gates.push(gate),
            None => spec["readinessGates"] = json!([gate]),
        }
    }
    let metadata = metadata(sandbox, workspace::origin(sandbox));
    Ok(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": pod_name(sandbox), "namespace": sandbox.namespace(), "labels": metadata.labels,
            "annotations": metadata.annotations, "ownerReferences": [reference(sandbox)],
        },
        "spec": spec,
    }))
}

/// When a pod that has failed is made anew, with the same volumes: where its sandbox asks for that.
pub(super) fn recreation_due(observed: &Observed<'_>) -> Option<Timestamp> {
    let sandbox = observed.sandbox;
    let asked = asks(sandbox, annotations::RECREATE).is_some_and(|asked| asked == "on-failure");
    observed.pod.as_ref().filter(|pod| asked && !is_suspended(sandbox) && has_failed(pod))?;
    // It is said to have failed before it goes.
    let since = status::finished_since(sandbox)?;
    let factor = 1_i32 << recreations(sandbox).min(10);
    let pause = FIRST_RECREATION.checked_mul(factor).unwrap_or(LONGEST_RECREATION).min(LONGEST_RECREATION);
    since.checked_add(pause).ok()
}

fn has_failed(pod: &Pod) -> bool {
    pod.status.phase.as_deref() == Some("Failed")
}

fn recreations(sandbox: &Sandbox) -> u32 {
    sandbox.annotations().get(annotations::RECREATIONS).and_then(|made| made.parse().ok()).unwrap_or(0)
}

/// A wish of ours that has no field in others' kinds: on the sandbox, or on the template of its pod.
pub(super) fn asks<'s>(sandbox: &'s Sandbox, annotation: &str) -> Option<&'s str> {
    let template = &sandbox.spec.pod_template.metadata.annotations;
    sandbox.annotations().get(annotation).or_else(|| template.get(annotation)).map(String::as_str)
}
