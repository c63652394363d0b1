//! How each kind differs between its versions.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::note::Note;
use super::part::{Field, Fields, Part, To};
use crate::{AGENTS, EXTENSIONS, InjectionPolicy, OperatingMode, TemplateRef, VolumeClaimTemplate, WarmPoolRef};

/// A kind in two versions.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
    pub(super) parts: &'static [Part],
    older: Note,
    newer: Note,
}

impl Kind {
    /// The note about one of its versions, on an object of the other.
    pub(super) const fn note(&self, about: To) -> Note {
        match about {
            To::Older => self.older,
            To::Newer => self.newer,
        }
    }
}

/// What only `v1beta1` says of an object.
const NEWER: Note = Note::Fields("exeat.dev/v1beta1-state");

/// The note of a claim about what it said in `v1alpha1`.
pub(super) const CLAIM_NOTE: &str = "api.agents.x-k8s.io/v1alpha1-sandboxclaim-state";

/// What begins the name of a pool that stands for a template: for any of its pools, or for none.
pub(super) const ANY_OF_TEMPLATE: &str = "shadow-pool-";

pub(super) static KINDS: [Kind; 4] = [
    Kind {
        group: AGENTS,
        kind: "Sandbox",
        parts: &[
            Part {
                section: "spec",
                older: &[Field { name: "replicas", reads: |value| matches!(value.as_i64(), Some(0 | 1)) }],
                newer: &[Field { name: "operatingMode", reads: is::<OperatingMode> }],
                to_newer: |older| {
                    one("operatingMode", if older.get("replicas") == Some(&json!(0)) { "Suspended" } else { "Running" })
                },
                to_older: |newer, _| {
                    one("replicas", i32::from(newer.get("operatingMode") != Some(&json!("Suspended"))))
                },
            },
            only_newer("status", &[Field { name: "nodeName", reads: is::<String> }]),
        ],
        older: Note::Fields("api.agents.x-k8s.io/v1alpha1-sandbox-state"),
        newer: NEWER,
    },
    Kind {
        group: EXTENSIONS,
        kind: "SandboxTemplate",
        parts: &[Part {
            section: "spec",
            older: &[],
            newer: &[Field { name: "volumeClaimTemplatesPolicy", reads: is::<InjectionPolicy> }],
            to_newer: |_| one("volumeClaimTemplatesPolicy", "Disallowed"),
            to_older: |_, _| Fields::new(),
        }],
        older: Note::Fields("api.agents.x-k8s.io/v1alpha1-sandboxtemplate-state"),
        newer: Note::Text("api.agents.x-k8s.io/v1beta1-volume-claim-templates-policy", "volumeClaimTemplatesPolicy"),
    },
    Kind {
        group: EXTENSIONS,
        kind: "SandboxWarmPool",
        parts: &[
            Part {
                section: "spec",
                older: &[Field { name: "replicas", reads: is::<u32> }],
                newer: &[Field { name: "replicas", reads: is::<u32> }],
                to_newer: Fields::clone,
                to_older: |newer, _| one("replicas", newer.get("replicas").cloned().unwrap_or(json!(1))),
            },
            only_newer("status", &[Field { name: "observedGeneration", reads: is::<u64> }]),
        ],
        older: Note::Fields("api.agents.x-k8s.io/v1alpha1-sandboxwarmpool-state"),
        newer: NEWER,
    },
    Kind {
        group: EXTENSIONS,
        kind: "SandboxClaim",
        parts: &[
            Part {
                section: "spec",
                older: &[
                    Field { name: "sandboxTemplateRef", reads: is::<TemplateRef> },
                    Field { name: "warmpool", reads: is::<String> },
                ],
                newer: &[Field { name: "warmPoolRef", reads: is::<WarmPoolRef> }],
                to_newer: pool_of,
                to_older: template_of,
            },
            only_newer("spec", &[Field { name: "volumeClaimTemplates", reads: is::<Vec<VolumeClaimTemplate>> }]),
        ],
        older: Note::Fields(CLAIM_NOTE),
        newer: NEWER,
    },
];

/// Fields that the older version has no words for.
const fn only_newer(section: &'static str, newer: &'static [Field]) -> Part {
    Part { section, older: &[], newer, to_newer: |_| Fields::new(), to_older: |_, _| Fields::new() }
}

fn one(name: &str, value: impl Into<Value>) -> Fields {
    [(name.to_owned(), value.into())].into_iter().collect()
}

fn is<T: DeserializeOwned>(value: &Value) -> bool {
    T::deserialize(value).is_ok()
}

/// The pool that a template and a word about pools come to.
fn pool_of(older: &Fields) -> Fields {
    let template = older.get("sandboxTemplateRef").and_then(|template| template["name"].as_str());
    let pool = match (older.get("warmpool").and_then(Value::as_str), template) {
        (Some(pool), _) if !matches!(pool, "" | "none" | "default") => pool.to_owned(),
        (_, Some(template)) => format!("{ANY_OF_TEMPLATE}{template}"),
        (_, None) => return Fields::new(),
    };
    one("warmPoolRef", json!({ "name": pool }))
}

/// The template and the word about pools that a pool comes from; the template of a pool is known only if it was said before.
fn template_of(newer: &Fields, noted: &Fields) -> Fields {
    let Some(pool) = newer.get("warmPoolRef").and_then(|pool| pool["name"].as_str()) else { return Fields::new() };
    let (template, pools) = match pool.strip_prefix(ANY_OF_TEMPLATE).filter(|template| !template.is_empty()) {
        Some(template) => (json!({ "name": template }), "default"),
        None => (noted.get("sandboxTemplateRef").cloned().unwrap_or(json!({ "name": pool })), pool),
    };
    [("sandboxTemplateRef".to_owned(), template), ("warmpool".to_owned(), pools.into())].into_iter().collect()
}

/// `status.replicas` of a Sandbox is nobody's wish: it is whether there is a pod, as far as `v1beta1` knows.
pub(super) fn count_pods(object: &mut Map<String, Value>, kind: &Kind, to: To) {
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else { return };
    if kind.kind == "Sandbox" {
        status.shift_remove("replicas");
        let has_pod = status.get("podIPs").and_then(Value::as_array).is_some_and(|ips| !ips.is_empty());
        if to == To::Older && has_pod {
            status.insert("replicas".to_owned(), json!(1));
        }
    }
}
