//! What a cluster is told of the kinds: their CustomResourceDefinitions.
//!
//! ```text
//!   a spec and its status ─ kube-derive ─▶ names, columns, subresources, a schema of schemars
//!      └─ tidy ─▶ as Kubernetes has schemas     └─ kubernetes ─▶ pods, volumes and rules, as Kubernetes itself has them
//!           └─ older ─▶ the same at `v1alpha1`, with a webhook that converts
//! ```
//!
//! `deploy/crds/` holds them as files; a test says so, and writes them with `UPDATE_EXPECT=1`.

use k8s_openapi::ByteString;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, ServiceReference, WebhookClientConfig, WebhookConversion,
};
use kube::CustomResourceExt;

use crate::{
    Credential, EgressPolicy, PodSnapshot, PodSnapshotManualTrigger, Sandbox, SandboxClaim, SandboxSnapshot,
    SandboxTemplate, SandboxWarmPool, Workflow,
};

mod kubernetes;
mod older;
mod tidy;

/// Where objects are converted between versions.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The namespace of its Service.
    pub namespace: String,
    /// Its Service.
    pub service: String,
    /// The certificates that it is known by, in PEM. Without any, somebody has to put them there.
    pub ca_bundle: Option<Vec<u8>>,
}

/// The path of the webhook that converts.
pub const CONVERT: &str = "/convert";
/// The port of its Service.
pub const WEBHOOK_PORT: i32 = 443;

impl Default for Webhook {
    fn default() -> Self {
        Webhook { namespace: "exeat-system".to_owned(), service: "exeat-webhook".to_owned(), ca_bundle: None }
    }
}

impl Webhook {
    fn conversion(&self) -> CustomResourceConversion {
        let service = ServiceReference {
            name: self.service.clone(),
            namespace: self.namespace.clone(),
            path: Some(CONVERT.to_owned()),
            port: Some(WEBHOOK_PORT),
        };
        CustomResourceConversion {
            strategy: "Webhook".to_owned(),
            webhook: Some(WebhookConversion {
                client_config: Some(WebhookClientConfig {
                    ca_bundle: self.ca_bundle.clone().map(ByteString),
                    service: Some(service),
                    url: None,
                }),
                conversion_review_versions: vec!["v1".to_owned()],
            }),
        }
    }
}

/// All of them, but those that a GKE cluster has itself.
pub fn all(webhook: &Webhook) -> Vec<CustomResourceDefinition> {
    let agents = [sandbox(webhook), sandbox_template(webhook), sandbox_warm_pool(webhook), sandbox_claim(webhook)];
    agents.into_iter().chain([egress_policy(), credential(), workflow(), sandbox_snapshot()]).collect()
}

/// Those whose objects the webhook converts.
pub fn converted(webhook: &Webhook) -> impl Iterator<Item = CustomResourceDefinition> {
    all(webhook).into_iter().filter(|definition| definition.spec.conversion.is_some())
}

/// `Sandbox`, in both versions.
pub fn sandbox(webhook: &Webhook) -> CustomResourceDefinition {
    older::with(definition::<Sandbox>(), webhook.conversion(), older::sandbox)
}

/// `SandboxTemplate`, in both versions.
pub fn sandbox_template(webhook: &Webhook) -> CustomResourceDefinition {
    older::with(definition::<SandboxTemplate>(), webhook.conversion(), older::template)
}

/// `SandboxWarmPool`, in both versions.
pub fn sandbox_warm_pool(webhook: &Webhook) -> CustomResourceDefinition {
    older::with(definition::<SandboxWarmPool>(), webhook.conversion(), older::pool)
}

/// `SandboxClaim`, in both versions.
pub fn sandbox_claim(webhook: &Webhook) -> CustomResourceDefinition {
    older::with(definition::<SandboxClaim>(), webhook.conversion(), older::claim)
}

/// `EgressPolicy`.
pub fn egress_policy() -> CustomResourceDefinition {
    definition::<EgressPolicy>()
}

/// `Credential`.
pub fn credential() -> CustomResourceDefinition {
    definition::<Credential>()
}

/// `Workflow`.
pub fn workflow() -> CustomResourceDefinition {
    definition::<Workflow>()
}

/// `SandboxSnapshot`.
pub fn sandbox_snapshot() -> CustomResourceDefinition {
    definition::<SandboxSnapshot>()
}

/// `PodSnapshot`, for clusters that are not GKE's.
pub fn pod_snapshot() -> CustomResourceDefinition {
    definition::<PodSnapshot>()
}

/// `PodSnapshotManualTrigger`, for clusters that are not GKE's.
pub fn pod_snapshot_manual_trigger() -> CustomResourceDefinition {
    definition::<PodSnapshotManualTrigger>()
}

fn definition<Kind: CustomResourceExt>() -> CustomResourceDefinition {
    let mut definition = Kind::crd();
    definition.spec.names.list_kind = Some(format!("{}List", definition.spec.names.kind));
    for version in &mut definition.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy::root(schema);
        }
    }
    definition
}
