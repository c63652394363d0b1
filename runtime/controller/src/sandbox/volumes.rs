//! The volumes that a sandbox keeps.

use exeat_api::{Sandbox, VolumeClaimTemplate, labels, name_hash};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{Observed, Problem};
use crate::Key;
use crate::effect::{Act, Effect, Kind};
use crate::owners::{Owned, owned, reference};

/// The name of the claim that a template stands for.
pub(super) fn name(template: &VolumeClaimTemplate, sandbox: &Sandbox) -> String {
    format!("{}-{}", template.metadata.name, sandbox.name_any())
}

/// Claims that are missing, or that are nobody's and ours to take. They stay as long as the sandbox does.
pub(super) fn plan(observed: &Observed<'_>) -> Result<Vec<Effect>, Problem> {
    let sandbox = observed.sandbox;
    let hash = name_hash(&sandbox.name_any());
    let mut effects = Vec::new();
    for (template, found) in sandbox.spec.volume_claim_templates.iter().zip(&observed.volumes) {
        if template.metadata.name.is_empty() {
            return Err(Problem::Lasting("`spec.volumeClaimTemplates[].metadata.name` is empty".to_owned()));
        }
        let key = Key::of(sandbox).beside(&name(template, sandbox));
        let act = match found {
            None => Act::Create(claim(sandbox, template, &key, &hash)),
            Some(claim) => match owned(&claim.metadata, &sandbox.uid().unwrap_or_default(), &hash) {
                Owned::Ours => continue,
                Owned::Adoptable => Act::Merge(json!({ "metadata": {
                    "ownerReferences": [reference(sandbox)], "resourceVersion": claim.resource_version(),
                } })),
                Owned::Nobodys => {
                    return Err(Problem::Passing(format!(
                        "cannot adopt unowned volume claim `{}`: it has neither the label `{}=true` nor this sandbox's `{}`",
                        key.name,
                        labels::ADOPTABLE,
                        labels::NAME_HASH
                    )));
                }
                Owned::Others(owner) => {
                    return Err(Problem::Passing(format!(
                        "volume claim `{}` is owned by {owner}, not by sandbox `{}`",
                        key.name,
                        sandbox.name_any()
                    )));
                }
            },
        };
        effects.push(Effect { on: Kind::PersistentVolumeClaim, key, act });
    }
    Ok(effects)
}

fn claim(sandbox: &Sandbox, template: &VolumeClaimTemplate, key: &Key, hash: &str) -> Value {
    let mut labels = template.metadata.labels.clone();
    labels.insert(labels::NAME_HASH.to_owned(), hash.to_owned());
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": &*key.name, "namespace": &*key.namespace, "labels": labels,
            "annotations": template.metadata.annotations, "ownerReferences": [reference(sandbox)],
        },
        "spec": template.spec,
    })
}

/// Puts the claims among the pod's volumes, in place of what has the same name there.
pub(super) fn mount(sandbox: &Sandbox, spec: &mut Value) -> Result<(), Problem> {
    if sandbox.spec.volume_claim_templates.is_empty() {
        return Ok(());
    }
    let wrong = || Problem::Lasting("`spec.podTemplate.spec.volumes` is not a list".to_owned());
    if spec["volumes"].is_null() {
        spec["volumes"] = json!([]);
    }
    let volumes = spec["volumes"].as_array_mut().ok_or_else(wrong)?;
    for template in &sandbox.spec.volume_claim_templates {
        let own = template.metadata.name.as_str();
        volumes.retain(|volume| volume["name"] != own);
        volumes.push(json!({ "name": own, "persistentVolumeClaim": { "claimName": name(template, sandbox) } }));
    }
    Ok(())
}
