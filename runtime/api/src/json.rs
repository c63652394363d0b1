//! JSON that is kept and not looked into.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A part of an object that is passed on as it was written: a pod's spec, a volume's.
///
/// As a type, a pod's spec would refuse what Kubernetes takes (`cpu: 1`), lose the fields of a newer Kubernetes, and fill
/// memory with thousands of empty fields. It is compact text, and a value when somebody asks.
#[derive(Clone)]
pub struct Json(Box<str>);

impl Json {
    /// The text, without white space.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the text says.
    pub fn value(&self) -> Value {
        // The text was written by `From`, so it can be read.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        Json(value.to_string().into_boxed_str())
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Json::from(&value)
    }
}

/// An empty object.
impl Default for Json {
    fn default() -> Self {
        Json("{}".into())
    }
}

/// By what it says: the order of an object's fields does not matter.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.value() == other.value()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Json::from)
    }
}

impl JsonSchema for Json {
    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Json;

    #[test]
    fn what_was_written_comes_back() {
        let text = r#"{"z":1,"a":[{"cpu":2,"new":null}],"big":9007199254740993}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json.as_str(), text);
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
    }

    #[test]
    fn the_order_of_fields_makes_no_difference() {
        assert_eq!(Json::from(json!({ "a": 1, "b": 2 })), Json::from(json!({ "b": 2, "a": 1 })));
        assert_ne!(Json::from(json!([1, 2])), Json::from(json!([2, 1])));
        assert_eq!(Json::default().value(), json!({}));
    }
}
