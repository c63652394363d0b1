use std::collections::BTreeMap;
use std::sync::Arc;

use exeat_api::{PodMetadata, Reason, Sandbox, SandboxClaim, SandboxTemplate, labels, name_hash};
use serde_json::{Value, json};

use super::{adopt, create, find, metadata};

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A sandbox of the pool `pool`, by its name, its machine, its age in seconds and whether it is ready.
fn member(name: &str, node: &str, age: i64, ready: bool) -> Arc<Sandbox> {
    let made = jiff::Timestamp::from_second(1_700_000_000 - age).unwrap().to_string();
    Arc::new(read(json!({
        "metadata": {
            "name": name, "namespace": "n", "uid": format!("uid-{name}"), "creationTimestamp": made,
            "labels": { labels::WARM_POOL: name_hash("pool"), labels::TEMPLATE_REF_HASH: "t" },
            "ownerReferences": [{
                "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxWarmPool", "name": "pool", "uid": "p",
                "controller": true,
            }],
        },
        "spec": { "podTemplate": { "spec": { "containers": [] } } },
        "status": { "nodeName": node, "conditions": [{
            "type": "Ready", "status": if ready { "True" } else { "False" }, "reason": "R", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }] },
    })))
}

fn chosen(members: &[Arc<Sandbox>], named: Option<&str>, taken: &[&str]) -> Option<String> {
    let is_free = |sandbox: &Sandbox| !taken.contains(&sandbox.metadata.name.as_deref().unwrap());
    adopt::choose(members.to_vec(), "pool", named, &is_free).and_then(|sandbox| sandbox.metadata.name.clone())
}

#[test]
fn the_oldest_ready_one_of_the_machine_that_has_most_is_taken() {
    let members = [
        member("old-but-alone", "one", 90, true),
        member("young", "two", 10, true),
        member("older", "two", 20, true),
        member("oldest-and-not-ready", "two", 99, false),
    ];
    assert_eq!(chosen(&members, None, &[]).as_deref(), Some("older"));
    assert_eq!(chosen(&members, None, &["older", "young"]).as_deref(), Some("old-but-alone"));
    assert_eq!(chosen(&members, None, &["older", "young", "old-but-alone"]).as_deref(), Some("oldest-and-not-ready"));
    assert_eq!(chosen(&members, Some("young"), &[]).as_deref(), Some("young"), "what was begun is ended");
    assert_eq!(chosen(&[], None, &[]), None);
}

#[test]
fn what_is_not_the_pools_is_never_taken() {
    let with = |change: &dyn Fn(&mut Sandbox)| {
        let mut sandbox = (*member("a", "one", 1, true)).clone();
        change(&mut sandbox);
        chosen(&[Arc::new(sandbox)], None, &[])
    };
    assert!(with(&|_| {}).is_some());
    assert_eq!(with(&|sandbox| sandbox.metadata.owner_references = None), None, "an orphan");
    assert_eq!(with(&|sandbox| sandbox.metadata.owner_references.as_mut().unwrap()[0].name = "other".to_owned()), None);
    assert_eq!(
        with(&|sandbox| sandbox.metadata.owner_references.as_mut().unwrap()[0].kind = "SandboxClaim".to_owned()),
        None
    );
    assert_eq!(with(&|sandbox| drop(sandbox.metadata.labels.as_mut().unwrap().remove(labels::WARM_POOL))), None);
}

#[test]
fn of_two_sandboxes_a_claim_keeps_the_one_that_its_status_names() {
    let all =
        || vec![member("late", "one", 30, true), member("young", "one", 10, true), member("made", "one", 20, false)];
    let going = || {
        let mut sandbox = (*member("going", "one", 90, true)).clone();
        sandbox.metadata.deletion_timestamp = Some(read(json!("2026-01-01T00:00:00Z")));
        Arc::new(sandbox)
    };
    let kept = |all: Vec<Arc<Sandbox>>, named: &str| {
        let mut claim = claim(json!({}));
        claim.status = Some(read(json!({ "sandbox": { "name": named } })));
        let (kept, surplus) = find::choose(all, &claim);
        let name = |sandbox: Arc<Sandbox>| sandbox.metadata.name.clone().unwrap();
        (kept.map(name), surplus.into_iter().map(name).collect::<Vec<_>>())
    };
    let said = |kept: &str, surplus: &[&str]| {
        (Some(kept.to_owned()), surplus.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(kept(all(), "made"), said("made", &["late", "young"]), "whoever was told of it may use it already");
    assert_eq!(
        kept(all(), ""),
        said("late", &["young", "made"]),
        "nobody was told: what can be used, the oldest first"
    );
    assert_eq!(kept(all(), "gone"), said("late", &["young", "made"]));
    assert_eq!(kept(vec![going(), all().remove(2)], "going"), said("made", &["going"]), "what goes is of no use");
    assert_eq!(kept(vec![going()], "going"), said("going", &[]));
    assert_eq!(kept(Vec::new(), "gone"), (None, Vec::new()));
}

fn labelled(key: &str, value: &str) -> PodMetadata {
    PodMetadata { labels: BTreeMap::from([(key.to_owned(), value.to_owned())]), ..PodMetadata::default() }
}

fn annotated(key: &str) -> PodMetadata {
    PodMetadata { annotations: BTreeMap::from([(key.to_owned(), "v".to_owned())]), ..PodMetadata::default() }
}

#[test]
fn labels_of_claims_are_those_of_allowed_domains() {
    let check = |metadata: &PodMetadata| {
        metadata::check(metadata, &["sandbox.users.io".to_owned()]).map_err(|why| why.to_string())
    };
    for good in [
        labelled("sandbox.users.io/run", "1"),
        labelled("a.sandbox.users.io/run", ""),
        annotated("plain"),
        annotated("example.com/x"),
        annotated("podsnapshot.gke.io/ps-name"),
        annotated("cluster-autoscaler.kubernetes.io/safe-to-evict"),
    ] {
        assert_eq!(check(&good), Ok(()), "{good:?}");
    }
    for (bad, what) in [
        (labelled("run", "1"), "needs a domain"),
        (labelled("app", "sandbox-router"), "needs a domain"),
        (labelled("evilsandbox.users.io/run", "1"), "not allowed"),
        (labelled("agents.x-k8s.io/claim-uid", "1"), "not allowed"),
        (labelled("exeat.dev/profile", "admin"), "not allowed"),
        (labelled("sandbox.users.io/run", "-1"), "no label's value"),
        (labelled("sandbox.users.io/", "1"), "name is empty"),
        (labelled("Sandbox_users.io/x", "1"), "no DNS name"),
        (annotated("kubernetes.io/x"), "cluster's own"),
        (annotated("seccomp.security.alpha.kubernetes.io/pod"), "cluster's own"),
        (annotated("agents.x-k8s.io/pod-name"), "cluster's own"),
    ] {
        let why = check(&bad).unwrap_err();
        assert!(why.contains(what) && why.contains("additionalPodMetadata"), "{bad:?}: {why}");
    }
}

#[test]
fn a_claim_replaces_nothing_of_its_template() {
    let mut template = labelled("sandbox.users.io/a", "1");
    assert_eq!(metadata::merge(&mut template, &labelled("sandbox.users.io/a", "1")), Ok(()));
    assert_eq!(metadata::merge(&mut template, &labelled("sandbox.users.io/b", "2")), Ok(()));
    assert_eq!(template.labels.len(), 2);
    let conflict = metadata::merge(&mut template, &labelled("sandbox.users.io/a", "2")).unwrap_err();
    assert_eq!(conflict.reason, Reason::InvalidMetadata);
}

fn claim(spec: Value) -> SandboxClaim {
    let mut all = json!({ "warmPoolRef": { "name": "pool" } });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    read(json!({ "metadata": { "name": "c", "namespace": "n", "uid": "claim-uid" }, "spec": all }))
}

fn template(policies: Value) -> SandboxTemplate {
    let mut spec = json!({
        "podTemplate": { "metadata": { "labels": { "team": "a" } }, "spec": {
            "initContainers": [{ "name": "first" }],
            "containers": [{ "name": "main", "env": [{ "name": "SET", "value": "1" }] }, { "name": "from", "envFrom": [{}] }],
        } },
        "volumeClaimTemplates": [{ "metadata": { "name": "work" }, "spec": { "size": 1 } }],
    });
    spec.as_object_mut().unwrap().extend(policies.as_object().unwrap().clone());
    read(json!({ "metadata": { "name": "t", "namespace": "n" }, "spec": spec }))
}

#[test]
fn variables_go_where_they_are_for_as_far_as_the_template_lets_them() {
    let with = |policy: &str, env: Value| {
        create::sandbox(&claim(json!({ "env": env })), &template(json!({ "envVarsInjectionPolicy": policy })))
    };
    let new = json!([{ "name": "NEW", "value": "2" }]);
    let made = with("Allowed", new.clone()).unwrap();
    assert_eq!(made["spec"]["podTemplate"]["spec"]["containers"][0]["env"][1], json!({ "name": "NEW", "value": "2" }));
    let made = with("Overrides", json!([{ "name": "SET", "value": "2" }])).unwrap();
    assert_eq!(made["spec"]["podTemplate"]["spec"]["containers"][0]["env"], json!([{ "name": "SET", "value": "2" }]));
    let made = with("Allowed", json!([{ "name": "NEW", "value": "2", "containerName": "first" }])).unwrap();
    assert_eq!(made["spec"]["podTemplate"]["spec"]["initContainers"][0]["env"][0]["name"], "NEW");
    for (policy, env, what) in [
        ("Disallowed", new, "envVarsInjectionPolicy"),
        ("Allowed", json!([{ "name": "SET", "value": "2" }]), "SET"),
        ("Allowed", json!([{ "name": "NEW", "value": "2", "containerName": "none" }]), "none"),
        ("Allowed", json!([{ "name": "NEW", "value": "2", "containerName": "from" }]), "envFrom"),
    ] {
        let why = with(policy, env).unwrap_err();
        assert_eq!(why.reason, Reason::EnvVarsInjectionRejected);
        assert!(why.message.contains(what), "{why}");
    }
}

#[test]
fn volumes_are_added_and_replaced_as_far_as_the_template_lets_them() {
    let with = |policy: &str, volumes: Value| {
        let claim = claim(json!({ "volumeClaimTemplates": volumes }));
        create::sandbox(&claim, &template(json!({ "volumeClaimTemplatesPolicy": policy })))
    };
    let volume = |name: &str| json!({ "metadata": { "name": name }, "spec": { "size": 2 } });
    let names = |made: Value| -> Vec<(String, i64)> {
        let volumes = made["spec"]["volumeClaimTemplates"].as_array().unwrap().clone();
        volumes
            .iter()
            .map(|v| (v["metadata"]["name"].as_str().unwrap().to_owned(), v["spec"]["size"].as_i64().unwrap()))
            .collect()
    };
    assert_eq!(
        names(with("Allowed", json!([volume("more")])).unwrap()),
        [("work".to_owned(), 1), ("more".to_owned(), 2)]
    );
    assert_eq!(names(with("Overrides", json!([volume("work")])).unwrap()), [("work".to_owned(), 2)]);
    for (policy, volumes) in [
        ("Disallowed", json!([volume("more")])),
        ("Allowed", json!([volume("work")])),
        ("Allowed", json!([volume("more"), volume("more")])),
        ("Overrides", json!([volume("")])),
    ] {
        let why = with(policy, volumes).unwrap_err();
        assert_eq!(why.reason, Reason::VolumeClaimTemplatesError, "{why}");
    }
}

#[test]
fn what_is_made_for_a_claim_says_whose_it_is() {
    let made = create::sandbox(&claim(json!({})), &template(json!({}))).unwrap();
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "claim-uid");
    assert_eq!(made["metadata"]["labels"][labels::LAUNCH_TYPE], "cold");
    assert_eq!(made["spec"]["podTemplate"]["metadata"]["labels"]["team"], "a");
    assert_eq!(made["spec"]["podTemplate"]["spec"]["automountServiceAccountToken"], false);
}
