//! What clients ask before they begin: which groups there are, and what is in them.

use serde_json::{Value, json};

use crate::resource::Resource;

/// The answer at a path of discovery, where it is one.
pub(crate) fn answer(segments: &[&str]) -> Option<Value> {
    match segments {
        ["healthz" | "livez" | "readyz"] => Some(json!("ok")),
        ["version"] => Some(version()),
        ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })),
        ["api", "v1"] => resources("", "v1"),
        ["apis"] => Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups() })),
        ["apis", group] => groups().into_iter().find(|known| known["name"] == *group).map(|mut known| {
            known["kind"] = json!("APIGroup");
            known["apiVersion"] = json!("v1");
            known
        }),
        ["apis", group, version] => resources(group, version),
        _ => None,
    }
}

/// The minor version is that of the Kubernetes whose conventions are followed.
fn version() -> Value {
    let version = concat!("v1.34.0+exeat.", env!("CARGO_PKG_VERSION"));
    json!({ "major": "1", "minor": "34", "gitVersion": version, "platform": "linux" })
}

fn groups() -> Vec<Value> {
    let mut groups: Vec<Value> = Vec::new();
    for resource in Resource::ALL.into_iter().filter(|resource| !resource.group().is_empty()) {
        if groups.iter().all(|known| known["name"] != resource.group()) {
            let version = json!({ "groupVersion": resource.api_version(), "version": resource.version() });
            groups.push(json!({ "name": resource.group(), "versions": [version], "preferredVersion": version }));
        }
    }
    groups
}

fn resources(group: &str, version: &str) -> Option<Value> {
    let found = Resource::ALL.into_iter().filter(|known| known.group() == group && known.version() == version);
    let resources: Vec<Value> = found
        .map(|known| {
            json!({
                "name": known.plural(), "singularName": known.kind().to_lowercase(), "namespaced": true,
                "kind": known.kind(), "verbs": known.verbs(),
            })
        })
        .collect();
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let list = json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources });
    (!resources.is_empty()).then_some(list)
}
