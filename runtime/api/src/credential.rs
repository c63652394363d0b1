//! `Credential`: what the gateway puts into requests, and sandboxes never see.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Condition;

/// Where a secret is, and where it may go. Never the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "exeat.dev",
    version = "v1alpha1",
    kind = "Credential",
    plural = "credentials",
    shortname = "cred",
    category = "exeat",
    namespaced,
    status = "CredentialStatus",
    derive = "PartialEq",
    doc = "A secret's place, and the requests of this namespace's sandboxes that the gateway puts it into.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Hosts", type_ = "string", json_path = ".spec.hosts"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".spec.secretRef.name", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct CredentialSpec {
    /// The hosts (`github.com`, `registry.example:8443`) whose requests may carry it, by HTTPS only.
    #[schemars(length(min = 1, max = 64), inner(length(max = 261), regex(pattern = HOST)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub hosts: Vec<String>,
    /// The actions that may use it: `read`, `github:git/push`, `github:*`. Without any, all that an integration
    /// knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 253), regex(pattern = ACTION)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub actions: Vec<String>,
    /// The profiles whose sandboxes may use it. Without any, all of the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub profiles: Vec<String>,
    /// How it is put into a request: exactly one of these ways.
    pub inject: Inject,
    /// Environment variables that hold a placeholder for it in sandboxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$")))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub placeholder_variables: Vec<String>,
    /// The secret, in this namespace.
    pub secret_ref: SecretRef,
}

const HOST: &str = "^[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:[0-9]{1,5})?$";
const ACTION: &str = r"^(read|mutate|destroy|publish|notify|spend|admin|[^:\s]+:\S+)$";

/// How a secret is put into a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Inject {
    /// `Authorization: Bearer SECRET` (RFC 6750).
    Bearer {},
    /// `Authorization: Basic base64(USERNAME:SECRET)` (RFC 7617).
    Basic {
        /// The user name that goes before the secret. It cannot hold a colon.
        #[schemars(length(max = 253), regex(pattern = "^[^:]*$"))]
        username: String,
    },
    /// A header that holds the secret.
    Header {
        /// The header's name.
        #[schemars(length(min = 1, max = 127), regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"))]
        name: String,
        /// What goes before the secret, with the space after it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schemars(length(max = 127))]
        prefix: String,
    },
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// What has become of a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CredentialStatus {
    /// `Ready`: whether there is a secret to put into requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Which generation of the spec this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}
