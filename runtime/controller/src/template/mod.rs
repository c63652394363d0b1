//! Templates: the label by which their sandboxes are found, and the network policy of those.

mod policy;

pub(crate) use self::policy::router;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use exeat_api::{NetworkPolicyManagement, SandboxTemplate, labels, name_hash};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::calls::{Calls, Failed};
use crate::effect::{Act, Effect, Kind};
use crate::owners::{Owned, owned};
use crate::queue::Again;
use crate::views::NetworkPolicy;
use crate::world::World;
use crate::{Config, Key};

/// What looking after templates needs.
#[derive(Clone)]
pub(crate) struct Templates {
    pub(crate) world: Arc<World>,
    pub(crate) calls: Calls,
}

impl Templates {
    /// One look at one template.
    pub(crate) async fn reconcile(self, key: Key) -> Again {
        let Some(template) = self.world.templates.get(&key) else { return Again::OnChange };
        let known = self.world.policies.get(&policy_key(&key));
        let effects = match plan(&template, known.as_deref(), &self.world.config) {
            Ok(effects) => effects,
            Err(why) => {
                tracing::warn!(template = %key, why, "a template's network policy cannot be kept");
                return Again::Failed;
            }
        };
        for effect in effects {
            match self.calls.act(&self.world, &effect).await {
                Ok(()) | Err(Failed::Stale(_)) => {}
                Err(error) => {
                    tracing::warn!(%error, template = %key, "a template could not be made as it shall be");
                    return Again::Failed;
                }
            }
        }
        Again::OnChange
    }
}

fn policy_key(template: &Key) -> Key {
    template.beside(&format!("{}-network-policy", template.name))
}

/// What is to be done about a template.
pub(crate) fn plan(
    template: &SandboxTemplate, known: Option<&NetworkPolicy>, config: &Config,
) -> Result<Vec<Effect>, String> {
    if template.metadata.deletion_timestamp.is_some() {
        return Ok(Vec::new());
    }
    let key = Key::of(template);
    let hash = name_hash(&key.name);
    let mut effects = Vec::new();
    if template.labels().get(labels::TEMPLATE_REF_HASH) != Some(&hash) {
        let patch = json!({ "metadata": { "labels": { labels::TEMPLATE_REF_HASH: hash } } });
        effects.push(Effect { on: Kind::SandboxTemplate, key: key.clone(), act: Act::Merge(patch) });
    }
    let uid = template.uid().unwrap_or_default();
    let on = policy_key(&key);
    let is_ours = known.map(|policy| owned(&policy.metadata, &uid, "") == Owned::Ours);
    match (template.spec.network_policy_management, is_ours) {
        (NetworkPolicyManagement::Managed, Some(false)) => {
            return Err(format!(
                "the network policy `{}` is not the template's own: delete it, or give it another name",
                on.name
            ));
        }
        (NetworkPolicyManagement::Managed, _) => {
            let wanted = policy::wanted(template, config);
            if known.is_none_or(|policy| policy.spec != wanted["spec"]) {
                effects.push(Effect { on: Kind::NetworkPolicy, key: on, act: Act::Apply(wanted) });
            }
        }
        (NetworkPolicyManagement::Unmanaged, Some(true)) => {
            effects.extend(known.map(|policy| Effect::delete(Kind::NetworkPolicy, policy)));
        }
        (NetworkPolicyManagement::Unmanaged, _) => {}
    }
    Ok(effects)
}

/// What every sandbox of a template gets that does not say otherwise: no token of the API server, and with the usual
/// network policy, which lets nobody ask the cluster's own DNS, public servers to ask instead.
pub(crate) fn secure_defaults(template: &SandboxTemplate, spec: &mut Value) {
    if spec["automountServiceAccountToken"].is_null() {
        spec["automountServiceAccountToken"] = json!(false);
    }
    let is_usual = template.spec.network_policy_management == NetworkPolicyManagement::Managed
        && template.spec.network_policy.is_none()
        && crate::wiring::profile(&template.spec.pod_template.metadata).is_none();
    if is_usual && spec["dnsPolicy"].as_str().is_none_or(str::is_empty) {
        spec["dnsPolicy"] = json!("None");
        spec["dnsConfig"] = json!({ "nameservers": ["8.8.8.8", "1.1.1.1"] });
    }
}
