//! Agent Sandbox's own definitions, compared with ours: all that a cluster concludes from them, which descriptions are not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::{definition, repository, skip, version, whole_numbers};

const KINDS: [(&str, &str); 4] = [
    ("Sandbox", "agents.x-k8s.io_sandboxes.yaml"),
    ("SandboxTemplate", "extensions.agents.x-k8s.io_sandboxtemplates.yaml"),
    ("SandboxWarmPool", "extensions.agents.x-k8s.io_sandboxwarmpools.yaml"),
    ("SandboxClaim", "extensions.agents.x-k8s.io_sandboxclaims.yaml"),
];

/// Where ours are otherwise on purpose: the kind, where, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("Sandbox", "+ /additionalPrinterColumns/Mode", "`-o wide` tells a suspended sandbox from one that is not ready"),
    ("Sandbox", "+ /additionalPrinterColumns/Profile", "`-o wide` tells which policies hold"),
    ("Sandbox", "+ /additionalPrinterColumns/Owner", "`-o wide` tells whose it is: a claim's, or yet a pool's"),
    ("Sandbox", "+ /additionalPrinterColumns/Node", "`-o wide` tells where the pod is, as of pods"),
    (
        "SandboxTemplate",
        "+ /additionalPrinterColumns",
        "templates of wired sandboxes are told from others by `Profile`",
    ),
    ("SandboxWarmPool", "+ /additionalPrinterColumns/Template", "`-o wide` tells what the sandboxes are made from"),
    ("SandboxClaim", "+ /additionalPrinterColumns/Pool", "`-o wide` tells out of which pool the sandbox is"),
];

/// The definitions of its main branch, which has `v1beta1` alone.
#[test]
fn the_stored_version_is_that_of_agent_sandbox() {
    let folder = repository().join("../shared/data/agent-sandbox");
    compare(&folder, "../shared", "v1beta1", &|kind| {
        DIFFERENCES.iter().filter(|(of, ..)| *of == kind).map(|(_, what, _)| (*what).to_owned()).collect()
    });
}

/// Those of its last release that had both, as Go has fetched it for the tests of its SDK.
#[test]
fn the_older_version_is_that_of_agent_sandbox() {
    let cache = std::env::var_os("GOMODCACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join("go/pkg/mod"))).unwrap_or_default();
    let folder = cache.join("sigs.k8s.io/agent-sandbox@v0.5.3/k8s/crds");
    compare(&folder, "sigs.k8s.io/agent-sandbox in Go's module cache", "v1alpha1", &|_| Vec::new());
}

fn compare(folder: &Path, needed: &str, name: &str, known: &dyn Fn(&str) -> Vec<String>) {
    if !folder.is_dir() {
        return skip(needed);
    }
    for (kind, file) in KINDS {
        let theirs: Value = serde_saphyr::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        let (theirs, ours) = (whole_numbers(theirs), definition(kind));
        for (what, theirs, ours) in [
            ("group", &theirs["spec"]["group"], &ours["spec"]["group"]),
            ("scope", &theirs["spec"]["scope"], &ours["spec"]["scope"]),
            ("names", &theirs["spec"]["names"], &ours["spec"]["names"]),
        ] {
            assert_eq!(theirs, ours, "{kind} {what}");
        }
        let mut found = Vec::new();
        differences(&comparable(version(&theirs, name)), &comparable(version(ours, name)), "", &mut found);
        assert_eq!(found, known(kind), "{kind} {name}");
    }
}

/// Without what people alone read, and lists in which only the members count as such.
fn comparable(version: &Value) -> Value {
    let mut version = version.clone();
    if let Some(columns) = version["additionalPrinterColumns"].as_array() {
        let by_name: Map<String, Value> =
            columns.iter().map(|column| (column["name"].as_str().unwrap().to_owned(), column.clone())).collect();
        version["additionalPrinterColumns"] = Value::Object(by_name);
    }
    strip(&version)
}

fn strip(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, value)| *name != "description" || !value.is_string());
            fields
                .map(|(name, value)| (name.clone(), if is_set(name) { sorted(value) } else { strip(value) }))
                .collect()
        }
        Value::Array(items) => items.iter().map(strip).collect(),
        other => other.clone(),
    }
}

fn is_set(name: &str) -> bool {
    matches!(name, "enum" | "required" | "x-kubernetes-list-map-keys")
}

fn sorted(list: &Value) -> Value {
    let mut items: Vec<String> = list.as_array().into_iter().flatten().map(Value::to_string).collect();
    // A property may have such a name, too.
    if items.is_empty() {
        return strip(list);
    }
    items.sort();
    json!(items)
}

fn differences(theirs: &Value, ours: &Value, path: &str, found: &mut Vec<String>) {
    let (Value::Object(left), Value::Object(right)) = (theirs, ours) else {
        if theirs != ours {
            found.push(format!("{path}: {theirs}, and here {ours}"));
        }
        return;
    };
    let fields = |of: &Map<String, Value>| of.clone().into_iter().collect::<BTreeMap<_, _>>();
    for (name, theirs) in fields(left) {
        match right.get(&name) {
            Some(ours) => differences(&theirs, ours, &format!("{path}/{name}"), found),
            None => found.push(format!("- {path}/{name}")),
        }
    }
    found.extend(right.keys().filter(|name| !left.contains_key(*name)).map(|name| format!("+ {path}/{name}")));
}
