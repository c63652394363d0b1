//! What is remembered of objects: only what an identity stands on. A pod, its Sandbox and its claim are about two kilobytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use exeat_api::{AGENTS, EXTENSIONS, OwnerReference, SandboxClaim, annotations, labels};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde::{Deserialize, Serialize};

/// A namespace and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Key { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn of(object: &impl ResourceExt) -> Self {
        Key { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Who manages an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) kind: OwnerKind,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnerKind {
    Sandbox,
    Claim,
    Pool,
    Another,
}

impl Owner {
    /// There is at most one: the API server sees to it.
    fn of(metadata: &ObjectMeta) -> Option<Self> {
        let owners = metadata.owner_references.iter().flatten();
        owners.filter(|owner| owner.controller == Some(true)).map(Owner::from).next()
    }
}

impl From<&OwnerReference> for Owner {
    fn from(owner: &OwnerReference) -> Self {
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = match (group, owner.kind.as_str()) {
            (AGENTS, "Sandbox") => OwnerKind::Sandbox,
            (EXTENSIONS, "SandboxClaim") => OwnerKind::Claim,
            (EXTENSIONS, "SandboxWarmPool") => OwnerKind::Pool,
            _ => OwnerKind::Another,
        };
        Owner { kind, name: owner.name.clone(), uid: owner.uid.clone() }
    }
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodFacts {
    pub(crate) uid: String,
    /// None where it has ended, or has its node's own: then an address says nothing about it.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) has_ended: bool,
    pub(crate) owner: Option<Owner>,
    pub(crate) profile: Option<String>,
}

/// A `Sandbox`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SandboxFacts {
    pub(crate) uid: String,
    pub(crate) owner: Option<Owner>,
    pub(crate) claim_uid: Option<String>,
    pub(crate) is_pooled: bool,
    /// What its pod is called, where that is not its own name.
    pub(crate) pod: Option<String>,
}

/// A `SandboxClaim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimFacts {
    pub(crate) uid: String,
    pub(crate) is_going: bool,
    pub(crate) profile: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) workflow: Option<String>,
    /// The Sandbox that its controller gave it.
    pub(crate) sandbox: Option<String>,
}

impl PodFacts {
    pub(crate) fn of(pod: &SlimPod) -> Self {
        let has_ended = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
        let given = pod.status.pod_ips.iter().map(|given| given.ip.as_str());
        let mut addresses: Vec<IpAddr> = given.filter_map(|ip| ip.parse().ok()).collect();
        if has_ended || pod.spec.host_network {
            addresses.clear();
        }
        PodFacts {
            uid: uid(&pod.metadata),
            addresses,
            has_ended,
            owner: Owner::of(&pod.metadata),
            profile: word(pod.metadata.labels.as_ref(), labels::PROFILE),
        }
    }
}

impl SandboxFacts {
    pub(crate) fn of(metadata: &ObjectMeta) -> Self {
        SandboxFacts {
            uid: uid(metadata),
            owner: Owner::of(metadata),
            claim_uid: word(metadata.labels.as_ref(), labels::CLAIM_UID),
            is_pooled: word(metadata.labels.as_ref(), labels::WARM_POOL).is_some(),
            pod: word(metadata.annotations.as_ref(), annotations::POD_NAME),
        }
    }
}

impl ClaimFacts {
    pub(crate) fn of(claim: &SlimClaim) -> Self {
        let metadata = &claim.metadata;
        ClaimFacts {
            uid: uid(metadata),
            is_going: metadata.deletion_timestamp.is_some(),
            profile: word(metadata.labels.as_ref(), labels::PROFILE),
            user: word(metadata.annotations.as_ref(), annotations::USER),
            workflow: word(metadata.labels.as_ref(), labels::WORKFLOW),
            sandbox: Some(claim.status.sandbox.name.clone()).filter(|name| !name.is_empty()),
        }
    }
}

fn uid(metadata: &ObjectMeta) -> String {
    metadata.uid.clone().unwrap_or_default()
}

/// A label's or an annotation's value; an empty one is none.
fn word(words: Option<&BTreeMap<String, String>>, name: &str) -> Option<String> {
    words?.get(name).filter(|value| !value.is_empty()).cloned()
}

/// As much of a pod as is read off the wire. The rest is passed over without being built.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SlimPod {
    metadata: ObjectMeta,
    spec: SlimPodSpec,
    status: SlimPodStatus,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SlimPodSpec {
    host_network: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SlimPodStatus {
    phase: String,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<SlimPodIp>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SlimPodIp {
    ip: String,
}

/// As much of a claim.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SlimClaim {
    metadata: ObjectMeta,
    status: SlimClaimStatus,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SlimClaimStatus {
    sandbox: SlimBoundSandbox,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SlimBoundSandbox {
    name: String,
}

/// A slim kind is asked for as the whole one.
macro_rules! slim {
    ($slim:ident of $whole:ident) => {
        impl Resource for $slim {
            type DynamicType = ();
            type Scope = <$whole as Resource>::Scope;

            fn kind((): &()) -> Cow<'_, str> {
                $whole::kind(&())
            }

            fn group((): &()) -> Cow<'_, str> {
                $whole::group(&())
            }

            fn version((): &()) -> Cow<'_, str> {
                $whole::version(&())
            }

            fn plural((): &()) -> Cow<'_, str> {
                $whole::plural(&())
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

slim!(SlimPod of Pod);
slim!(SlimClaim of SandboxClaim);
