//! Making a sandbox for a claim, from the template of its pool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exeat_api::{
    EnvVar, InjectionPolicy, Reason, Sandbox, SandboxClaim, SandboxTemplate, VolumeClaimTemplate, annotations, labels,
    name_hash,
};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{Claims, Unbound, metadata};
use crate::Key;
use crate::calls::Failed;
use crate::effect::{Act, Effect, Kind};
use crate::owners::reference;
use crate::template::secure_defaults;

impl Claims {
    /// Makes the claim's sandbox, which has its name.
    pub(super) async fn create(&self, claim: &Arc<SandboxClaim>) -> Result<Arc<Sandbox>, Unbound> {
        let template = self.template(claim).await?;
        let key = Key::of(&**claim);
        let effect = Effect { on: Kind::Sandbox, key: key.clone(), act: Act::Create(sandbox(claim, &template)?) };
        match self.calls.act(&self.world, &effect).await {
            Ok(()) => {
                let pool = &claim.spec.warm_pool_ref.name;
                if let Some(sandbox) = self.world.sandboxes.get(&key) {
                    self.world.metrics.claim_bound(claim, &sandbox, pool);
                }
                let said = format!("created the sandbox `{}`", key.name);
                self.events.say_later(&**claim, "SandboxProvisioned", "Provision", said);
            }
            // One of that name is there; the next lines say whose it is.
            Err(Failed::Stale(_)) => {}
            Err(failed) => return Err(failed.into()),
        }
        let pending = || Unbound::new(Reason::SandboxCreatePending, "the sandbox is being made");
        self.find(claim).await?.ok_or_else(pending)
    }
}

/// The sandbox as it is to be made.
pub(super) fn sandbox(claim: &SandboxClaim, template: &SandboxTemplate) -> Result<Value, Unbound> {
    let uid = claim.uid().unwrap_or_default();
    let hash = name_hash(&template.name_any());
    let mut own = BTreeMap::from([
        (labels::CLAIM_UID, uid.clone()),
        (labels::LAUNCH_TYPE, "cold".to_owned()),
        (labels::TEMPLATE_REF_HASH, hash.clone()),
    ]);
    let mut pod = template.spec.pod_template.metadata.clone();
    pod.labels.insert(labels::CLAIM_UID.to_owned(), uid);
    pod.labels.insert(labels::TEMPLATE_REF_HASH.to_owned(), hash);
    if let Some(creator) = claim.labels().get(labels::CREATED_BY).filter(|creator| !creator.is_empty()) {
        own.insert(labels::CREATED_BY, creator.clone());
        pod.labels.insert(labels::CREATED_BY.to_owned(), creator.clone());
    }
    metadata::merge(&mut pod, &metadata::of(claim))?;
    let mut spec = template.spec.pod_template.spec.value();
    inject(&mut spec, &claim.spec.env, template.spec.env_vars_injection_policy)?;
    secure_defaults(template, &mut spec);
    let volumes = volumes(claim, template)?;
    let mut sandbox = json!({
        "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox",
        "metadata": {
            "name": claim.name_any(), "namespace": claim.namespace(), "labels": own,
            "annotations": { annotations::TEMPLATE_REF: template.name_any() }, "ownerReferences": [reference(claim)],
        },
        "spec": { "podTemplate": { "metadata": pod, "spec": spec } },
    });
    if !volumes.is_empty() {
        sandbox["spec"]["volumeClaimTemplates"] = json!(volumes);
    }
    if let Some(service) = template.spec.service {
        sandbox["spec"]["service"] = json!(service);
    }
    Ok(sandbox)
}

/// The claim's variables go where it says, as far as the template lets it.
fn inject(spec: &mut Value, variables: &[EnvVar], policy: InjectionPolicy) -> Result<(), Unbound> {
    let rejected = |why: String| Unbound::new(Reason::EnvVarsInjectionRejected, why);
    if variables.is_empty() {
        return Ok(());
    }
    if policy == InjectionPolicy::Disallowed {
        return Err(rejected("the template does not let claims set variables (`envVarsInjectionPolicy`)".to_owned()));
    }
    for variable in variables {
        let container = container(spec, &variable.container_name).ok_or_else(|| {
            rejected(format!(
                "`env`: there is no container `{}` for the variable `{}`",
                variable.container_name, variable.name
            ))
        })?;
        let reads_others = container["envFrom"].as_array().is_some_and(|sources| !sources.is_empty());
        if policy == InjectionPolicy::Allowed && reads_others {
            return Err(rejected(format!(
                "`env`: the container has `envFrom`, so it cannot be told whether `{}` replaces a variable; only \
                 `envVarsInjectionPolicy: Overrides` allows that",
                variable.name
            )));
        }
        if !container["env"].is_array() {
            container["env"] = json!([]);
        }
        let Some(known) = container["env"].as_array_mut() else { continue };
        let given = json!({ "name": variable.name, "value": variable.value });
        match known.iter_mut().find(|known| known["name"] == variable.name.as_str()) {
            Some(known) if policy == InjectionPolicy::Overrides => *known = given,
            Some(_) => {
                return Err(rejected(format!(
                    "`env`: the template sets `{}` already, and does not let claims replace it",
                    variable.name
                )));
            }
            None => known.push(given),
        }
    }
    Ok(())
}

/// The container of this name, also among those that run first; without a name the first one.
fn container<'s>(spec: &'s mut Value, name: &str) -> Option<&'s mut Value> {
    if name.is_empty() {
        return spec["containers"].get_mut(0);
    }
    // Looked for by index: two borrows of `spec` cannot live at once.
    let place = ["containers", "initContainers"].into_iter().find_map(|list| {
        let position = spec[list].as_array()?.iter().position(|container| container["name"] == name)?;
        Some((list, position))
    });
    place.and_then(|(list, position)| spec[list].get_mut(position))
}

/// The template's volumes and the claim's, as far as the template lets it.
fn volumes(claim: &SandboxClaim, template: &SandboxTemplate) -> Result<Vec<VolumeClaimTemplate>, Unbound> {
    let mut all = template.spec.volume_claim_templates.clone();
    let own = claim.spec.volume_claim_templates.as_slice();
    named_once(&all)?;
    named_once(own)?;
    let policy = template.spec.volume_claim_templates_policy;
    if !own.is_empty() && policy == InjectionPolicy::Disallowed {
        return Err(wrong_volumes("the template does not let claims bring volumes (`volumeClaimTemplatesPolicy`)"));
    }
    for volume in own {
        let name = &volume.metadata.name;
        match all.iter_mut().find(|known| known.metadata.name == *name) {
            Some(known) if policy == InjectionPolicy::Overrides => *known = volume.clone(),
            Some(_) => {
                let why = format!("the template has a volume `{name}` already, and does not let claims replace it");
                return Err(wrong_volumes(&why));
            }
            None => all.push(volume.clone()),
        }
    }
    Ok(all)
}

fn named_once(templates: &[VolumeClaimTemplate]) -> Result<(), Unbound> {
    let mut names = BTreeSet::new();
    for VolumeClaimTemplate { metadata, .. } in templates {
        if metadata.name.is_empty() {
            return Err(wrong_volumes("a template has no `metadata.name`"));
        }
        if !names.insert(metadata.name.as_str()) {
            return Err(wrong_volumes(&format!("the name `{}` is there twice", metadata.name)));
        }
    }
    Ok(())
}

fn wrong_volumes(why: &str) -> Unbound {
    Unbound::new(Reason::VolumeClaimTemplatesError, format!("`volumeClaimTemplates`: {why}"))
}
