use exeat_api::ObjectMeta;
use serde_json::json;

use super::*;
use crate::metadata::name;

/// The claim of the Python SDK 1.0.8, as it was seen on the wire.
fn of_the_sdk() -> Value {
    json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxClaim",
        "metadata": {
            "name": "sandbox-claim-82a28eb8",
            "annotations": { "agents.x-k8s.io/client-first-requested-at": "2026-11-23T15:18:53.595864+00:00" },
            "labels": { "team": "x", "agents.x-k8s.io/created-by": "python-client" },
        },
        "spec": {
            "warmPoolRef": { "name": "py-pool" },
            "lifecycle": { "shutdownTime": "2026-11-23T15:28:53Z", "shutdownPolicy": "Delete" },
            "additionalPodMetadata": { "labels": { "sandbox.users.io/run": "1" } },
            "env": [{ "name": "A", "value": "1" }],
        },
    })
}

fn claim() -> SandboxClaim {
    let mut claim: SandboxClaim = read(Resource::Claims, of_the_sdk()).unwrap();
    claim.metadata = new_metadata("default", claim.metadata).unwrap();
    claim
}

#[test]
fn a_claim_comes_back_as_it_was_written() {
    let claim: SandboxClaim = read(Resource::Claims, of_the_sdk()).unwrap();
    assert_eq!(json!(claim), of_the_sdk());
}

#[test]
fn a_claim_of_go_is_named_here_and_its_empty_fields_are_none() {
    let body = json!({
        "kind": "SandboxClaim", "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
        "metadata": { "generateName": "sandbox-claim-", "namespace": "default", "creationTimestamp": null, "labels": null },
        "spec": { "warmPoolRef": { "name": "p" }, "additionalPodMetadata": {} }, "status": { "sandbox": {} },
    });
    let mut claim: SandboxClaim = read(Resource::Claims, body).unwrap();
    claim.metadata = new_metadata("default", claim.metadata).unwrap();
    assert!(
        name(&claim.metadata).len() > "sandbox-claim-".len() && name(&claim.metadata).starts_with("sandbox-claim-")
    );
    assert!(uid(&claim.metadata).len() == 36 && claim.status.is_none());
}

#[test]
fn the_restore_of_the_sdk_is_one_annotation_and_takes_nothing_else() {
    let before = claim();
    let patch =
        json!({ "spec": { "additionalPodMetadata": { "annotations": { "podsnapshot.gke.io/ps-name": "snap-1" } } } });
    let after = patched(&before, patch).unwrap();
    assert_eq!(after.spec.additional_pod_metadata.annotations["podsnapshot.gke.io/ps-name"], "snap-1");
    assert_eq!((uid(&after.metadata), after.metadata.generation), (uid(&before.metadata), Some(2)));
    let clean =
        json!({ "spec": { "additionalPodMetadata": { "annotations": { "podsnapshot.gke.io/ps-name": null } } } });
    assert_eq!(patched(&after, clean).unwrap().spec, before.spec);
}

#[test]
fn what_would_need_another_sandbox_cannot_be_changed() {
    for patch in [
        json!({ "spec": { "warmPoolRef": { "name": "other" } } }),
        json!({ "spec": { "env": [] } }),
        json!({ "spec": { "warmPoolRef": null } }),
        json!({ "metadata": { "resourceVersion": "1" } }),
        json!({ "kind": "Sandbox" }),
        json!({ "spec": "x" }),
    ] {
        assert!(patched(&claim(), patch.clone()).is_err(), "{patch}");
    }
    // Not for clients to say.
    let same =
        patched(&claim(), json!({ "metadata": { "uid": "x" }, "status": { "sandbox": { "name": "x" } } })).unwrap();
    assert!(uid(&same.metadata) != "x" && same.status.is_none());
}

#[test]
fn what_can_never_be_is_refused_with_the_reason_that_clients_know() {
    let early: Timestamp = "2026-11-23T15:18:53Z".parse().unwrap();
    assert!(check(&claim(), early).is_ok());
    let volumes = json!({ "spec": { "volumeClaimTemplates": [{ "spec": {} }] } });
    let env = |name: &str| json!({ "spec": { "env": [{ "name": name, "value": "" }] } });
    for (patch, reason) in [
        (volumes, "VolumeClaimTemplatesError"),
        (env(""), "EnvVarsInjectionRejected"),
        (env("a=b"), "EnvVarsInjectionRejected"),
    ] {
        let mut value = of_the_sdk();
        merge(&mut value, patch);
        let refused = check(&read(Resource::Claims, value).unwrap(), early).unwrap_err();
        assert_eq!(refused.reason.as_str(), reason);
        assert!(refused.reason.is_final());
    }
    let late = check(&claim(), "2026-11-23T15:28:53Z".parse().unwrap()).unwrap_err();
    assert_eq!(late.reason.as_str(), "ClaimExpired");
}

#[test]
fn what_may_be_otherwise_later_does_not_make_clients_give_up() {
    for error in [Error::Failed("x".into()), Error::Full("x".into()), Error::Refused(exeat_lifecycle::Refused::Busy)] {
        assert!(!Hopeless::of(&error).reason.is_final(), "{error}");
    }
}

#[test]
fn names_that_kubernetes_would_not_have_are_refused() {
    let named = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    for bad in ["", "A", "a/b", "..", "a..b", &"x".repeat(254)] {
        assert!(new_metadata("default", named(bad)).is_err(), "{bad}");
    }
    assert!(new_metadata("Default", named("a")).is_err());
    assert!(new_metadata("default", named("a.b-1")).is_ok());
}
