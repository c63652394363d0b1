//! Labels and annotations of a sandbox's pod.

use std::collections::BTreeMap;

use exeat_api::{Sandbox, annotations, labels, name_hash};
use kube::ResourceExt;

use super::workspace;
use crate::owners::controller;

/// Prefixes that templates cannot set: whoever could would be taken for another sandbox.
const RESERVED: [&str; 2] = ["agents.x-k8s.io/", "extensions.agents.x-k8s.io/"];
/// Who may be named as having made a claim; everybody else is `unknown`, so that metrics stay few.
const CREATORS: [&str; 3] = ["go-client", "python-client", "controller"];

/// The name of a sandbox's pod: its own, unless an older controller has noted another.
pub(crate) fn pod_name(sandbox: &Sandbox) -> &str {
    let noted = sandbox.annotations().get(annotations::POD_NAME).filter(|name| !name.is_empty());
    noted.map_or_else(|| sandbox.metadata.name.as_deref().unwrap_or_default(), String::as_str)
}

/// The creator as labels of pods and metrics have it.
pub(crate) fn creator(named: &str) -> &str {
    if CREATORS.contains(&named) { named } else { "unknown" }
}

fn is_reserved(key: &str) -> bool {
    RESERVED.iter().any(|prefix| key.starts_with(prefix))
}

/// What a pod's metadata shall be.
pub(super) struct Metadata {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// Labels that a pod has only as long as its sandbox says so.
const EXTENSION_LABELS: [&str; 2] = [labels::WARM_POOL, labels::TEMPLATE_REF_HASH];

/// The pod's metadata: the template's, less what is reserved, and our own. `snapshot` is what a wired pod holds, or shall.
pub(super) fn metadata(sandbox: &Sandbox, snapshot: Option<&str>) -> Metadata {
    let template = &sandbox.spec.pod_template.metadata;
    let free = |map: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        map.iter().filter(|(key, _)| !is_reserved(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let (mut labels, mut annotations) = (free(&template.labels), free(&template.annotations));
    // What a pod starts from is not changed by what the next one is asked to.
    let is_wired = workspace::is_wired(sandbox);
    if is_wired {
        annotations.remove(annotations::SNAPSHOT);
    }
    // What came from the template is noted, so that it goes when the template drops it.
    let listed = |map: &BTreeMap<String, String>| map.keys().map(String::as_str).collect::<Vec<_>>().join(",");
    let propagated = [
        (annotations::PROPAGATED_LABELS, listed(&labels)),
        (annotations::PROPAGATED_ANNOTATIONS, listed(&annotations)),
    ];
    annotations.extend(
        propagated.into_iter().filter(|(_, keys)| !keys.is_empty()).map(|(name, keys)| (name.to_owned(), keys)),
    );
    labels.insert(labels::NAME_HASH.to_owned(), name_hash(&sandbox.name_any()));
    labels.extend(extension(sandbox));
    if let Some(named) = sandbox.labels().get(labels::CREATED_BY).filter(|named| !named.is_empty()) {
        labels.insert(labels::CREATED_BY.to_owned(), creator(named).to_owned());
    }
    if let Some(snapshot) = snapshot.filter(|_| is_wired) {
        annotations.insert(annotations::SNAPSHOT.to_owned(), snapshot.to_owned());
    }
    Metadata { labels, annotations }
}

fn extension(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let Some(owner) = controller(&sandbox.metadata) else { return BTreeMap::new() };
    if !owner.api_version.starts_with(exeat_api::EXTENSIONS) {
        return BTreeMap::new();
    }
    let waits = owner.kind == "SandboxWarmPool";
    let kept = EXTENSION_LABELS.into_iter().filter(|label| *label != labels::WARM_POOL || waits);
    let of = |label: &str| sandbox.labels().get(label).filter(|value| !value.is_empty()).cloned();
    kept.filter_map(|label| Some((label.to_owned(), of(label)?))).collect()
}

/// What has to change of a pod's labels and annotations, as the two maps of a merge patch; a `null` takes one away.
pub(super) fn changes(sandbox: &Sandbox, pod: &crate::views::Pod) -> Option<serde_json::Value> {
    let holds = pod.annotations().get(annotations::SNAPSHOT).map(String::as_str);
    let wanted = metadata(sandbox, workspace::noted(sandbox, annotations::RESTORING).or(holds));
    let listed = |annotation: &str| -> Vec<String> {
        let keys = pod.annotations().get(annotation).map(String::as_str).unwrap_or_default();
        keys.split(',').filter(|key| !key.is_empty()).map(ToOwned::to_owned).collect()
    };
    let mut old_labels = listed(annotations::PROPAGATED_LABELS);
    old_labels.extend(EXTENSION_LABELS.iter().chain(&[labels::CREATED_BY]).map(|label| (*label).to_owned()));
    let mut old_annotations = listed(annotations::PROPAGATED_ANNOTATIONS);
    old_annotations
        .extend([annotations::PROPAGATED_LABELS, annotations::PROPAGATED_ANNOTATIONS].map(ToOwned::to_owned));
    let labels = difference(pod.labels(), &wanted.labels, &old_labels);
    let annotations = difference(pod.annotations(), &wanted.annotations, &old_annotations);
    if labels.is_empty() && annotations.is_empty() {
        return None;
    }
    let mut metadata = serde_json::Map::new();
    for (name, changed) in [("labels", labels), ("annotations", annotations)] {
        if !changed.is_empty() {
            metadata.insert(name.to_owned(), changed.into());
        }
    }
    Some(metadata.into())
}

fn difference(
    is: &BTreeMap<String, String>, shall: &BTreeMap<String, String>, once_ours: &[String],
) -> serde_json::Map<String, serde_json::Value> {
    let set = shall.iter().filter(|(key, value)| is.get(*key) != Some(value));
    let mut changed: serde_json::Map<_, _> = set.map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    for key in once_ours.iter().filter(|key| is.contains_key(*key) && !shall.contains_key(*key)) {
        changed.insert(key.clone(), serde_json::Value::Null);
    }
    changed
}
