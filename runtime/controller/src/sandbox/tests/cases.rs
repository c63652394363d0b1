use exeat_api::{annotations, labels, name_hash};
use jiff::SignedDuration;
use serde_json::json;

use super::Cluster;
use super::cluster::merge;
use crate::effect::{Act, Kind};

#[test]
fn a_sandbox_gets_a_pod_of_its_name_and_is_ready_when_it_is() {
    let mut cluster = Cluster::new(json!({ "podTemplate": { "metadata": {
        "labels": { "team": "a", "agents.x-k8s.io/claim-uid": "forged" }, "annotations": { "note": "b" },
    } } }));
    let (effects, _) = cluster.effects();
    assert_eq!(effects.len(), 1);
    cluster.act(&effects[0]);
    cluster.say(None);
    assert_eq!(cluster.condition("Ready"), "False DependenciesNotReady");
    assert_eq!(cluster.condition("Suspended"), "False NotSuspended");
    cluster.settle();
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
    assert_eq!(cluster.condition("PodScheduled"), "True PodScheduled");
    assert_eq!(cluster.condition("Finished"), "");
    let pod = cluster.pod.as_ref().unwrap();
    assert_eq!(pod["metadata"]["name"], "box");
    assert_eq!(pod["metadata"]["labels"], json!({ "team": "a", labels::NAME_HASH: name_hash("box") }));
    assert_eq!(pod["metadata"]["annotations"][annotations::PROPAGATED_LABELS], "team");
    assert_eq!(cluster.sandbox["status"]["selector"], format!("{}={}", labels::NAME_HASH, name_hash("box")));
    assert_eq!(cluster.sandbox["status"]["podIPs"], json!(["10.0.0.1"]));
    assert_eq!(cluster.sandbox["status"]["nodeName"], "node");
}

#[test]
fn suspending_takes_the_pod_and_keeps_the_volumes() {
    let mut cluster =
        Cluster::new(json!({ "volumeClaimTemplates": [{ "metadata": { "name": "work" }, "spec": { "size": 1 } }] }));
    cluster.settle();
    assert_eq!(cluster.pod.as_ref().unwrap()["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], "work-box");
    cluster.sandbox["spec"]["operatingMode"] = json!("Suspended");
    let (effects, _) = cluster.effects();
    cluster.act(&effects[0]);
    cluster.say(None);
    assert_eq!(cluster.condition("Suspended"), "False PodTerminating");
    assert_eq!(cluster.condition("Ready"), "False SandboxSuspended");
    cluster.settle();
    assert_eq!(cluster.condition("Suspended"), "True PodTerminated");
    assert!(cluster.pod.is_none() && cluster.volumes.contains_key("work-box"));
    assert!(cluster.sandbox["status"].get("podIPs").is_none(), "a merge patch takes away what is gone");
    cluster.sandbox["spec"]["operatingMode"] = json!("Running");
    cluster.settle();
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
}

#[test]
fn a_service_is_made_kept_and_taken_away_as_asked() {
    let mut cluster = Cluster::new(json!({
        "service": true,
        "podTemplate": { "spec": { "containers": [{ "name": "main", "ports": [{ "containerPort": 80 }, { "containerPort": 9, "name": "nine" }] }] } },
    }));
    cluster.settle();
    let service = cluster.service.clone().unwrap();
    assert_eq!(service["spec"]["clusterIP"], "None");
    assert_eq!(service["spec"]["ports"][0]["name"], "tcp-80");
    assert_eq!(service["spec"]["ports"][1]["name"], "nine");
    assert_eq!(cluster.sandbox["status"]["serviceFQDN"], "box.n.svc.cluster.local");
    assert_eq!(cluster.pod.as_ref().unwrap()["spec"]["hostname"], "box");
    cluster.service.as_mut().unwrap()["spec"]["selector"] = json!({ "evil": "1" });
    cluster.settle();
    assert!(cluster.service.as_ref().unwrap()["spec"]["selector"][labels::NAME_HASH].is_string());
    merge(&mut cluster.sandbox, &json!({ "spec": { "service": null } }));
    cluster.settle();
    assert!(cluster.service.is_some(), "without an answer it stays");
    cluster.sandbox["spec"]["service"] = json!(false);
    cluster.settle();
    assert!(cluster.service.is_none());
    assert!(cluster.sandbox["status"].get("serviceFQDN").is_none());
}

#[test]
fn how_a_pod_ended_is_said() {
    for (phase, ready) in [("Succeeded", "False PodSucceeded"), ("Failed", "False PodFailed")] {
        let mut cluster = Cluster::new(json!({}));
        cluster.settle();
        cluster.set_phase(phase);
        cluster.settle();
        assert_eq!(cluster.condition("Ready"), ready);
        assert_eq!(cluster.condition("Finished"), ready.replace("False", "True"));
    }
}

#[test]
fn a_failed_pod_is_made_anew_where_that_is_asked_for_and_later_each_time() {
    let mut cluster = Cluster::new(json!({}));
    merge(&mut cluster.sandbox, &json!({ "metadata": { "annotations": { annotations::RECREATE: "on-failure" } } }));
    cluster.settle();
    for wait in [10, 20, 40] {
        let first = cluster.pod.as_ref().unwrap()["metadata"]["uid"].clone();
        cluster.set_phase("Failed");
        cluster.say(None);
        cluster.now += SignedDuration::from_secs(wait - 1);
        assert_eq!(cluster.effects().0, []);
        cluster.now += SignedDuration::from_secs(1);
        cluster.settle();
        assert_ne!(cluster.pod.as_ref().unwrap()["metadata"]["uid"], first);
        assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
    }
}

#[test]
fn when_its_time_is_over_what_runs_goes_and_then_what_the_policy_says() {
    for (policy, gone) in [("Retain", false), ("Delete", true)] {
        let mut cluster =
            Cluster::new(json!({ "service": true, "shutdownPolicy": policy, "shutdownTime": "2023-11-14T22:13:30Z" }));
        cluster.settle();
        assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
        cluster.now += SignedDuration::from_secs(10);
        assert_eq!(cluster.effects().0, [], "it is said first");
        cluster.settle();
        assert_eq!(cluster.condition("Ready"), "False SandboxExpired");
        assert_eq!(cluster.sandbox_is_gone, gone);
        if !gone {
            assert!(cluster.pod.is_none() && cluster.service.is_none());
            assert!(cluster.sandbox["status"].get("podIPs").is_none());
        }
    }
}

#[test]
fn what_nobody_waits_for_is_what_a_pool_lacks_and_the_labels_of_what_a_claim_has() {
    let mut cluster = Cluster::new(json!({}));
    assert!(!cluster.can_wait(), "somebody made it, and it has no pod");
    cluster.sandbox["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxWarmPool", "name": "p", "uid": "p", "controller": true,
    }]);
    cluster.sandbox["metadata"]["labels"] = json!({ labels::WARM_POOL: "p" });
    assert!(cluster.can_wait(), "a pool lacks it");
    cluster.settle();
    assert!(!cluster.can_wait(), "claims look for those that are ready");
    cluster.sandbox["metadata"]["ownerReferences"][0]["kind"] = json!("SandboxClaim");
    cluster.sandbox["metadata"]["labels"] = json!({});
    assert!(cluster.can_wait(), "a claim has it, and its pod only looks as if it had not");
    cluster.sandbox["metadata"]["annotations"] = json!({ annotations::RESTORING: "snapshot" });
    assert!(!cluster.can_wait(), "its workspace is to be another one first");
    cluster.sandbox["metadata"]["annotations"] = json!({});
    cluster.sandbox["status"]["conditions"] = json!([]);
    assert!(!cluster.can_wait(), "the claim waits for it");
    cluster.settle();
    assert!(!cluster.can_wait(), "there is nothing left");
}

#[test]
fn what_is_anothers_is_neither_used_nor_touched() {
    let others = |kind: &str| {
        json!({ "metadata": {
        "name": "box", "namespace": "n", "uid": "x", "ownerReferences": [{ "apiVersion": "v1", "kind": kind, "name": "o", "uid": "o", "controller": true }],
    }, "spec": {}, "status": {} })
    };
    let mut cluster = Cluster::new(json!({}));
    cluster.pod = Some(others("Job"));
    let (effects, problem) = cluster.effects();
    assert_eq!(effects, []);
    cluster.say(problem.as_ref());
    assert_eq!(cluster.condition("Ready"), "False ReconcilerError");
    cluster.sandbox["spec"]["operatingMode"] = json!("Suspended");
    assert_eq!(cluster.effects(), (vec![], None));
    cluster.say(None);
    assert_eq!(cluster.condition("Suspended"), "False PodNotOwned");

    let mut cluster = Cluster::new(json!({ "service": true }));
    cluster.service = Some(others("Deployment"));
    assert!(format!("{:?}", cluster.effects().1).contains("Deployment"));
}

#[test]
fn what_is_nobodys_is_taken_only_with_the_label() {
    for (label, taken) in [
        (json!({ labels::ADOPTABLE: "true" }), true),
        (json!({ labels::NAME_HASH: name_hash("box") }), true),
        (json!({}), false),
    ] {
        let mut cluster = Cluster::new(json!({}));
        cluster.pod =
            Some(json!({ "metadata": { "name": "box", "uid": "x", "labels": label }, "spec": {}, "status": {} }));
        let (effects, problem) = cluster.effects();
        assert_eq!((effects.len(), problem.is_none()), (usize::from(taken), taken), "{label}");
        if taken {
            cluster.settle();
            assert_eq!(cluster.pod.as_ref().unwrap()["metadata"]["ownerReferences"][0]["uid"], "box-uid");
            assert_eq!(cluster.effects().0, []);
        }
    }
}

#[test]
fn what_can_never_be_is_said_so() {
    let mut cluster = Cluster::new(json!({ "podTemplate": { "spec": { "containers": [] } } }));
    let (_, problem) = cluster.effects();
    cluster.say(problem.as_ref());
    assert_eq!(cluster.condition("Ready"), "False InvalidConfiguration");
}

#[test]
fn a_sandbox_that_nobody_uses_is_suspended_and_one_that_is_used_is_not() {
    let idle = json!({ "metadata": { "annotations": { annotations::IDLE_SECONDS: "60" } } });
    let mut cluster = Cluster::new(json!({}));
    merge(&mut cluster.sandbox, &idle);
    cluster.settle();
    cluster.now += SignedDuration::from_secs(59);
    assert_eq!(cluster.effects().0, []);
    let active = cluster.now.to_string();
    merge(&mut cluster.sandbox, &json!({ "metadata": { "annotations": { annotations::LAST_ACTIVE: active } } }));
    cluster.now += SignedDuration::from_secs(59);
    assert_eq!(cluster.effects().0, []);
    cluster.now += SignedDuration::from_secs(1);
    cluster.settle();
    assert_eq!(cluster.condition("Suspended"), "True PodTerminated");
    assert_eq!(cluster.sandbox["metadata"]["annotations"][annotations::SUSPENDED_BY], "idle");
    cluster.sandbox["spec"]["operatingMode"] = json!("Running");
    cluster.settle();
    assert!(cluster.sandbox["metadata"]["annotations"].get(annotations::SUSPENDED_BY).is_none());
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
}

#[test]
fn one_that_waits_in_a_pool_is_not_idle() {
    let mut cluster = Cluster::new(json!({}));
    merge(
        &mut cluster.sandbox,
        &json!({ "metadata": {
        "annotations": { annotations::IDLE_SECONDS: "60" }, "labels": { labels::WARM_POOL: "1" },
    } }),
    );
    cluster.settle();
    cluster.now += SignedDuration::from_secs(3600);
    assert_eq!(cluster.effects().0, []);
}

#[test]
fn what_a_template_drops_goes_from_the_pod_and_what_others_wrote_stays() {
    let mut cluster = Cluster::new(json!({ "podTemplate": { "metadata": { "labels": { "a": "1", "b": "1" } } } }));
    cluster.settle();
    merge(cluster.pod.as_mut().unwrap(), &json!({ "metadata": { "labels": { "others": "x" } } }));
    merge(
        &mut cluster.sandbox,
        &json!({ "spec": { "podTemplate": { "metadata": { "labels": { "a": null, "b": "2" } } } } }),
    );
    cluster.settle();
    let pod = cluster.pod.as_ref().unwrap();
    assert_eq!(pod["metadata"]["labels"], json!({ "b": "2", "others": "x", labels::NAME_HASH: name_hash("box") }));
}

#[test]
fn a_sandbox_on_its_way_says_nothing_for_a_moment() {
    let mut cluster = Cluster::new(json!({}));
    cluster.sandbox["metadata"]["creationTimestamp"] = json!(cluster.now.to_string());
    let (effects, _) = cluster.effects();
    assert!(matches!((&effects[0].on, &effects[0].act), (Kind::Pod, Act::Create(_))));
    cluster.act(&effects[0]);
    cluster.say(None);
    assert!(cluster.sandbox.get("status").is_none());
    cluster.kubelet();
    cluster.say(None);
    assert_eq!(cluster.condition("Ready"), "True DependenciesReady");
}
