//! The network policy of a template's sandboxes.

use exeat_api::{SandboxTemplate, labels, name_hash};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::owners::reference;
use crate::{Config, tenant, wiring};

/// The policy as it shall be. What a wired sandbox may reach is not for its template to say: the gateway, and nothing else.
pub(super) fn wanted(template: &SandboxTemplate, config: &Config) -> Value {
    let own = template.spec.network_policy.as_ref();
    let ingress = own.map_or_else(|| json!([{ "from": [router(config)] }]), |own| json!(own.ingress));
    let egress = match (wiring::profile(&template.spec.pod_template.metadata), own) {
        (Some(_), _) => tenant::egress(&config.namespace),
        (None, Some(own)) => json!(own.egress),
        (None, None) => public(),
    };
    let mut spec = json!({
        "podSelector": { "matchLabels": { labels::TEMPLATE_REF_HASH: name_hash(&template.name_any()) } },
        "policyTypes": ["Ingress", "Egress"],
    });
    // The API server leaves out what is empty, and so must we, or it would never be the same.
    for (name, rules) in [("ingress", ingress), ("egress", egress)] {
        if rules.as_array().is_some_and(|rules| !rules.is_empty()) {
            spec[name] = rules;
        }
    }
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {
            "name": format!("{}-network-policy", template.name_any()), "namespace": template.namespace(),
            "ownerReferences": [reference(template)],
        },
        "spec": spec,
    })
}

/// The router's pods.
pub(crate) fn router(config: &Config) -> Value {
    json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": config.router_namespace } },
        "podSelector": { "matchLabels": { "app": "sandbox-router" } },
    })
}

/// Everything that is public, as Agent Sandbox has it for sandboxes that no gateway is in front of.
fn public() -> Value {
    json!([{ "to": [
        { "ipBlock": { "cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"] } },
        { "ipBlock": { "cidr": "::/0", "except": ["fc00::/7", "fe80::/10"] } },
    ] }])
}
