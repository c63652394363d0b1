//! Labels and annotations that a claim gives its pod: who may set which is decided by their domain.

use std::collections::BTreeMap;

use exeat_api::{PodMetadata, Reason, ResourceExt, Sandbox, SandboxClaim, SandboxTemplate, annotations};
use serde_json::json;

use super::Unbound;
use crate::Key;
use crate::effect::{Act, Effect, Kind};

/// Annotations of these domains mean something to the cluster itself.
const RESTRICTED: [&str; 3] = ["kubernetes.io", "k8s.io", "agents.x-k8s.io"];
/// This one is harmless all the same.
const EXEMPT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";

/// Whether a claim may give its pod these.
pub(super) fn check(metadata: &PodMetadata, label_domains: &[String]) -> Result<(), Unbound> {
    let invalid = |why: String| Unbound::new(Reason::InvalidMetadata, format!("`additionalPodMetadata`: {why}"));
    for (key, value) in &metadata.labels {
        check_key(key).map_err(|why| invalid(format!("label `{key}`: {why}")))?;
        if !is_value(value) {
            return Err(invalid(format!(
                "label `{key}`: `{value}` is no label's value: at most 63 of A-Z, a-z, 0-9, `-`, `_`, `.`"
            )));
        }
        let Some(domain) = domain(key) else {
            return Err(invalid(format!(
                "label `{key}`: it needs a domain, as in `{}/{key}`",
                label_domains.first().map_or("", String::as_str)
            )));
        };
        if !label_domains.iter().any(|allowed| is_within(&domain, allowed)) {
            return Err(invalid(format!(
                "label `{key}`: the domain `{domain}` is not allowed; these are: {}",
                label_domains.join(", ")
            )));
        }
    }
    for key in metadata.annotations.keys() {
        check_key(key).map_err(|why| invalid(format!("annotation `{key}`: {why}")))?;
        let domain = domain(key).unwrap_or_default();
        if key != EXEMPT && RESTRICTED.iter().any(|restricted| is_within(&domain, restricted)) {
            return Err(invalid(format!("annotation `{key}`: the domain `{domain}` is the cluster's own")));
        }
    }
    Ok(())
}

/// What a claim gives its pod. The snapshot to start from can be named on the claim itself.
pub(super) fn of(claim: &SandboxClaim) -> PodMetadata {
    let mut given = claim.spec.additional_pod_metadata.clone();
    if let Some(snapshot) = claim.annotations().get(annotations::SNAPSHOT) {
        given.annotations.entry(annotations::SNAPSHOT.to_owned()).or_insert_with(|| snapshot.clone());
    }
    given
}

/// Names the snapshot that the claim, or else its template, wants pods to start from; none where the sandbox knows.
pub(super) fn follow(claim: &SandboxClaim, sandbox: &Sandbox, template: Option<&SandboxTemplate>) -> Option<Effect> {
    let own = of(claim).annotations.remove(annotations::SNAPSHOT);
    let of_template = || template?.spec.pod_template.metadata.annotations.get(annotations::SNAPSHOT).cloned();
    let wanted = own.or_else(of_template);
    let known = sandbox.spec.pod_template.metadata.annotations.get(annotations::SNAPSHOT);
    // Without its template nobody knows whose wish it was.
    if known == wanted.as_ref() || (wanted.is_none() && template.is_none()) {
        return None;
    }
    let metadata = json!({ "annotations": { annotations::SNAPSHOT: wanted } });
    let patch = json!({ "spec": { "podTemplate": { "metadata": metadata } } });
    Some(Effect { on: Kind::Sandbox, key: Key::of(sandbox), act: Act::Merge(patch) })
}

/// Adds what the claim gives to what the template gives. Nothing is replaced.
pub(super) fn merge(template: &mut PodMetadata, claim: &PodMetadata) -> Result<(), Unbound> {
    let pairs =
        [("label", &mut template.labels, &claim.labels), ("annotation", &mut template.annotations, &claim.annotations)];
    for (what, known, given) in pairs {
        if let Some((key, value)) =
            given.iter().find(|(key, value)| known.get(*key).is_some_and(|known| known != *value))
        {
            return Err(Unbound::new(
                Reason::InvalidMetadata,
                format!(
                    "`additionalPodMetadata`: the template sets the {what} `{key}` to `{}`, the claim wants `{value}`",
                    known[key]
                ),
            ));
        }
        known.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())).collect::<BTreeMap<_, _>>());
    }
    Ok(())
}

fn domain(key: &str) -> Option<String> {
    key.split_once('/').map(|(domain, _)| domain.to_ascii_lowercase())
}

fn is_within(domain: &str, of: &str) -> bool {
    domain == of || domain.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'))
}

/// A qualified name: an optional DNS subdomain, a slash, and a name (Kubernetes, "Labels and Selectors").
fn check_key(key: &str) -> Result<(), &'static str> {
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    if name.is_empty() || !is_value(name) {
        return Err("the name is empty, longer than 63, or has other characters than A-Z, a-z, 0-9, `-`, `_`, `.`");
    }
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    match domain {
        Some(domain) if domain.len() > 253 || !domain.split('.').all(is_part) => Err("the domain is no DNS name"),
        _ => Ok(()),
    }
}

fn is_value(value: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    value.len() <= 63
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && ends(value.as_bytes().first())
        && ends(value.as_bytes().last())
}
