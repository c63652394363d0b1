//! The definitions in `deploy/crds/` are those of the types, and those of Agent Sandbox's kinds are Agent Sandbox's.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what went wrong by failing")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use exeat_api::crd::{self, Webhook};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

mod bad;
mod files;
mod upstream;

/// Every definition, as JSON with whole numbers.
static DEFINITIONS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let gke = [crd::pod_snapshot(), crd::pod_snapshot_manual_trigger()];
    let all: Vec<CustomResourceDefinition> = crd::all(&Webhook::default()).into_iter().chain(gke).collect();
    all.iter().map(|definition| whole_numbers(json!(definition))).collect()
});

/// The definition of a kind.
fn definition(kind: &str) -> &'static Value {
    let mut all = DEFINITIONS.iter();
    all.find(|definition| definition["spec"]["names"]["kind"] == kind).expect("a kind that there is")
}

/// A version of a definition.
fn version<'d>(definition: &'d Value, name: &str) -> &'d Value {
    let mut versions = definition["spec"]["versions"].as_array().unwrap().iter();
    versions.find(|version| version["name"] == name).expect("a version that there is")
}

/// Limits are floating point to Kubernetes' types, and nobody writes `minimum: 0.0`.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64().filter(|float| float.fract() == 0.0) {
            Some(float) => json!(format!("{float:.0}").parse::<i64>().unwrap()),
            None => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, whole_numbers(value))).collect(),
        other => other,
    }
}

/// The repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Says that a test does not run here, and counts it in the file that `EXEAT_SKIPS` names.
fn skip(needed: &str) {
    // Not by `eprintln!`, which the harness hides where a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: needs {needed}");
    if let Some(file) = std::env::var_os("EXEAT_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{needed}").unwrap();
    }
}
