use kube::core::conversion::ConversionReview;
use serde_json::{Value, json};

use super::*;
use crate::SandboxClaim;

mod round_trips;

const OLD: &str = "extensions.agents.x-k8s.io/v1alpha1";
const NEW: &str = "extensions.agents.x-k8s.io/v1beta1";
const CLAIM_STATE: &str = "api.agents.x-k8s.io/v1alpha1-sandboxclaim-state";

fn object(api_version: &str, kind: &str, spec: Value, annotations: Value) -> Value {
    let mut metadata = json!({ "name": "x", "namespace": "team-a", "uid": "u" });
    if annotations != json!({}) {
        metadata["annotations"] = annotations;
    }
    json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec })
}

fn claim(spec: Value) -> Value {
    object(OLD, "SandboxClaim", spec, json!({}))
}

fn to(wanted: &str, object: &Value) -> Value {
    convert_object(object.clone(), wanted).unwrap()
}

#[test]
fn a_sandbox_without_replicas_shall_not_run() {
    for (replicas, mode) in
        [(json!({}), "Running"), (json!({ "replicas": 1 }), "Running"), (json!({ "replicas": 0 }), "Suspended")]
    {
        let old = object("agents.x-k8s.io/v1alpha1", "Sandbox", replicas, json!({}));
        let new = to("agents.x-k8s.io/v1beta1", &old);
        assert_eq!(new["spec"], json!({ "operatingMode": mode }));
        assert_eq!(to("agents.x-k8s.io/v1alpha1", &new), old);
    }
}

#[test]
fn nothing_is_noted_where_fields_say_it_all() {
    for (old, new) in [
        (object("agents.x-k8s.io/v1alpha1", "Sandbox", json!({ "replicas": 1 }), json!({})), "agents.x-k8s.io/v1beta1"),
        (object(OLD, "SandboxWarmPool", json!({ "replicas": 3 }), json!({})), NEW),
        (object(OLD, "SandboxTemplate", json!({}), json!({})), NEW),
        (claim(json!({ "sandboxTemplateRef": { "name": "t" }, "warmpool": "default" })), NEW),
    ] {
        let new = to(new, &old);
        assert_eq!(new["metadata"].get("annotations"), None, "{new}");
    }
}

#[test]
fn a_claim_refers_to_a_pool_or_to_its_template() {
    for (pools, pool, from) in [
        ("default", "shadow-pool-t", Source::Template { name: "t", pools: true }),
        ("none", "shadow-pool-t", Source::Template { name: "t", pools: false }),
        ("", "shadow-pool-t", Source::Template { name: "t", pools: true }),
        ("fast", "fast", Source::Pool("fast")),
        ("shadow-pool-u", "shadow-pool-u", Source::Pool("shadow-pool-u")),
    ] {
        let old = claim(json!({ "sandboxTemplateRef": { "name": "t" }, "warmpool": pools }));
        let new = to(NEW, &old);
        assert_eq!(new["spec"]["warmPoolRef"]["name"], pool);
        let typed: SandboxClaim = serde_json::from_value(new.clone()).unwrap();
        assert_eq!(source(&typed), from, "{pools}");
        assert_eq!(to(OLD, &new), old);
    }
}

#[test]
fn a_pool_says_nothing_of_its_template() {
    let new = object(NEW, "SandboxClaim", json!({ "warmPoolRef": { "name": "fast" } }), json!({}));
    let old = to(OLD, &new);
    assert_eq!(old["spec"], json!({ "sandboxTemplateRef": { "name": "fast" }, "warmpool": "fast" }));
    let typed: SandboxClaim = serde_json::from_value(new).unwrap();
    assert_eq!(source(&typed), Source::Pool("fast"));
}

/// Of what was written before, the rest stays.
#[test]
fn who_changes_a_field_later_wins_over_the_note() {
    let mut new = to(NEW, &claim(json!({ "sandboxTemplateRef": { "name": "t" }, "warmpool": "none" })));
    new["spec"]["warmPoolRef"]["name"] = json!("other");
    let old = to(OLD, &new);
    assert_eq!(old["spec"], json!({ "sandboxTemplateRef": { "name": "t" }, "warmpool": "other" }));
    assert_eq!(to(NEW, &old)["spec"], new["spec"]);

    let old = object("agents.x-k8s.io/v1alpha1", "Sandbox", json!({}), json!({}));
    let mut new = to("agents.x-k8s.io/v1beta1", &old);
    new["spec"]["operatingMode"] = json!("Suspended");
    assert_eq!(to("agents.x-k8s.io/v1alpha1", &new)["spec"]["replicas"], 0);
    new["spec"]["operatingMode"] = json!("Running");
    assert_eq!(to("agents.x-k8s.io/v1alpha1", &new), old);
}

#[test]
fn what_only_the_newer_version_says_outlives_a_change_by_an_older_client() {
    let volumes = json!([{ "metadata": { "name": "w" }, "spec": { "accessModes": ["ReadWriteOnce"] } }]);
    let spec = json!({ "warmPoolRef": { "name": "fast" }, "volumeClaimTemplates": volumes });
    let mut old = to(OLD, &object(NEW, "SandboxClaim", spec, json!({ "a": "b" })));
    assert_eq!(old["spec"].get("volumeClaimTemplates"), None);
    old["metadata"]["labels"] = json!({ "team": "x" });
    let new = to(NEW, &old);
    assert_eq!(new["spec"]["volumeClaimTemplates"], volumes);
    assert_eq!(new["metadata"]["annotations"]["a"], "b");
    assert_eq!(new["metadata"]["annotations"].get("exeat.dev/v1beta1-state"), None);
}

/// Agent Sandbox says so with an annotation that its users write by hand, too.
#[test]
fn what_claims_of_an_older_template_may_bring_is_an_annotation() {
    let key = "api.agents.x-k8s.io/v1beta1-volume-claim-templates-policy";
    for (said, policy) in [("Allowed", "Allowed"), ("Overrides", "Overrides"), ("nonsense", "Disallowed")] {
        let old = object(OLD, "SandboxTemplate", json!({}), json!({ key: said }));
        let new = to(NEW, &old);
        assert_eq!(new["spec"]["volumeClaimTemplatesPolicy"], policy);
        assert_eq!(new["metadata"].get("annotations"), None);
        if said == policy {
            assert_eq!(to(OLD, &new), old);
        }
    }
}

/// Its webhook notes the whole object.
#[test]
fn what_agent_sandbox_has_noted_is_read() {
    let state = json!({
        "kind": "SandboxClaim", "apiVersion": OLD, "metadata": { "name": "x", "creationTimestamp": null },
        "spec": { "sandboxTemplateRef": { "name": "t" }, "warmpool": "none", "additionalPodMetadata": {} },
        "status": { "sandbox": {} },
    });
    let spec = json!({ "warmPoolRef": { "name": "shadow-pool-t" } });
    let new = object(NEW, "SandboxClaim", spec, json!({ CLAIM_STATE: state.to_string() }));
    assert_eq!(to(OLD, &new), claim(json!({ "sandboxTemplateRef": { "name": "t" }, "warmpool": "none" })));
    let typed: SandboxClaim = serde_json::from_value(new).unwrap();
    assert_eq!(source(&typed), Source::Template { name: "t", pools: false });
}

#[test]
fn a_note_that_cannot_be_is_none() {
    for note in ["", "[]", "{", "{\"spec\":7}", r#"{"spec":{"sandboxTemplateRef":{"name":7},"warmpool":["none"]}}"#] {
        let spec = json!({ "warmPoolRef": { "name": "shadow-pool-t" } });
        let new = object(NEW, "SandboxClaim", spec, json!({ CLAIM_STATE: note }));
        let old = claim(json!({ "sandboxTemplateRef": { "name": "t" }, "warmpool": "default" }));
        assert_eq!(to(OLD, &new), old, "{note}");
    }
    let volumes = r#"{"spec":{"volumeClaimTemplates":[{"spec":{},"metadata":{"name":7}}]},"status":{"nodeName":{}}}"#;
    let old = object(OLD, "SandboxClaim", json!({ "warmpool": "p" }), json!({ "exeat.dev/v1beta1-state": volumes }));
    assert_eq!(to(NEW, &old)["spec"], json!({ "warmPoolRef": { "name": "p" } }));
}

#[test]
fn replicas_are_counted_and_not_remembered() {
    let mut old = object("agents.x-k8s.io/v1alpha1", "Sandbox", json!({ "replicas": 1 }), json!({}));
    old["status"] = json!({ "replicas": 1, "service": "x" });
    let mut new = to("agents.x-k8s.io/v1beta1", &old);
    assert_eq!(new["status"], json!({ "service": "x" }));
    assert_eq!(to("agents.x-k8s.io/v1alpha1", &new)["status"], json!({ "service": "x" }));
    new["status"]["podIPs"] = json!(["10.0.0.1"]);
    assert_eq!(to("agents.x-k8s.io/v1alpha1", &new)["status"]["replicas"], 1);
}

fn review(wanted: &str, objects: Value) -> ConversionReview {
    let review = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
        "request": { "uid": "r", "desiredAPIVersion": wanted, "objects": objects },
    });
    serde_json::from_value(review).unwrap()
}

#[test]
fn a_review_is_answered_as_a_whole_and_in_order() {
    let objects: Vec<Value> =
        ["none", "p"].map(|pools| claim(json!({ "sandboxTemplateRef": { "name": "t" }, "warmpool": pools }))).into();
    let answer = json!(convert(review(NEW, json!(objects))));
    assert_eq!(answer["kind"], "ConversionReview");
    assert_eq!(answer["response"]["uid"], "r");
    assert_eq!(answer["response"]["result"]["status"], "Success");
    let pools =
        [0, 1].map(|number| answer["response"]["convertedObjects"][number]["spec"]["warmPoolRef"]["name"].clone());
    assert_eq!(pools, ["shadow-pool-t", "p"]);
    assert_eq!(json!(convert(review(OLD, json!(objects))))["response"]["convertedObjects"], json!(objects));
}

#[test]
fn what_cannot_be_converted_is_refused_with_a_reason() {
    let fine = claim(json!({}));
    for (wanted, object, message) in [
        (
            "extensions.agents.x-k8s.io/v2",
            fine.clone(),
            "SandboxClaim has no version `extensions.agents.x-k8s.io/v2`: there are \
             `extensions.agents.x-k8s.io/v1alpha1` and `extensions.agents.x-k8s.io/v1beta1`",
        ),
        (
            "agents.x-k8s.io/v1beta1",
            fine,
            "SandboxClaim has no version `agents.x-k8s.io/v1beta1`: there are \
             `extensions.agents.x-k8s.io/v1alpha1` and `extensions.agents.x-k8s.io/v1beta1`",
        ),
        (
            NEW,
            object(OLD, "Sandbox", json!({}), json!({})),
            "`Sandbox` of `extensions.agents.x-k8s.io/v1alpha1` is not converted here",
        ),
        (
            NEW,
            json!({ "apiVersion": "extensions.agents.x-k8s.io/v1", "kind": "SandboxClaim" }),
            "`SandboxClaim` of `extensions.agents.x-k8s.io/v1` is not converted here",
        ),
        (NEW, json!({ "apiVersion": OLD, "kind": "SandboxClaim" }), "SandboxClaim has no `metadata`"),
        (NEW, json!(null), "`` of `` is not converted here"),
    ] {
        let answer = json!(convert(review(wanted, json!([object]))));
        assert_eq!(answer["response"]["result"]["status"], "Failure");
        assert_eq!(answer["response"]["result"]["message"], format!("objects[0]: {message}"));
        assert_eq!(answer["response"]["convertedObjects"], json!([]));
    }
    for (broken, message) in [
        (
            json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview" }),
            "request missing in ConversionReview",
        ),
        (json!({ "apiVersion": "v1", "kind": "Pod" }), "`Pod` of `v1` is not a ConversionReview of `v1`"),
    ] {
        let answer = json!(convert(serde_json::from_value(broken).unwrap()));
        assert_eq!(answer["response"]["result"]["message"], message);
    }
}
