//! The headless Service of a sandbox: a name for its pod that stays when the pod does not.

use std::collections::BTreeMap;

use exeat_api::{Sandbox, labels, name_hash};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{Observed, Problem};
use crate::Key;
use crate::effect::{Act, Effect, Kind, replaced};
use crate::owners::{Owned, owned, reference};
use crate::views::Service;

/// What is to be done about the Service: made, kept as it shall be, or taken away.
pub(super) fn plan(observed: &Observed<'_>) -> Result<Vec<Effect>, Problem> {
    let sandbox = observed.sandbox;
    let key = Key::of(sandbox);
    let change = |patch| vec![Effect { on: Kind::Service, key: key.clone(), act: Act::Merge(patch) }];
    let create = || vec![Effect { on: Kind::Service, key: key.clone(), act: Act::Create(wanted(sandbox)) }];
    let Some(service) = &observed.service else {
        return Ok(if sandbox.spec.service == Some(true) { create() } else { Vec::new() });
    };
    let whose = owned(&service.metadata, &sandbox.uid().unwrap_or_default(), &name_hash(&key.name));
    match (whose, sandbox.spec.service) {
        (Owned::Ours, Some(false)) if service.metadata.deletion_timestamp.is_none() => {
            Ok(vec![Effect::delete(Kind::Service, &**service)])
        }
        (_, Some(false)) | (Owned::Adoptable | Owned::Nobodys, None) => Ok(Vec::new()),
        (Owned::Ours, _) => {
            Ok(if is_as_wanted(service, sandbox) { Vec::new() } else { change(patch(service, sandbox)) })
        }
        (Owned::Adoptable, Some(true)) => match service.spec.cluster_ip.as_deref() {
            None | Some("" | "None") => Ok(change(patch(service, sandbox))),
            Some(address) => Err(Problem::Passing(format!(
                "cannot adopt service `{}`: its `clusterIP` is `{address}`, which cannot be changed to `None`",
                key.name
            ))),
        },
        (Owned::Nobodys, Some(true)) => Err(Problem::Passing(format!(
            "cannot adopt unowned service `{}`: it has neither the label `{}=true` nor this sandbox's `{}`",
            key.name,
            labels::ADOPTABLE,
            labels::NAME_HASH
        ))),
        (Owned::Others(owner), _) => {
            Err(Problem::Passing(format!("service `{}` is owned by {owner}, not by sandbox `{}`", key.name, key.name)))
        }
    }
}

/// The Service that counts for a sandbox's status: its own.
pub(super) fn of<'o>(observed: &'o Observed<'_>) -> Option<&'o Service> {
    let sandbox = observed.sandbox;
    let service = observed.service.as_deref().filter(|_| sandbox.spec.service != Some(false))?;
    let whose = owned(&service.metadata, &sandbox.uid().unwrap_or_default(), &name_hash(&sandbox.name_any()));
    (whose == Owned::Ours && service.metadata.deletion_timestamp.is_none()).then_some(service)
}

fn selector(sandbox: &Sandbox) -> BTreeMap<String, String> {
    BTreeMap::from([(labels::NAME_HASH.to_owned(), name_hash(&sandbox.name_any()))])
}

fn is_as_wanted(service: &Service, sandbox: &Sandbox) -> bool {
    let selector = selector(sandbox);
    service.spec.selector == selector && selector.iter().all(|(key, value)| service.labels().get(key) == Some(value))
}

/// Makes it ours, and lead to our pod alone: a label more in its selector would make it lead nowhere.
fn patch(service: &Service, sandbox: &Sandbox) -> Value {
    let selector = selector(sandbox);
    json!({
        "metadata": {
            "resourceVersion": service.resource_version(), "labels": selector, "ownerReferences": [reference(sandbox)],
        },
        "spec": { "selector": replaced(&service.spec.selector, &selector) },
    })
}

fn wanted(sandbox: &Sandbox) -> Value {
    let mut spec = json!({ "clusterIP": "None", "selector": selector(sandbox) });
    let ports = ports(sandbox);
    if !ports.is_empty() {
        spec["ports"] = ports.into();
    }
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": sandbox.name_any(), "namespace": sandbox.namespace(), "labels": selector(sandbox),
            "ownerReferences": [reference(sandbox)],
        },
        "spec": spec,
    })
}

/// The ports of the pod's containers. Those without a name get one, since several ports need names.
fn ports(sandbox: &Sandbox) -> Vec<Value> {
    let spec = sandbox.spec.pod_template.spec.value();
    let containers = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let declared =
        containers.iter().flat_map(|container| container["ports"].as_array().map(Vec::as_slice).unwrap_or_default());
    let mut seen = Vec::new();
    let mut ports = Vec::new();
    for port in declared {
        let Some(number) = port["containerPort"].as_u64() else { continue };
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        if seen.contains(&(number, protocol)) {
            continue;
        }
        seen.push((number, protocol));
        let name = port["name"]
            .as_str()
            .map_or_else(|| format!("{}-{number}", protocol.to_ascii_lowercase()), ToOwned::to_owned);
        ports.push(json!({ "name": name, "port": number, "targetPort": number, "protocol": protocol }));
    }
    ports
}
