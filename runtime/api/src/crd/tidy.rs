//! Schemars' schema of an object as Kubernetes has schemas.

use std::mem::take;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

use super::kubernetes;

/// Tidies the schema of a whole object, and says what every object has.
pub(super) fn root(schema: &mut JSONSchemaProps) {
    tidy(schema);
    schema.title = None;
    let properties = schema.properties.get_or_insert_default();
    for (name, what) in [("apiVersion", "Group and version."), ("kind", "The kind.")] {
        let text = JSONSchemaProps {
            description: Some(what.to_owned()),
            type_: Some("string".to_owned()),
            ..JSONSchemaProps::default()
        };
        properties.insert(name.to_owned(), text);
    }
    properties.insert("metadata".to_owned(), super::kubernetes::object());
}

fn tidy(schema: &mut JSONSchemaProps) {
    if stand_in(schema) {
        return;
    }
    schema.description = schema.description.take().map(|text| one_line(&text));
    // A field that may be left out is not one that may be `null`.
    schema.nullable = None;
    // An empty default is none: the field is left out instead.
    schema.default = schema.default.take().filter(|JSON(value)| !is_empty(value));
    one_of(schema);
    for property in schema.properties.iter_mut().flatten() {
        tidy(property.1);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}

/// A reference stands for one of Kubernetes' own types, which are tidy. Only its field's description stays.
fn stand_in(schema: &mut JSONSchemaProps) -> bool {
    let beside = schema.all_of.as_mut().and_then(|all| all.first_mut()).and_then(|first| first.ref_path.take());
    let found = schema.ref_path.take().or(beside).and_then(|name| kubernetes::schema(&name));
    let stands = found.is_some();
    if let Some(found) = found {
        *schema = JSONSchemaProps { description: schema.description.take(), ..found };
    }
    stands
}

/// One of several fields: `oneOf` says only that it failed, a rule says what to do.
fn one_of(schema: &mut JSONSchemaProps) {
    let names: Vec<String> =
        schema.one_of.iter_mut().flatten().flat_map(|one| take(&mut one.required)).flatten().collect();
    if names.is_empty() {
        return;
    }
    schema.one_of = None;
    let given: Vec<String> = names.iter().map(|name| format!("has(self.{name})")).collect();
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    schema.x_kubernetes_validations.get_or_insert_default().push(ValidationRule {
        rule: format!("[{}].exists_one(given, given)", given.join(", ")),
        message: Some(format!("give exactly one of {}", quoted.join(", "))),
        ..ValidationRule::default()
    });
}

/// A comment's paragraphs, without the ends of lines in them.
fn one_line(comment: &str) -> String {
    let paragraphs: Vec<String> = comment.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
    paragraphs.join("\n\n")
}

fn is_empty(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
