//! The same kinds at `v1alpha1`, as Agent Sandbox had them: deprecated, served, and converted by a webhook.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionVersion,
    CustomResourceSubresourceScale, JSON, JSONSchemaProps,
};
use serde_json::json;

use crate::{V1ALPHA1, V1BETA1};

/// A definition with its kind's older version beside the one that is stored; `difference` makes one of the other.
pub(super) fn with(
    mut definition: CustomResourceDefinition, conversion: CustomResourceConversion,
    difference: fn(&mut CustomResourceDefinitionVersion),
) -> CustomResourceDefinition {
    let (group, kind) = (&definition.spec.group, &definition.spec.names.kind);
    let warning = format!("{group}/{V1ALPHA1} {kind} is deprecated; use {group}/{V1BETA1} {kind} instead");
    let older: Vec<_> = definition
        .spec
        .versions
        .iter()
        .cloned()
        .map(|mut version| {
            difference(&mut version);
            CustomResourceDefinitionVersion {
                name: V1ALPHA1.to_owned(),
                storage: false,
                deprecated: Some(true),
                deprecation_warning: Some(warning.clone()),
                ..version
            }
        })
        .collect();
    definition.spec.versions.extend(older);
    definition.spec.conversion = Some(conversion);
    definition
}

/// `replicas`, 0 or 1, instead of `operatingMode`; volumes are not held to stay.
pub(super) fn sandbox(version: &mut CustomResourceDefinitionVersion) {
    version.additional_printer_columns = None;
    if let Some(subresources) = &mut version.subresources {
        subresources.scale = Some(CustomResourceSubresourceScale {
            label_selector_path: Some(".status.selector".to_owned()),
            spec_replicas_path: ".spec.replicas".to_owned(),
            status_replicas_path: ".status.replicas".to_owned(),
        });
    }
    let replicas = |description: &str| JSONSchemaProps {
        description: Some(description.to_owned()),
        type_: Some("integer".to_owned()),
        format: Some("int32".to_owned()),
        minimum: Some(0.0),
        ..JSONSchemaProps::default()
    };
    if let Some(spec) = part(version, "spec") {
        spec.x_kubernetes_validations = None;
        let wanted = JSONSchemaProps {
            default: Some(JSON(json!(1))),
            maximum: Some(1.0),
            ..replicas("1 where it shall run, 0 where it shall not.")
        };
        exchange(spec, "operatingMode", Some(("replicas", wanted)));
    }
    if let Some(status) = part(version, "status") {
        exchange(status, "nodeName", Some(("replicas", replicas("Whether there is a pod, as a number."))));
    }
}

/// Without what claims may bring along.
pub(super) fn template(version: &mut CustomResourceDefinitionVersion) {
    version.additional_printer_columns = None;
    if let Some(spec) = part(version, "spec") {
        exchange(spec, "volumeClaimTemplatesPolicy", None);
    }
}

/// `replicas` has to be given.
pub(super) fn pool(version: &mut CustomResourceDefinitionVersion) {
    if let Some(columns) = &mut version.additional_printer_columns {
        columns.retain(|column| column.priority.is_none());
    }
    if let Some(spec) = part(version, "spec") {
        spec.required.get_or_insert_default().push("replicas".to_owned());
        if let Some(replicas) = spec.properties.get_or_insert_default().get_mut("replicas") {
            replicas.default = None;
        }
    }
    if let Some(status) = part(version, "status") {
        exchange(status, "observedGeneration", None);
    }
}

/// A template and whether its pools may be used, instead of a pool.
pub(super) fn claim(version: &mut CustomResourceDefinitionVersion) {
    version.additional_printer_columns = None;
    let text = |description: &str| JSONSchemaProps {
        description: Some(description.to_owned()),
        type_: Some("string".to_owned()),
        ..JSONSchemaProps::default()
    };
    let template = JSONSchemaProps {
        description: Some("What the sandbox is made from.".to_owned()),
        properties: Some([("name".to_owned(), text("The template's name."))].into()),
        required: Some(vec!["name".to_owned()]),
        ..super::kubernetes::object()
    };
    let pools = JSONSchemaProps {
        default: Some(JSON(json!("default"))),
        ..text("Out of which pool: `default` for any of the template, `none` for none, or the name of one.")
    };
    if let Some(spec) = part(version, "spec") {
        exchange(spec, "warmPoolRef", Some(("sandboxTemplateRef", template)));
        exchange(spec, "volumeClaimTemplates", Some(("warmpool", pools)));
        spec.required = Some(vec!["sandboxTemplateRef".to_owned()]);
    }
}

/// The schema of an object's `spec` or `status`.
fn part<'v>(version: &'v mut CustomResourceDefinitionVersion, name: &str) -> Option<&'v mut JSONSchemaProps> {
    version.schema.as_mut()?.open_api_v3_schema.as_mut()?.properties.as_mut()?.get_mut(name)
}

/// A field that was not there yet, and the one that was.
fn exchange(schema: &mut JSONSchemaProps, newer: &str, older: Option<(&str, JSONSchemaProps)>) {
    let properties = schema.properties.get_or_insert_default();
    properties.remove(newer);
    properties.extend(older.map(|(name, field)| (name.to_owned(), field)));
}
