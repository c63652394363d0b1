use std::sync::Arc;

use exeat_api::{Reason, Sandbox, SandboxSnapshot, annotations, finalizers, labels};
use serde_json::{Value, json};

use super::plan::{Observed, Source, Step, plan};
use super::{is_taken, status, surplus};
use crate::effect::Act;
use crate::views::Pod;

struct Scene {
    snapshot: Value,
    sandbox: Option<Value>,
    pod: Option<Value>,
    has_store: bool,
}

/// What is different in one case.
type Change = fn(&mut Scene);

impl Scene {
    /// A snapshot that can be taken.
    fn new() -> Self {
        let owner =
            json!({ "apiVersion": "a/v1", "kind": "Sandbox", "name": "box", "uid": "box-uid", "controller": true });
        Scene {
            snapshot: json!({
                "apiVersion": "exeat.dev/v1alpha1", "kind": "SandboxSnapshot",
                "metadata": {
                    "name": "one", "namespace": "n", "uid": "one-uid", "resourceVersion": "7", "generation": 1,
                    "finalizers": ["other", finalizers::STORED],
                },
                "spec": { "sandboxName": "box" },
            }),
            sandbox: Some(json!({
                "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox",
                "metadata": {
                    "name": "box", "namespace": "n", "uid": "box-uid", "annotations": { annotations::LAST_SNAPSHOT: "zero" },
                },
                "spec": { "podTemplate": { "metadata": { "labels": { "exeat.dev/profile": "coder" } }, "spec": {} } },
            })),
            pod: Some(json!({
                "metadata": { "name": "box", "namespace": "n", "uid": "pod-uid", "ownerReferences": [owner] },
                "status": { "phase": "Running", "podIPs": [{ "ip": "10.0.0.7" }] },
            })),
            has_store: true,
        }
    }

    fn with(change: impl FnOnce(&mut Scene)) -> Step {
        let mut scene = Scene::new();
        change(&mut scene);
        let snapshot: SandboxSnapshot = serde_json::from_value(scene.snapshot).unwrap();
        let sandbox: Option<Sandbox> = scene.sandbox.map(|sandbox| serde_json::from_value(sandbox).unwrap());
        let pod: Option<Pod> = scene.pod.map(|pod| serde_json::from_value(pod).unwrap());
        let observed =
            Observed { snapshot: &snapshot, sandbox: sandbox.as_ref(), pod: pod.as_ref(), has_store: scene.has_store };
        plan(&observed)
    }
}

fn ready(reason: &str, status: &str) -> Value {
    json!({ "conditions": [{
        "type": "Ready", "status": status, "reason": reason, "message": "", "lastTransitionTime": "2023-01-01T00:00:00Z",
    }] })
}

#[test]
fn it_is_taken_from_the_pod_once_its_object_is_held() {
    let source =
        Source { address: "10.0.0.7".parse().unwrap(), sandbox_uid: "box-uid".into(), parent: Some("zero".into()) };
    assert_eq!(Scene::with(|_| {}), Step::Take(source));
    let Step::Do(effect) = Scene::with(|scene| scene.snapshot["metadata"]["finalizers"] = json!(["other"])) else {
        panic!("it is not held first");
    };
    let held = json!({ "metadata": { "resourceVersion": "7", "finalizers": ["other", finalizers::STORED] } });
    assert_eq!(effect.act, Act::Merge(held));
    // Killed while it was taken, and what failed, is taken again.
    for reason in ["Taking", "TakeFailed", "SandboxNotRunning"] {
        assert!(matches!(Scene::with(|scene| scene.snapshot["status"] = ready(reason, "False")), Step::Take(_)));
    }
    assert_eq!(Scene::with(|scene| scene.snapshot["status"] = ready("Taken", "True")), Step::Nothing);
}

#[test]
fn why_it_cannot_be_taken_is_said() {
    let said = |change: Change| match Scene::with(change) {
        Step::Say(reason, why) => (reason, why),
        other => panic!("{other:?}"),
    };
    let cases: [(Reason, Change); 9] = [
        (Reason::LiveNotSupported, |scene| scene.snapshot["spec"]["kind"] = json!("Live")),
        (Reason::NoSnapshotStore, |scene| scene.has_store = false),
        (Reason::SandboxNotFound, |scene| scene.sandbox = None),
        (Reason::SandboxNotFound, |scene| {
            scene.sandbox.as_mut().unwrap()["metadata"]["deletionTimestamp"] = json!("2023-01-01T00:00:00Z");
        }),
        (Reason::NotWired, |scene| {
            scene.sandbox.as_mut().unwrap()["spec"]["podTemplate"]["metadata"] = json!({});
        }),
        (Reason::SandboxNotRunning, |scene| scene.pod = None),
        (Reason::SandboxNotRunning, |scene| scene.pod.as_mut().unwrap()["status"]["phase"] = json!("Pending")),
        (Reason::SandboxNotRunning, |scene| {
            scene.pod.as_mut().unwrap()["metadata"]["ownerReferences"][0]["uid"] = json!("another");
        }),
        (Reason::Restoring, |scene| {
            scene.pod.as_mut().unwrap()["metadata"]["annotations"] = json!({ annotations::SNAPSHOT: "zero" });
        }),
    ];
    for (reason, change) in cases {
        let (found, why) = said(change);
        assert_eq!(found, reason, "{why}");
        assert!(!found.is_final());
    }
}

#[test]
fn what_is_deleted_goes_out_of_the_store_first() {
    let deleted = |scene: &mut Scene| scene.snapshot["metadata"]["deletionTimestamp"] = json!("2023-01-01T00:00:00Z");
    assert_eq!(Scene::with(deleted), Step::Remove);
    let released = |scene: &mut Scene| {
        deleted(scene);
        scene.snapshot["metadata"]["finalizers"] = json!(["other"]);
    };
    assert_eq!(Scene::with(released), Step::Nothing);
    let snapshot: SandboxSnapshot = serde_json::from_value(Scene::new().snapshot).unwrap();
    let left = json!({ "metadata": { "resourceVersion": "7", "finalizers": ["other"] } });
    assert_eq!(status::released(&snapshot).act, Act::Merge(left));
}

#[test]
fn what_it_holds_is_said_once() {
    let mut snapshot: SandboxSnapshot = serde_json::from_value(Scene::new().snapshot).unwrap();
    let said = status::said(&snapshot, Reason::TakeFailed, &"ü".repeat(1000)).unwrap();
    let Act::MergeStatus(patch) = said.act else { panic!("it is no status") };
    snapshot.status = serde_json::from_value(patch["status"].clone()).unwrap();
    assert!(!is_taken(&snapshot));
    assert_eq!(status::said(&snapshot, Reason::TakeFailed, &"ü".repeat(1000)), None);
    let record = json!({
        "namespace": "n", "name": "one", "sandbox": "box", "sandbox_uid": "box-uid", "parent": "zero",
        "taken": "2026-01-02T03:04:05Z", "digest": format!("sha256:{}", "a".repeat(64)), "bytes": 1, "stored_bytes": 2,
        "files": 3, "skipped": 4,
    });
    let Act::MergeStatus(patch) = status::taken(&snapshot, &serde_json::from_value(record).unwrap()).act else {
        panic!("it is no status");
    };
    snapshot.status = serde_json::from_value(patch["status"].clone()).unwrap();
    assert!(is_taken(&snapshot));
    let status = snapshot.status.unwrap();
    assert_eq!((status.bytes, status.stored_bytes, status.files), (Some(1), Some(2), Some(3)));
    assert_eq!((status.parent.as_deref(), status.sandbox_uid.as_deref()), (Some("zero"), Some("box-uid")));
}

#[test]
fn what_nobody_asked_for_does_not_pile_up() {
    let automatic = |number: u32, before: &str| -> Arc<SandboxSnapshot> {
        let mut known = Scene::new().snapshot;
        known["metadata"]["name"] = json!(format!("s{number}"));
        known["metadata"]["labels"] = json!({ labels::TAKEN_BEFORE: before });
        known["status"] = ready("Taken", "True");
        known["status"]["takenAt"] = json!(format!("2026-01-01T00:00:{number:02}Z"));
        Arc::new(serde_json::from_value(known).unwrap())
    };
    let mut all: Vec<_> = (0..7).rev().map(|number| automatic(number, "suspend")).collect();
    all.push(automatic(8, "rollback"));
    all.push(Arc::new(serde_json::from_value(Scene::new().snapshot).unwrap()));
    let gone: Vec<_> =
        surplus(&automatic(9, "suspend"), &all).iter().map(|effect| effect.key.name.to_string()).collect();
    assert_eq!(gone, ["s0", "s1", "s2"], "with the latest, five stay");
    assert_eq!(surplus(&all[8], &all), []);
    let sandbox: Sandbox = serde_json::from_value(Scene::new().sandbox.unwrap()).unwrap();
    assert_eq!(status::forgotten(&sandbox, "one", None), None);
    let Act::Merge(patch) = status::forgotten(&sandbox, "zero", None).unwrap().act else { panic!("it is no patch") };
    assert!(patch["metadata"]["annotations"][annotations::LAST_SNAPSHOT].is_null());
}
