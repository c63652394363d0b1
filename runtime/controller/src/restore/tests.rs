use std::collections::BTreeMap;
use std::sync::Arc;

use exeat_api::{Sandbox, annotations};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::{Work, done, failed, plan};
use crate::effect::{Act, Kind};
use crate::sandbox::Observed;

/// A running sandbox and its pod, with these annotations, and snapshots `one` and `two`.
fn look<R>(sandbox: Value, pod: Value, look: impl FnOnce(&Observed<'_>) -> R) -> R {
    let owner = json!({ "apiVersion": "a/v1", "kind": "Sandbox", "name": "box", "uid": "box-uid", "controller": true });
    let sandbox: Sandbox = serde_json::from_value(json!({
        "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox",
        "metadata": { "name": "box", "namespace": "n", "uid": "box-uid", "annotations": sandbox },
        "spec": { "podTemplate": { "metadata": { "labels": { "exeat.dev/profile": "coder" } }, "spec": {} } },
    }))
    .unwrap();
    let pod = json!({
        "metadata": { "name": "box", "namespace": "n", "uid": "pod-uid", "annotations": pod, "ownerReferences": [owner] },
        "status": { "phase": "Running", "podIPs": [{ "ip": "10.0.0.7" }] },
    });
    let ready = json!([{
        "type": "Ready", "status": "True", "reason": "Taken", "message": "", "lastTransitionTime": "2023-01-01T00:00:00Z",
    }]);
    let snapshot = |name: &str, parent: Option<&str>| {
        let known = json!({
            "apiVersion": "exeat.dev/v1alpha1", "kind": "SandboxSnapshot", "metadata": { "name": name, "namespace": "n" },
            "spec": { "sandboxName": "box" },
            "status": { "conditions": ready, "digest": format!("sha256:{name}"), "parent": parent },
        });
        (name.to_owned(), Arc::new(serde_json::from_value(known).unwrap()))
    };
    look(&Observed {
        sandbox: &sandbox,
        pod: Some(Arc::new(serde_json::from_value(pod).unwrap())),
        pods: 1,
        service: None,
        volumes: Vec::new(),
        snapshots: BTreeMap::from([snapshot("one", None), snapshot("two", Some("one"))]),
        has_store: true,
        cluster_domain: "cluster.local",
        now: Timestamp::UNIX_EPOCH,
        problem: None,
    })
}

fn work(sandbox: Value, pod: Value) -> Option<Work> {
    look(sandbox, pod, plan)
}

#[test]
fn a_pod_is_restored_from_what_it_names_and_clients_find_the_name() {
    assert_eq!(work(json!({}), json!({})), None);
    assert_eq!(work(json!({}), json!({ annotations::SNAPSHOT: "missing" })), None);
    let two = work(json!({}), json!({ annotations::SNAPSHOT: "two" })).unwrap();
    assert_eq!((two.snapshot.as_str(), two.digest.as_str()), ("two", "sha256:two"));
    assert_eq!(two.message, "restored from the snapshot `two`, which follows `one`");
    let effects = look(json!({}), json!({ annotations::SNAPSHOT: "two" }), |observed| done(observed, &two));
    // The condition comes last: a pod that is ready has counted.
    assert_eq!((effects[0].on, effects[1].on), (Kind::Sandbox, Kind::Pod));
    let Act::Condition { uid, condition } = &effects[1].act else { panic!("it is no condition") };
    assert_eq!(
        (uid.as_str(), &condition["status"], &condition["message"]),
        ("pod-uid", &json!("True"), &json!(two.message))
    );
}

#[test]
fn going_back_in_place_ends_with_the_sandboxs_own_annotations() {
    let noted = json!({
        annotations::RESTORING: "one", annotations::ROLLBACK_TO: "one", annotations::BEFORE_ROLLBACK: "two",
    });
    let one = work(noted.clone(), json!({ annotations::SNAPSHOT: "two" })).unwrap();
    assert!(one.is_rollback);
    assert_eq!(one.message, "restored from the snapshot `one`; what was there is in the snapshot `two`");
    let effects = look(noted, json!({}), |observed| done(observed, &one));
    assert_eq!((effects[0].on, effects[1].on), (Kind::Pod, Kind::Sandbox));
    let Act::Merge(patch) = &effects[1].act else { panic!("it is no patch") };
    let left = json!({
        annotations::LAST_SNAPSHOT: "one", annotations::RESTORING: null, annotations::BEFORE_ROLLBACK: null,
        annotations::ROLLBACK_TO: null,
    });
    assert_eq!(patch["metadata"]["annotations"], left);
}

#[test]
fn what_failed_is_said_of_the_pod() {
    let pod = json!({ annotations::SNAPSHOT: "one" });
    let one = work(json!({}), pod.clone()).unwrap();
    let effect = look(json!({}), pod, |observed| failed(observed, &one, "the disk is full")).unwrap();
    let Act::Condition { condition, .. } = effect.act else { panic!("it is no condition") };
    assert_eq!(condition["reason"], "RestoreFailed");
    assert!(condition["message"].as_str().unwrap().contains("the disk is full"));
}
