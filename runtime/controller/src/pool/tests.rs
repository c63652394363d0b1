use std::sync::Arc;
use std::time::Duration;

use exeat_api::{Sandbox, SandboxTemplate, SandboxWarmPool, labels, name_hash};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::members::{sort, status, surplus};
use super::sandbox::{effect, is_of_template};
use crate::effect::{Act, Effect};

const GRACE: Duration = Duration::from_secs(300);

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn pool(strategy: &str) -> SandboxWarmPool {
    read(json!({
        "metadata": { "name": "pool", "namespace": "n", "uid": "pool-uid" },
        "spec": { "replicas": 2, "sandboxTemplateRef": { "name": "t" }, "updateStrategy": { "type": strategy } },
    }))
}

fn template(image: &str) -> SandboxTemplate {
    read(json!({ "metadata": { "name": "t", "namespace": "n" }, "spec": {
        "podTemplate": { "spec": { "containers": [{ "name": "a", "image": image }] } },
    } }))
}

/// What the pool would make, as it is some time later.
fn made(name: &str, image: &str, age: i64, ready: bool) -> Sandbox {
    let effect = effect(&pool("OnReplenish"), &template(image));
    let Act::Create(mut body) = effect.act else { panic!("a sandbox is made") };
    body["metadata"]["name"] = json!(name);
    body["metadata"]["creationTimestamp"] = json!(Timestamp::from_second(now().as_second() - age).unwrap().to_string());
    body["status"] = json!({ "conditions": [{
        "type": "Ready", "status": if ready { "True" } else { "False" }, "reason": "R", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }] });
    read(body)
}

fn names(sandboxes: &[Arc<Sandbox>]) -> Vec<&str> {
    sandboxes.iter().map(|sandbox| sandbox.metadata.name.as_deref().unwrap()).collect()
}

#[test]
fn what_is_stuck_goes_and_what_is_others_is_left_alone() {
    let mut others = made("others", "a", 1, true);
    others.metadata.owner_references.as_mut().unwrap()[0].uid = "another".to_owned();
    let mut orphan = made("orphan", "a", 1, true);
    orphan.metadata.owner_references = None;
    let mut going = made("going", "a", 1, true);
    going.metadata.deletion_timestamp = going.metadata.creation_timestamp.clone();
    let all = vec![
        made("ready", "a", 900, true),
        made("slow", "a", 100, false),
        made("stuck", "a", 301, false),
        others,
        orphan,
        going,
    ];
    let members =
        sort(&pool("OnReplenish"), all.into_iter().map(Arc::new).collect(), Some(&template("a")), now(), GRACE);
    assert_eq!(names(&members.keep), ["ready", "slow", "orphan"]);
    assert_eq!(names(&members.adopt), ["orphan"]);
    assert_eq!(names(&members.delete), ["stuck"]);
    assert_eq!(members.next_look, Some(Duration::from_secs(200)), "when the slow one will be stuck");
    let status = status(&pool("OnReplenish"), &members.keep);
    assert_eq!((status.replicas, status.ready_replicas), (3, 2));
    assert_eq!(status.selector, format!("{}={}", labels::WARM_POOL, name_hash("pool")));
}

#[test]
fn a_changed_template_replaces_at_once_only_where_the_pool_says_so() {
    let old = || vec![Arc::new(made("old", "a", 1, true)), Arc::new(made("new", "b", 1, true))];
    let members = sort(&pool("OnReplenish"), old(), Some(&template("b")), now(), GRACE);
    assert_eq!(names(&members.keep), ["old", "new"]);
    let members = sort(&pool("Recreate"), old(), Some(&template("b")), now(), GRACE);
    assert_eq!((names(&members.keep), names(&members.delete)), (vec!["new"], vec!["old"]));
    let members = sort(&pool("Recreate"), old(), None, now(), GRACE);
    assert_eq!(names(&members.keep), ["old", "new"], "without a template nothing is known to be old");
}

#[test]
fn another_controllers_word_for_the_same_template_is_the_same_template() {
    let mut sandbox = made("a", "a", 1, true);
    sandbox.metadata.labels.as_mut().unwrap().insert(labels::TEMPLATE_HASH.to_owned(), "00000000".to_owned());
    assert!(is_of_template(&sandbox, &template("a")));
    assert!(!is_of_template(&sandbox, &template("b")));
}

#[test]
fn too_many_are_those_that_are_not_ready_and_then_the_newest() {
    let all: Vec<Arc<Sandbox>> = [made("old", "a", 9, true), made("new", "a", 1, true), made("slow", "a", 20, false)]
        .into_iter()
        .map(Arc::new)
        .collect();
    assert_eq!(names(&surplus(&all, 2)), ["slow", "new"]);
    // A claim may have taken one meanwhile.
    let mut one = made("one", "a", 1, true);
    one.metadata.resource_version = Some("7".to_owned());
    let Act::Delete { version, .. } = Effect::delete_unchanged(&one).act else { panic!("it is deleted") };
    assert_eq!(version.as_deref(), Some("7"));
}
