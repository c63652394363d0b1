//! Kubernetes' own types, out of k8s-openapi, with what its Go sources say in markers and its OpenAPI document leaves out:
//! how lists are merged (`+listType`), and what stands in an empty field (`+default`). Read off `k8s.io/api` v0.36.
//!
//! Without descriptions: with them, a definition is larger than what `kubectl apply` can note of it.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, PodSpec};
use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyIngressRule};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::schema::{EGRESS_RULE, INGRESS_RULE, POD_SPEC, VOLUME_CLAIM_SPEC};

/// Lists whose items are told apart by fields. All other lists are replaced as a whole.
const KEYED: &[(&str, &str, &[&str])] = &[
    ("PodSpec", "containers", &["name"]),
    ("PodSpec", "ephemeralContainers", &["name"]),
    ("PodSpec", "hostAliases", &["ip"]),
    ("PodSpec", "imagePullSecrets", &["name"]),
    ("PodSpec", "initContainers", &["name"]),
    ("PodSpec", "resourceClaims", &["name"]),
    ("PodSpec", "schedulingGates", &["name"]),
    ("PodSpec", "topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("PodSpec", "volumes", &["name"]),
    ("Container", "env", &["name"]),
    ("Container", "ports", &["containerPort", "protocol"]),
    ("Container", "volumeDevices", &["devicePath"]),
    ("Container", "volumeMounts", &["mountPath"]),
    ("EphemeralContainer", "env", &["name"]),
    ("EphemeralContainer", "ports", &["containerPort", "protocol"]),
    ("EphemeralContainer", "volumeDevices", &["devicePath"]),
    ("EphemeralContainer", "volumeMounts", &["mountPath"]),
    ("ResourceRequirements", "claims", &["name"]),
];

/// Lists whose items are told apart by themselves.
const SETS: &[(&str, &str)] = &[("ContainerRestartRuleOnExitCodes", "values")];

/// Types that are replaced as a whole.
const ATOMIC: &[&str] = &[
    "ConfigMapEnvSource",
    "ConfigMapKeySelector",
    "ConfigMapProjection",
    "ConfigMapVolumeSource",
    "FileKeySelector",
    "LabelSelector",
    "LocalObjectReference",
    "NodeSelector",
    "NodeSelectorTerm",
    "ObjectFieldSelector",
    "ResourceFieldSelector",
    "SecretEnvSource",
    "SecretKeySelector",
    "SecretProjection",
    "SecretReference",
    "TypedLocalObjectReference",
];

/// Types with a name that may be empty.
const NAMED: &[&str] = &[
    "ConfigMapEnvSource",
    "ConfigMapKeySelector",
    "ConfigMapProjection",
    "ConfigMapVolumeSource",
    "LocalObjectReference",
    "SecretEnvSource",
    "SecretKeySelector",
    "SecretProjection",
];

/// What stands in other fields that are left out; `false` and nothing where no text is given.
const DEFAULTS: &[(&str, &str, Option<&str>)] = &[
    ("AzureDiskVolumeSource", "fsType", Some("ext4")),
    ("AzureDiskVolumeSource", "readOnly", None),
    ("ContainerPort", "protocol", Some("TCP")),
    ("FileKeySelector", "optional", None),
    ("GRPCAction", "service", Some("")),
    ("ISCSIVolumeSource", "iscsiInterface", Some("default")),
    ("RBDVolumeSource", "keyring", Some("/etc/ceph/keyring")),
    ("RBDVolumeSource", "pool", Some("rbd")),
    ("RBDVolumeSource", "user", Some("admin")),
    ("ScaleIOVolumeSource", "fsType", Some("xfs")),
    ("ScaleIOVolumeSource", "storageMode", Some("ThinProvisioned")),
];

/// What a quantity may look like as text (`k8s.io/apimachinery/pkg/api/resource`).
const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

/// The schema of the type that a reference stands for.
pub(super) fn schema(name: &str) -> Option<JSONSchemaProps> {
    match name {
        POD_SPEC => Some(of::<PodSpec>()),
        VOLUME_CLAIM_SPEC => Some(of::<PersistentVolumeClaimSpec>()),
        INGRESS_RULE => Some(of::<NetworkPolicyIngressRule>()),
        EGRESS_RULE => Some(of::<NetworkPolicyEgressRule>()),
        _ => None,
    }
}

/// An object of which nothing more is said.
pub(super) fn object() -> JSONSchemaProps {
    JSONSchemaProps { type_: Some("object".to_owned()), ..JSONSchemaProps::default() }
}

fn of<T: JsonSchema>() -> JSONSchemaProps {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let whole = generator.subschema_for::<T>();
    let types = generator.take_definitions(false);
    Types(&types).resolve(whole.as_value())
}

/// The types that a schema refers to.
struct Types<'t>(&'t Map<String, Value>);

impl Types<'_> {
    /// A schema with all that it refers to in it.
    fn resolve(&self, schema: &Value) -> JSONSchemaProps {
        let Some(path) = schema["$ref"].as_str() else { return self.inline(schema) };
        let path = path.trim_start_matches("#/$defs/");
        let of = path.rsplit('.').next().unwrap_or(path);
        match of {
            "Quantity" => int_or_string(Some(QUANTITY)),
            "IntOrString" => int_or_string(None),
            // Of an embedded object, only its spec is described.
            "ObjectMeta" => object(),
            _ => amended(of, self.inline(&self.0[path])),
        }
    }

    fn inline(&self, schema: &Value) -> JSONSchemaProps {
        let text = |key: &str| schema[key].as_str().map(str::to_owned);
        let properties = schema["properties"].as_object().map(|properties| {
            properties.iter().map(|(name, property)| (name.clone(), self.resolve(property))).collect()
        });
        let required = schema["required"].as_array();
        let required = required.map(|names| names.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect());
        let items = schema.get("items").map(|items| JSONSchemaPropsOrArray::Schema(Box::new(self.resolve(items))));
        let values = schema.get("additionalProperties").filter(|values| values.is_object());
        JSONSchemaProps {
            type_: text("type"),
            format: text("format"),
            properties,
            required,
            x_kubernetes_list_type: items.is_some().then(|| "atomic".to_owned()),
            items,
            additional_properties: values.map(|values| JSONSchemaPropsOrBool::Schema(Box::new(self.resolve(values)))),
            ..JSONSchemaProps::default()
        }
    }
}

fn int_or_string(pattern: Option<&str>) -> JSONSchemaProps {
    let of = |name: &str| JSONSchemaProps { type_: Some(name.to_owned()), ..JSONSchemaProps::default() };
    JSONSchemaProps {
        any_of: Some(vec![of("integer"), of("string")]),
        pattern: pattern.map(str::to_owned),
        x_kubernetes_int_or_string: Some(true),
        ..JSONSchemaProps::default()
    }
}

fn amended(of: &str, mut schema: JSONSchemaProps) -> JSONSchemaProps {
    let atomic = || Some("atomic".to_owned());
    if ATOMIC.contains(&of) {
        schema.x_kubernetes_map_type = atomic();
    }
    let mut defaulted = BTreeSet::new();
    for (name, property) in schema.properties.iter_mut().flatten() {
        if let Some((.., keys)) = KEYED.iter().find(|(on, list, _)| (*on, *list) == (of, name)) {
            property.x_kubernetes_list_type = Some("map".to_owned());
            property.x_kubernetes_list_map_keys = Some(keys.iter().map(|key| (*key).to_owned()).collect());
        }
        if SETS.contains(&(of, name)) {
            property.x_kubernetes_list_type = Some("set".to_owned());
        }
        if (of, name.as_str()) == ("PodSpec", "nodeSelector") {
            property.x_kubernetes_map_type = atomic();
        }
        let named = (NAMED.contains(&of) && name == "name").then_some(Some(""));
        let listed = DEFAULTS.iter().find(|(on, field, _)| (*on, *field) == (of, name)).map(|(.., value)| *value);
        if let Some(value) = named.or(listed) {
            property.default = Some(JSON(value.map_or(json!(false), |text| json!(text))));
            defaulted.insert(name.clone());
        }
    }
    // What has a value anyway need not be given.
    if let Some(required) = &mut schema.required {
        required.retain(|name| !defaulted.contains(name));
    }
    schema.required = schema.required.filter(|required| !required.is_empty());
    schema
}
