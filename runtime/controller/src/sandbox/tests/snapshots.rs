use exeat_api::{annotations, name_hash};
use serde_json::json;

use super::Cluster;
use super::cluster::merge;

fn note(cluster: &mut Cluster, annotation: &str, value: &str) {
    merge(&mut cluster.sandbox, &json!({ "metadata": { "annotations": { annotation: value } } }));
}

fn mode(cluster: &mut Cluster, mode: &str, generation: i64) {
    cluster.sandbox["spec"]["operatingMode"] = json!(mode);
    cluster.sandbox["metadata"]["generation"] = json!(generation);
}

#[test]
fn a_workspace_that_goes_with_its_pod_is_saved_before_and_is_there_again_after() {
    let mut cluster = Cluster::wired(json!({}));
    cluster.settle();
    assert!(cluster.pod.as_ref().unwrap()["spec"].get("readinessGates").is_none(), "there is nothing to wait for");
    mode(&mut cluster, "Suspended", 2);
    let (effects, _) = cluster.effects();
    cluster.act(&effects[0]);
    cluster.say(None);
    assert_eq!(cluster.condition("Suspended"), "False PodTerminating");
    let name = cluster.snapshots.keys().next().unwrap().clone();
    assert_eq!(cluster.snapshots[&name]["spec"]["sandboxName"], "box");
    assert_eq!(cluster.snapshots[&name]["metadata"]["ownerReferences"][0]["controller"], false);
    assert_eq!(cluster.effects().0, [], "the pod waits for it");
    cluster.settle();
    assert_eq!(cluster.condition("Suspended"), "True PodTerminated");
    assert_eq!(cluster.sandbox["metadata"]["annotations"][annotations::LAST_SNAPSHOT], name);

    mode(&mut cluster, "Running", 3);
    let (effects, _) = cluster.effects();
    cluster.act(&effects[0]);
    cluster.kubelet();
    cluster.say(None);
    assert_eq!(cluster.condition("Ready"), "False Restoring");
    let pod = cluster.pod.as_ref().unwrap();
    assert_eq!(pod["metadata"]["annotations"][annotations::SNAPSHOT], name);
    assert_eq!(pod["spec"]["readinessGates"], json!([{ "conditionType": "PodRestored" }]));
    cluster.settle();
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
    assert_eq!(cluster.condition("PodRestored"), "True Restored");
    assert_eq!(cluster.restored, [name]);
}

#[test]
fn a_sandbox_that_was_resumed_meanwhile_is_saved_anew() {
    let mut cluster = Cluster::wired(json!({}));
    cluster.settle();
    mode(&mut cluster, "Suspended", 2);
    let (effects, _) = cluster.effects();
    cluster.act(&effects[0]);
    mode(&mut cluster, "Running", 3);
    cluster.settle();
    mode(&mut cluster, "Suspended", 4);
    cluster.settle();
    assert_eq!(cluster.snapshots.len(), 2);
}

#[test]
fn what_is_on_a_volume_or_cannot_be_kept_is_not_saved() {
    let volume = json!([{ "metadata": { "name": "workspace" }, "spec": {} }]);
    let mounted = json!([{ "name": "a", "image": "a", "volumeMounts": [{ "name": "w", "mountPath": "/workspace" }] }]);
    let claimed = json!([{ "name": "w", "persistentVolumeClaim": { "claimName": "w" } }]);
    for spec in [
        json!({ "volumeClaimTemplates": volume }),
        json!({ "podTemplate": { "spec": { "containers": mounted, "volumes": claimed } } }),
    ] {
        let mut cluster = Cluster::wired(spec);
        cluster.settle();
        mode(&mut cluster, "Suspended", 2);
        cluster.settle();
        assert!(cluster.snapshots.is_empty() && cluster.pod.is_none());
    }
    let mut cluster = Cluster::wired(json!({}));
    cluster.has_store = false;
    cluster.settle();
    mode(&mut cluster, "Suspended", 2);
    cluster.settle();
    assert!(cluster.snapshots.is_empty() && cluster.pod.is_none());
}

#[test]
fn a_snapshot_that_fails_keeps_the_pod_and_says_why() {
    let mut cluster = Cluster::wired(json!({}));
    cluster.settle();
    mode(&mut cluster, "Suspended", 2);
    let (effects, _) = cluster.effects();
    cluster.act(&effects[0]);
    let snapshot = cluster.snapshots.values_mut().next().unwrap();
    snapshot["status"] = json!({ "conditions": [{
        "type": "Ready", "status": "False", "reason": "TakeFailed", "message": "the disk is full",
        "lastTransitionTime": "2023-01-01T00:00:00Z",
    }] });
    assert_eq!(cluster.effects().0, []);
    cluster.say(None);
    let said = cluster.sandbox["status"]["conditions"][1]["message"].as_str().unwrap();
    assert!(said.contains("so the pod stays: the disk is full"), "{said}");
}

#[test]
fn a_pod_is_made_once_its_snapshot_is_there() {
    let annotations = json!({ annotations::SNAPSHOT: "one" });
    let mut cluster = Cluster::wired(json!({ "podTemplate": { "metadata": { "annotations": annotations } } }));
    for (reason, next) in [("NoSnapshotStore", 0), ("SnapshotNotFound", 1), ("SnapshotNotReady", 2)] {
        cluster.has_store = next > 0;
        let (effects, problem) = cluster.effects();
        assert_eq!(effects, []);
        cluster.say(problem.as_ref());
        assert_eq!(cluster.condition("Ready"), format!("False {reason}"));
        if next == 1 {
            cluster.has_snapshot("one");
            cluster.snapshots.get_mut("one").unwrap()["status"] = json!({});
        }
    }
    cluster.settle();
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
    assert_eq!(cluster.restored, ["one"]);
    // It counts once: the next pod starts from what this one left.
    mode(&mut cluster, "Suspended", 2);
    cluster.settle();
    mode(&mut cluster, "Running", 3);
    cluster.settle();
    assert_eq!(cluster.restored.len(), 2);
    assert_ne!(cluster.restored[1], "one");
}

#[test]
fn one_that_was_asked_for_comes_before_the_last_and_can_be_asked_for_again() {
    let mut cluster = Cluster::wired(json!({}));
    cluster.has_snapshot("one");
    let ask = |cluster: &mut Cluster, name: Option<&str>| {
        let metadata = json!({ "annotations": { annotations::SNAPSHOT: name } });
        merge(&mut cluster.sandbox, &json!({ "spec": { "podTemplate": { "metadata": metadata } } }));
    };
    cluster.settle();
    for (generation, name) in [(2, Some("one")), (6, None), (10, Some("one"))] {
        mode(&mut cluster, "Suspended", generation);
        cluster.settle();
        ask(&mut cluster, name);
        mode(&mut cluster, "Running", generation + 2);
        cluster.settle();
        assert_eq!(cluster.restored.last().map(String::as_str) == Some("one"), name.is_some());
    }
    // A pod that runs is not restored because the next one shall be.
    ask(&mut cluster, Some("two"));
    cluster.settle();
    assert_eq!(cluster.restored.len(), 3);
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
}

#[test]
fn going_back_saves_what_is_there_first() {
    let mut cluster = Cluster::wired(json!({}));
    cluster.settle();
    note(&mut cluster, annotations::ROLLBACK_TO, "one");
    assert_eq!(cluster.effects().0, []);
    cluster.say(None);
    assert_eq!(cluster.condition("RolledBack"), "False SnapshotNotFound");
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady", "it goes on meanwhile");
    cluster.has_snapshot("one");
    let before = format!("box-{}", name_hash("one 1"));
    for _ in 0..2 {
        let (effects, _) = cluster.effects();
        cluster.act(&effects[0]);
    }
    cluster.say(None);
    assert_eq!(cluster.condition("RolledBack"), "False Taking");
    assert!(cluster.snapshots.contains_key(&before) && cluster.effects().0.is_empty());
    cluster.takes(&before);
    let (effects, _) = cluster.effects();
    cluster.act(&effects[0]);
    cluster.say(None);
    assert_eq!(cluster.condition("RolledBack"), "False Restoring");
    assert_eq!(cluster.condition("Ready"), "False Restoring");
    cluster.settle();
    assert_eq!(cluster.condition("RolledBack"), "");
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
    assert_eq!(cluster.restored, ["one"]);
    let noted = cluster.sandbox["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(noted.iter().collect::<Vec<_>>(), [(&annotations::LAST_SNAPSHOT.to_owned(), &json!("one"))]);
}

#[test]
fn a_suspended_sandbox_goes_back_when_it_is_resumed() {
    let mut cluster = Cluster::wired(json!({}));
    cluster.settle();
    mode(&mut cluster, "Suspended", 2);
    cluster.settle();
    cluster.has_snapshot("one");
    note(&mut cluster, annotations::ROLLBACK_TO, "one");
    cluster.settle();
    assert!(cluster.sandbox["metadata"]["annotations"].get(annotations::ROLLBACK_TO).is_none());
    mode(&mut cluster, "Running", 3);
    cluster.settle();
    assert_eq!(cluster.restored, ["one"]);
}

#[test]
fn only_a_wired_sandbox_goes_back() {
    let mut cluster = Cluster::new(json!({}));
    cluster.has_store = true;
    cluster.has_snapshot("one");
    cluster.settle();
    note(&mut cluster, annotations::ROLLBACK_TO, "one");
    cluster.settle();
    assert_eq!(cluster.condition("RolledBack"), "False NotWired");
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
}
