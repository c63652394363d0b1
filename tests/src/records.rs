//! The journal as JSON, one value a record, in the shape that `exeat audit` prints.

use serde_json::Value;

/// The records of one type: `intent`, `refusal`, `outcome`, `policy-load` …
pub fn of_type(records: &[Value], kind: &str) -> Vec<Value> {
    records.iter().filter(|record| record["type"] == kind).cloned().collect()
}

/// `allowed` for an intent and the refusal's code for a refusal.
pub fn decision(record: &Value) -> &str {
    match record["type"].as_str() {
        Some("intent") => "allowed",
        _ => record["code"].as_str().unwrap_or_default(),
    }
}
