//! Namespaces with wired sandboxes, and those whose pods must all be wired: each has the gateway's certificate, and a network policy that leaves its wired pods the
//! gateway and nothing else, whoever made them.

use std::sync::Arc;

use exeat_api::labels;
use serde_json::{Value, json};

use crate::calls::{Calls, Failed};
use crate::effect::{Act, Effect, Kind};
use crate::queue::Again;
use crate::template::router;
use crate::views::{ConfigMap, NetworkPolicy};
use crate::world::World;
use crate::{Config, Key, wiring};

/// The configuration map that holds the certificate of the gateway's authority, in its namespace and in each tenant's.
pub const CERTIFICATE: &str = "exeat-ca";
/// The certificate's key in it.
pub const CERTIFICATE_KEY: &str = "ca.crt";
/// The network policy of a namespace's wired pods.
pub(crate) const POLICY: &str = "exeat-egress";
/// Where the gateway takes connections of sandboxes.
pub const GATEWAY_PORT: u16 = 3129;

/// What looking after namespaces needs.
#[derive(Clone)]
pub(crate) struct Tenants {
    pub(crate) world: Arc<World>,
    pub(crate) calls: Calls,
}

impl Tenants {
    /// One look at one namespace.
    pub(crate) async fn reconcile(self, namespace: Arc<str>) -> Again {
        let config = &self.world.config;
        let own = &config.namespace;
        if *namespace == **own || !self.has_wired(&namespace) {
            return Again::OnChange;
        }
        let Some(certificate) = self.world.configs.get(&Key::new(own, CERTIFICATE)) else {
            tracing::warn!(
                namespace = own,
                "there is no configuration map `{CERTIFICATE}` yet: the gateway makes it when it starts"
            );
            return Again::Failed;
        };
        let copy = self.world.configs.get(&Key::new(&namespace, CERTIFICATE));
        let policy = self.world.policies.get(&Key::new(&namespace, POLICY));
        for effect in plan(&namespace, config, &certificate, copy.as_deref(), policy.as_deref()) {
            match self.calls.act(&self.world, &effect).await {
                Ok(()) | Err(Failed::Stale(_)) => {}
                Err(error) => {
                    tracing::warn!(%error, namespace = &*namespace, "a namespace could not be made ready for wired sandboxes");
                    return Again::Failed;
                }
            }
        }
        Again::OnChange
    }

    fn has_wired(&self, namespace: &str) -> bool {
        if self.world.enforced.get(&Key::new("", namespace)).is_some() {
            return true;
        }
        let templates = self.world.templates.list();
        let sandboxes = self.world.sandboxes.list();
        let mut all = templates
            .iter()
            .map(|template| (template.metadata.namespace.as_deref(), &template.spec.pod_template.metadata))
            .chain(
                sandboxes
                    .iter()
                    .map(|sandbox| (sandbox.metadata.namespace.as_deref(), &sandbox.spec.pod_template.metadata)),
            );
        all.any(|(of, metadata)| of == Some(namespace) && wiring::profile(metadata).is_some())
    }
}

fn plan(
    namespace: &str, config: &Config, certificate: &ConfigMap, copy: Option<&ConfigMap>, policy: Option<&NetworkPolicy>,
) -> Vec<Effect> {
    let apply = |on, name: &str, body| Effect { on, key: Key::new(namespace, name), act: Act::Apply(body) };
    let mut effects = Vec::new();
    if copy.is_none_or(|copy| copy.data != certificate.data) {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": CERTIFICATE, "namespace": namespace },
            "data": certificate.data,
        });
        effects.push(apply(Kind::ConfigMap, CERTIFICATE, body));
    }
    let own = &config.namespace;
    let spec = json!({
        "podSelector": { "matchExpressions": [{ "key": labels::PROFILE, "operator": "Exists" }] },
        "policyTypes": ["Ingress", "Egress"], "ingress": [{ "from": [router(config), controller(own)] }], "egress": egress(own),
    });
    if policy.is_none_or(|policy| policy.spec != spec) {
        let body = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": { "name": POLICY, "namespace": namespace }, "spec": spec,
        });
        effects.push(apply(Kind::NetworkPolicy, POLICY, body));
    }
    effects
}

/// The one way out.
pub(crate) fn egress(gateway_namespace: &str) -> Value {
    json!([{
        "to": [ours(gateway_namespace, "gateway")],
        "ports": [{ "port": GATEWAY_PORT, "protocol": "TCP" }],
    }])
}

fn controller(namespace: &str) -> Value {
    ours(namespace, "controller")
}

fn ours(namespace: &str, component: &str) -> Value {
    json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
        "podSelector": { "matchLabels": { "app.kubernetes.io/name": "exeat", "app.kubernetes.io/component": component } },
    })
}
