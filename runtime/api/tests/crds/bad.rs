//! `tests/cluster/bad/`: objects that a cluster has to refuse, naming the field that the first line of the file says. Here
//! the schema alone is asked; `tests/cluster` asks a cluster.

use serde_json::Value;

use crate::{definition, repository, version};

#[test]
fn the_schema_finds_what_is_wrong_with_a_bad_object() {
    let folder = repository().join("tests/cluster/bad");
    let mut count = 0;
    for entry in folder.read_dir().unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).unwrap();
        let object: Value = serde_saphyr::from_str(&text).unwrap();
        let definition = definition(object["kind"].as_str().unwrap());
        let (group, served) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap();
        assert_eq!(definition["spec"]["group"], group);
        let schema = &version(definition, served)["schema"]["openAPIV3Schema"];
        let mut faults = Vec::new();
        faults_of(schema, &object, "", &mut faults);
        let ruled = rules_at(schema, expected);
        assert!(faults.iter().any(|fault| fault == expected) || ruled, "{}: {faults:?}", file.display());
        assert!(faults.iter().all(|fault| fault == expected), "{}: {faults:?}", file.display());
        count += 1;
    }
    assert!(count > 30, "{count} bad objects");
}

/// Whether there are rules in CEL about a field, which only a cluster can ask.
fn rules_at(schema: &Value, path: &str) -> bool {
    let mut at = schema;
    for name in path.split('.') {
        let name = name.split('[').next().unwrap();
        at = &at["properties"][name];
    }
    at["x-kubernetes-validations"].is_array()
}

/// Where an object is not as its schema says, as far as that can be said without CEL.
fn faults_of(schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if !(is_type(schema, value) && is_allowed(schema, value)) {
        faults.push(path.to_owned());
        return;
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            faults.push(below(name));
        }
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(property), _) => faults_of(property, value, &below(name), faults),
            (None, Some(values)) => faults_of(values, value, &below(name), faults),
            // kubectl asks for unknown fields to be refused; embedded metadata is looked at by the cluster itself.
            (None, None) if schema["properties"].is_object() => faults.push(below(name)),
            (None, None) => {}
        }
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        faults_of(&schema["items"], item, &format!("{path}[{number}]"), faults);
    }
}

fn is_type(schema: &Value, value: &Value) -> bool {
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        _ if schema["x-kubernetes-int-or-string"] == true => value.is_i64() || value.is_string(),
        _ => true,
    }
}

fn is_allowed(schema: &Value, value: &Value) -> bool {
    let limit = |name: &str| schema[name].as_i64();
    let within = |size: i64, low: &str, high: &str| {
        limit(low).is_none_or(|low| size >= low) && limit(high).is_none_or(|high| size <= high)
    };
    let length = |length: usize| i64::try_from(length).unwrap();
    let sized = match value {
        Value::String(text) => within(length(text.chars().count()), "minLength", "maxLength"),
        Value::Array(items) => within(length(items.len()), "minItems", "maxItems"),
        Value::Number(number) => within(number.as_i64().unwrap(), "minimum", "maximum"),
        _ => true,
    };
    let listed = schema["enum"].as_array().is_none_or(|allowed| allowed.contains(value));
    let matches = match (schema["pattern"].as_str(), value.as_str()) {
        (Some(pattern), Some(text)) => regex::Regex::new(pattern).unwrap().is_match(text),
        _ => true,
    };
    let dated = match (schema["format"].as_str(), value.as_str()) {
        (Some("date-time"), Some(text)) => text.parse::<jiff::Timestamp>().is_ok(),
        _ => true,
    };
    let twice = |items: &Vec<Value>| items.iter().enumerate().any(|(number, item)| items[..number].contains(item));
    let unique = schema["x-kubernetes-list-type"] != "set" || !value.as_array().is_some_and(twice);
    sized && listed && matches && dated && unique
}
