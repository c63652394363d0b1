//! One sandbox of a pool, as it is made.

use exeat_api::{Json, Sandbox, SandboxTemplate, SandboxWarmPool, VolumeClaimTemplate, annotations, labels, name_hash};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::new_name;
use crate::Key;
use crate::effect::{Act, Effect, Kind};
use crate::owners::reference;
use crate::template::secure_defaults;

/// A new one. Its name is chosen here, so that the caches know it before the API server's watch does.
pub(super) fn effect(pool: &SandboxWarmPool, template: &SandboxTemplate) -> Effect {
    let name = new_name(pool);
    let body = wanted(pool, template, &name);
    Effect { on: Kind::Sandbox, key: Key::of(pool).beside(&name), act: Act::Create(body) }
}

fn wanted(pool: &SandboxWarmPool, template: &SandboxTemplate, name: &str) -> Value {
    let own = json!({
        labels::WARM_POOL: name_hash(&pool.name_any()),
        labels::TEMPLATE_REF_HASH: name_hash(&template.name_any()),
        labels::TEMPLATE_HASH: blueprint_hash(template),
    });
    let mut pod = json!(template.spec.pod_template.metadata);
    if !pod["labels"].is_object() {
        pod["labels"] = json!({});
    }
    let mut labels = own.clone();
    labels[labels::LAUNCH_TYPE] = json!("warm");
    labels[labels::CREATED_BY] = json!("controller");
    if let (Some(of_pod), Some(own)) = (pod["labels"].as_object_mut(), own.as_object()) {
        of_pod.extend(own.clone());
    }
    let mut sandbox = json!({
        "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox",
        "metadata": {
            "name": name, "namespace": pool.namespace(), "labels": labels,
            "annotations": { annotations::TEMPLATE_REF: template.name_any() }, "ownerReferences": [reference(pool)],
        },
        "spec": { "podTemplate": { "metadata": pod, "spec": pod_spec(template) } },
    });
    if !template.spec.volume_claim_templates.is_empty() {
        sandbox["spec"]["volumeClaimTemplates"] = json!(template.spec.volume_claim_templates);
    }
    if let Some(service) = template.spec.service {
        sandbox["spec"]["service"] = json!(service);
    }
    sandbox
}

fn pod_spec(template: &SandboxTemplate) -> Value {
    let mut spec = template.spec.pod_template.spec.value();
    secure_defaults(template, &mut spec);
    spec
}

/// A word for what a template says of its sandboxes.
fn blueprint_hash(template: &SandboxTemplate) -> String {
    let spec = &template.spec;
    name_hash(&json!([spec.pod_template, spec.volume_claim_templates, spec.service]).to_string())
}

/// Whether a sandbox is what its template says now. One that another controller made has another word for it, so what is
/// not equal by the word is compared whole.
pub(super) fn is_of_template(sandbox: &Sandbox, template: &SandboxTemplate) -> bool {
    if sandbox.labels().get(labels::TEMPLATE_REF_HASH) != Some(&name_hash(&template.name_any())) {
        return false;
    }
    if sandbox.labels().get(labels::TEMPLATE_HASH) == Some(&blueprint_hash(template)) {
        return true;
    }
    // Metadata of volumes is not what makes a sandbox another one.
    let volumes = |templates: &[VolumeClaimTemplate]| -> Vec<(String, Json)> {
        templates.iter().map(|volume| (volume.metadata.name.clone(), volume.spec.clone())).collect()
    };
    sandbox.spec.pod_template.spec.value() == pod_spec(template)
        && volumes(&sandbox.spec.volume_claim_templates) == volumes(&template.spec.volume_claim_templates)
        && sandbox.spec.service == template.spec.service
}
