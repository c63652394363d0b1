//! Objects as a cluster hands them over, there and back.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{NEW, OLD};
use crate::conversion::{KINDS, convert_object};

/// Any JSON of some depth.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-zA-Z]{1,8}", inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Fields of which each may be left out.
fn fields(of: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Value> {
    let each: Vec<_> =
        of.into_iter().map(|(name, value)| option::of(value).prop_map(move |value| (name, value))).collect();
    each.prop_map(|fields| {
        Value::Object(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    })
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    prop_oneof![proptest::sample::select(words).prop_map(Value::from), "[a-z-]{0,12}".prop_map(Value::from)].boxed()
}

/// Names that mean something, and others.
fn name() -> BoxedStrategy<Value> {
    word(&["none", "default", "", "shadow-pool-", "shadow-pool-t", "t"])
}

fn reference() -> BoxedStrategy<Value> {
    name().prop_map(|name| json!({ "name": name })).boxed()
}

fn metadata() -> impl Strategy<Value = Value> {
    (btree_map("[a-z.]{1,10}/[a-z]{1,10}", ".{0,20}", 0..4), "[a-z]{1,8}").prop_map(|(annotations, name)| {
        let mut metadata = json!({ "name": name, "namespace": "n", "uid": "u", "resourceVersion": "7" });
        if !annotations.is_empty() {
            metadata["annotations"] = json!(annotations);
        }
        metadata
    })
}

fn whole(
    api_version: &'static str, kind: &'static str, spec: impl Strategy<Value = Value>,
    status: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Value> {
    (metadata(), option::of(spec), option::of(status)).prop_map(move |(metadata, spec, status)| {
        let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata });
        for (name, section) in [("spec", spec), ("status", status)] {
            if let Some(section) = section {
                object[name] = section;
            }
        }
        object
    })
}

/// An object of the older version. `status.replicas` is what the newer one would say of it.
fn older() -> impl Strategy<Value = Value> {
    let rest = || anything().boxed();
    prop_oneof![
        whole(
            "agents.x-k8s.io/v1alpha1",
            "Sandbox",
            fields(vec![
                ("replicas", (0..2).prop_map(Value::from).boxed()),
                ("podTemplate", rest()),
                ("service", rest())
            ]),
            prop_oneof![
                fields(vec![("conditions", rest()), ("podIPs", Just(json!([])).boxed())]),
                Just(json!({ "podIPs": ["10.0.0.1"], "replicas": 1 })),
            ],
        ),
        whole(
            OLD,
            "SandboxClaim",
            fields(vec![("sandboxTemplateRef", reference()), ("warmpool", name()), ("env", rest())]),
            fields(vec![("sandbox", rest())]),
        ),
        whole(OLD, "SandboxTemplate", fields(vec![("podTemplate", rest())]), fields(vec![])),
        whole(
            OLD,
            "SandboxWarmPool",
            fields(vec![("replicas", any::<u16>().prop_map(Value::from).boxed()), ("sandboxTemplateRef", reference())]),
            fields(vec![("readyReplicas", rest())]),
        ),
    ]
}

/// An object of the newer version, with the values that the cluster puts into its empty fields where it has any.
fn newer() -> impl Strategy<Value = Value> {
    let rest = || anything().boxed();
    let volumes = || json!([{ "metadata": { "name": "w" }, "spec": { "storageClassName": "fast" } }]);
    prop_oneof![
        whole(
            "agents.x-k8s.io/v1beta1",
            "Sandbox",
            fields(vec![
                ("operatingMode", proptest::sample::select(&["Running", "Suspended"]).prop_map(Value::from).boxed()),
                ("podTemplate", rest()),
            ]),
            fields(vec![("nodeName", word(&["node"])), ("podIPs", rest()), ("conditions", rest())]),
        ),
        whole(
            NEW,
            "SandboxClaim",
            fields(vec![("warmPoolRef", reference()), ("volumeClaimTemplates", Just(volumes()).boxed())]),
            fields(vec![("sandbox", rest())]),
        ),
        whole(
            NEW,
            "SandboxTemplate",
            proptest::sample::select(&["Disallowed", "Allowed", "Overrides"])
                .prop_map(|policy| json!({ "volumeClaimTemplatesPolicy": policy })),
            fields(vec![]),
        ),
        whole(
            NEW,
            "SandboxWarmPool",
            fields(vec![("replicas", any::<u16>().prop_map(Value::from).boxed()), ("sandboxTemplateRef", reference())]),
            fields(vec![("observedGeneration", any::<u32>().prop_map(Value::from).boxed()), ("readyReplicas", rest())]),
        ),
    ]
}

fn other(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap();
    match version.strip_suffix("/v1alpha1") {
        Some(group) => format!("{group}/v1beta1"),
        None => version.replace("/v1beta1", "/v1alpha1"),
    }
}

fn there_and_back(object: &Value) -> Value {
    let there = convert_object(object.clone(), &other(object)).unwrap();
    convert_object(there, object["apiVersion"].as_str().unwrap()).unwrap()
}

proptest! {
    #[test]
    fn what_was_written_in_the_older_version_comes_back(object in older()) {
        prop_assert_eq!(there_and_back(&object), object);
    }

    #[test]
    fn what_was_written_in_the_newer_version_comes_back(object in newer()) {
        prop_assert_eq!(there_and_back(&object), object);
    }

    /// A cluster refuses an answer that changes anything else of the metadata.
    #[test]
    fn only_annotations_of_the_metadata_change(object in prop_oneof![older(), newer()]) {
        let mut there = convert_object(object.clone(), &other(&object)).unwrap();
        let mut before = object;
        for object in [&mut there, &mut before] {
            object["metadata"].as_object_mut().unwrap().shift_remove("annotations");
        }
        prop_assert_eq!(&there["metadata"], &before["metadata"]);
        prop_assert_eq!(&there["kind"], &before["kind"]);
    }

    /// Once more there and back changes nothing, so that reading in two versions does not write for ever.
    #[test]
    fn a_second_time_is_as_the_first(object in prop_oneof![older(), newer()]) {
        let there = |object: &Value| convert_object(object.clone(), &other(object)).unwrap();
        let first = there(&object);
        prop_assert_eq!(there(&there(&first)), first);
    }

    #[test]
    fn whatever_an_object_holds_is_converted_or_refused(
        kind in 0..KINDS.len(), older in any::<bool>(), sections in btree_map("metadata|spec|status", anything(), 0..4),
        note in anything(),
    ) {
        let kind = &KINDS[kind];
        let version = if older { "v1alpha1" } else { "v1beta1" };
        let mut object: Map<String, Value> = sections.into_iter().collect();
        object.insert("apiVersion".into(), format!("{}/{version}", kind.group).into());
        object.insert("kind".into(), kind.kind.into());
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("annotations".into(), note);
        }
        let object = Value::Object(object);
        let _ = convert_object(object.clone(), &other(&object));
    }
}
