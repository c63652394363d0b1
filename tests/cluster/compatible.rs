//! The same manifests under Agent Sandbox's own controller and under ours: what becomes of them is the same, but for what is
//! listed here with its reason.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::scene::{IDLE, Kind, Scene, conditions, running, start_controller};

/// A fact, what it is under Agent Sandbox v0.5.3, what it is under ours, and why. `*` stands for any word.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    (
        "*/Suspended",
        "",
        "False NotSuspended",
        "the condition is always there since Agent Sandbox's main of 2026-08; v0.5.3 has it only while it is asked for",
    ),
    ("*/PodScheduled", "", "True PodScheduled", "mirrored from the pod, as Agent Sandbox's main does"),
    (
        "*/annotations",
        "agents.x-k8s.io/pod-name",
        "",
        "the pod has its sandbox's name; the annotation is read where an older controller wrote it",
    ),
    (
        "claim/*/annotations",
        "agents.x-k8s.io/controller-first-observed-at,agents.x-k8s.io/creation-latency-recorded,agents.x-k8s.io/sandbox-name",
        "",
        "latencies are measured in memory: a request for each claim is not worth a figure; and a binding is one field of one \
         object, the sandbox's owner: the name is read where another wrote it",
    ),
    ("claim/nowhere/status", "sandbox", "", "theirs is an empty object; a claim without a sandbox says nothing of one"),
    (
        "pod/warm/annotations",
        "agents.x-k8s.io/propagated-annotations",
        "",
        "which keys were propagated is said where there are some; theirs is there and empty",
    ),
];

/// What became of everything.
type Facts = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_manifests_come_to_the_same() {
    let Some(scene) = Scene::alone("theirs").await else { return };
    let Ok(cluster) = std::path::absolute(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/dev/cluster/run")) else {
        return;
    };
    let peer = async |verb: &str| {
        let ran = Command::new(&cluster).args(["peer", verb]).stdin(Stdio::null()).status().await.unwrap();
        assert!(ran.success(), "`peer {verb}`");
    };
    peer("up").await;
    let theirs = facts(&scene).await;
    peer("down").await;
    scene.close().await;

    let Some(scene) = Scene::alone("ours").await else { return };
    let mut controller = start_controller("compatible", &["--leader-elect=false"]);
    let ours = facts(&scene).await;
    controller.kill().await.unwrap();
    scene.close().await;

    let mut unexplained = Vec::new();
    for fact in theirs.keys().chain(ours.keys()).collect::<std::collections::BTreeSet<_>>() {
        let of = |facts: &Facts| facts.get(fact).cloned().unwrap_or_default();
        let (theirs, ours) = (of(&theirs), of(&ours));
        let is_explained = |(pattern, a, b, _): &(&str, &str, &str, &str)| {
            matches(pattern, fact) && without(&theirs, a) == without(&ours, b)
        };
        if theirs != ours && !DIFFERENCES.iter().any(is_explained) {
            unexplained.push(format!("{fact}: theirs `{theirs}`, ours `{ours}`"));
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}

fn matches(pattern: &str, fact: &str) -> bool {
    let (pattern, fact): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), fact.split('/').collect());
    let from = fact.len().saturating_sub(pattern.len());
    let tail = if pattern.first() == Some(&"*") { &fact[from..] } else { &fact[..] };
    pattern.len() == tail.len() && pattern.iter().zip(tail).all(|(pattern, word)| *pattern == "*" || pattern == word)
}

/// A list of words without some of them.
fn without(words: &str, some: &str) -> String {
    words
        .split(',')
        .filter(|word| !some.split(',').any(|known| known == *word) && !word.is_empty())
        .collect::<Vec<_>>()
        .join(",")
}

/// Everything that is compared, after everything has come to rest.
async fn facts(scene: &Scene) -> Facts {
    let mut facts = Facts::new();
    sandboxes(scene, &mut facts).await;
    claims(scene, &mut facts).await;
    facts
}

async fn sandboxes(scene: &Scene, facts: &mut Facts) {
    let mut whole = running(IDLE);
    whole["service"] = json!(true);
    whole["podTemplate"]["metadata"] =
        json!({ "labels": { "team": "a", "agents.x-k8s.io/forged": "x" }, "annotations": { "note": "b" } });
    whole["volumeClaimTemplates"] = json!([{
        "metadata": { "name": "work", "labels": { "kept": "1" } },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "16Mi" } } },
    }]);
    whole["podTemplate"]["spec"]["containers"][0]["volumeMounts"] = json!([{ "name": "work", "mountPath": "/work" }]);
    scene.create(Kind::Sandbox, "whole", whole).await;
    for (name, line) in [("well", "exit 0"), ("badly", "exit 3")] {
        let mut spec = running(line);
        spec["podTemplate"]["spec"]["restartPolicy"] = json!("Never");
        scene.create(Kind::Sandbox, name, spec).await;
    }
    let over = scene.says(Kind::Sandbox, "whole", "Ready True DependenciesReady").await;
    note(facts, "sandbox/whole", &over);
    let pod = scene.get(Kind::Pod, "whole").await.unwrap();
    note(facts, "pod/whole", &json!({ "metadata": pod["metadata"] }));
    facts.insert(
        "pod/whole/volumes".to_owned(),
        pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"].to_string(),
    );
    let volume = scene.get(Kind::PersistentVolumeClaim, "work-whole").await.unwrap();
    note(facts, "volume/whole", &json!({ "metadata": { "labels": volume["metadata"]["labels"] } }));
    scene.says(Kind::Sandbox, "well", "Ready False PodSucceeded").await;
    scene.says(Kind::Sandbox, "badly", "Ready False PodFailed").await;
    for name in ["well", "badly"] {
        note(facts, &format!("sandbox/{name}"), &scene.get(Kind::Sandbox, name).await.unwrap());
    }
    scene.patch(Kind::Sandbox, "whole", json!({ "spec": { "operatingMode": "Suspended" } })).await;
    scene.says(Kind::Sandbox, "whole", "Suspended True PodTerminated").await;
    scene.gone(Kind::Pod, "whole").await;
    let past = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let patch = json!({ "spec": { "operatingMode": "Running", "shutdownTime": past } });
    scene.patch(Kind::Sandbox, "whole", patch).await;
    let over = scene.says(Kind::Sandbox, "whole", "Ready False SandboxExpired").await;
    facts.insert("sandbox/expired/Ready".to_owned(), condition(&over, "Ready"));
}

async fn claims(scene: &Scene, facts: &mut Facts) {
    let mut template = running(IDLE);
    template["envVarsInjectionPolicy"] = json!("Allowed");
    scene.pool("pool", 1, template).await;
    scene.filled("pool", 1).await;
    let labels = json!({ "additionalPodMetadata": { "labels": { "sandbox.users.io/run": "1" } } });
    let env = json!({ "env": [{ "name": "NEW", "value": "2" }] });
    for (name, more) in [("warm", labels), ("cold", env)] {
        let mut spec = json!({ "warmPoolRef": { "name": "pool" } });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        scene.create(Kind::SandboxClaim, name, spec).await;
        let claim = scene.says(Kind::SandboxClaim, name, "Ready True DependenciesReady").await;
        note(facts, &format!("claim/{name}"), &claim);
        let sandbox = claim["status"]["sandbox"]["name"].as_str().unwrap();
        let has_run = |pod: &Value| name == "cold" || pod["metadata"]["labels"]["sandbox.users.io/run"] == "1";
        let pod = scene.until(Kind::Pod, sandbox, "its labels", has_run).await;
        note(facts, &format!("pod/{name}"), &json!({ "metadata": pod["metadata"] }));
        note(facts, &format!("sandbox/{name}"), &scene.get(Kind::Sandbox, sandbox).await.unwrap());
    }
    scene.create(Kind::SandboxClaim, "nowhere", json!({ "warmPoolRef": { "name": "none" } })).await;
    let nowhere = scene.says(Kind::SandboxClaim, "nowhere", "Ready False WarmPoolNotFound").await;
    note(facts, "claim/nowhere", &nowhere);
    let policy = scene.get(Kind::NetworkPolicy, "pool-network-policy").await.unwrap();
    facts.insert("policy/spec".to_owned(), policy["spec"].to_string());
}

fn condition(object: &Value, of: &str) -> String {
    let said = conditions(object).into_iter().find_map(|said| said.strip_prefix(of).map(|rest| rest.trim().to_owned()));
    said.unwrap_or_default()
}

/// Conditions, and which labels, annotations and fields of the status there are.
fn note(facts: &mut Facts, name: &str, object: &Value) {
    for of in ["Ready", "Suspended", "PodScheduled", "Finished"] {
        let said = condition(object, of);
        if !said.is_empty() {
            facts.insert(format!("{name}/{of}"), said);
        }
    }
    for (what, map) in [
        ("labels", &object["metadata"]["labels"]),
        ("annotations", &object["metadata"]["annotations"]),
        ("status", &object["status"]),
    ] {
        let mut keys: Vec<&str> =
            map.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
        keys.sort_unstable();
        if !keys.is_empty() {
            facts.insert(format!("{name}/{what}"), keys.join(","));
        }
    }
}
