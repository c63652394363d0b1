//! Claims: warm, cold, over.

use serde_json::{Value, json};

use crate::scene::{IDLE, Kind, Scene, conditions, running};

fn owner(object: &Value) -> (String, String) {
    let owner = &object["metadata"]["ownerReferences"][0];
    (owner["kind"].as_str().unwrap().to_owned(), owner["name"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_takes_a_sandbox_that_runs_and_the_pool_fills_up() {
    let Some(scene) = Scene::open("warm").await else { return };
    let mut template = running(IDLE);
    template["podTemplate"]["metadata"] = json!({ "labels": { "team": "a" } });
    scene.pool("pool", 2, template).await;
    scene.filled("pool", 2).await;
    let before: Vec<Value> = scene.list(Kind::Pod).await;

    scene.create_with(
        Kind::SandboxClaim,
        json!({ "name": "mine", "labels": { "agents.x-k8s.io/created-by": "python-client" } }),
        json!({ "warmPoolRef": { "name": "pool" }, "additionalPodMetadata": { "labels": { "sandbox.users.io/run": "1" } } }),
    )
    .await;
    // The sandbox and its readiness come in one change: whoever sees the name sees that it is ready.
    let claim = scene
        .until(Kind::SandboxClaim, "mine", "a sandbox", |claim| claim["status"]["sandbox"]["name"].is_string())
        .await;
    assert!(conditions(&claim).contains(&"Ready True DependenciesReady".to_owned()), "{claim:#?}");
    let name = claim["status"]["sandbox"]["name"].as_str().unwrap();
    let sandbox = scene.get(Kind::Sandbox, name).await.unwrap();
    assert_eq!(owner(&sandbox), ("SandboxClaim".to_owned(), "mine".to_owned()));
    let labels = &sandbox["metadata"]["labels"];
    assert_eq!(labels["agents.x-k8s.io/launch-type"], "warm");
    assert_eq!(labels["agents.x-k8s.io/claim-uid"], claim["metadata"]["uid"]);
    assert!(labels.get("agents.x-k8s.io/warm-pool-sandbox").is_none());
    // The pod is the one that ran before, with the claim's labels.
    let has_labels = |pod: &Value| pod["metadata"]["labels"]["sandbox.users.io/run"] == "1";
    let pod = scene.until(Kind::Pod, name, "the claim's labels", has_labels).await;
    assert!(before.iter().any(|known| known["metadata"]["uid"] == pod["metadata"]["uid"]));
    assert_eq!(pod["metadata"]["labels"]["team"], "a");
    assert_eq!(claim["status"]["sandbox"]["podIPs"][0], pod["status"]["podIP"]);

    scene.filled("pool", 2).await;
    scene.delete(Kind::SandboxClaim, "mine").await;
    scene.gone(Kind::Sandbox, name).await;
    scene.gone(Kind::Pod, name).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_brings_something_gets_a_sandbox_of_its_own() {
    let Some(scene) = Scene::open("cold").await else { return };
    let mut template = running("test \"$NEW\" = 2 && exec sleep 1000");
    template["envVarsInjectionPolicy"] = json!("Allowed");
    scene.pool("pool", 1, template).await;
    scene
        .create(
            Kind::SandboxClaim,
            "mine",
            json!({ "warmPoolRef": { "name": "pool" }, "env": [{ "name": "NEW", "value": "2" }] }),
        )
        .await;
    let claim = scene.says(Kind::SandboxClaim, "mine", "Ready True DependenciesReady").await;
    assert_eq!(claim["status"]["sandbox"]["name"], "mine");
    let sandbox = scene.get(Kind::Sandbox, "mine").await.unwrap();
    assert_eq!(sandbox["metadata"]["labels"]["agents.x-k8s.io/launch-type"], "cold");
    assert_eq!(sandbox["metadata"]["annotations"]["agents.x-k8s.io/sandbox-template-ref"], "pool");
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_claims_at_once_get_a_sandbox_each() {
    let Some(scene) = Scene::open("many").await else { return };
    scene.pool("pool", 3, running(IDLE)).await;
    scene.filled("pool", 3).await;
    let names: Vec<String> = (0..8).map(|n| format!("c{n}")).collect();
    for name in &names {
        scene.create(Kind::SandboxClaim, name, json!({ "warmPoolRef": { "name": "pool" } })).await;
    }
    let mut got = Vec::new();
    for name in &names {
        let claim = scene.says(Kind::SandboxClaim, name, "Ready True DependenciesReady").await;
        got.push(claim["status"]["sandbox"]["name"].as_str().unwrap().to_owned());
    }
    got.sort();
    got.dedup();
    assert_eq!(got.len(), 8, "nobody shares one");
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_time_is_over_gives_its_sandbox_back() {
    let Some(scene) = Scene::open("over").await else { return };
    scene.pool("pool", 0, running(IDLE)).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(6);
    for (name, policy) in [("kept", "Retain"), ("gone", "Delete"), ("last", "DeleteForeground")] {
        let lifecycle =
            json!({ "shutdownTime": soon.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "shutdownPolicy": policy });
        scene
            .create(Kind::SandboxClaim, name, json!({ "warmPoolRef": { "name": "pool" }, "lifecycle": lifecycle }))
            .await;
    }
    let over = scene.says(Kind::SandboxClaim, "kept", "Ready False ClaimExpired").await;
    assert!(over["status"].get("sandbox").is_none(), "{over:#?}");
    for name in ["gone", "last"] {
        scene.gone(Kind::SandboxClaim, name).await;
        scene.gone(Kind::Sandbox, name).await;
    }
    scene.gone(Kind::Sandbox, "kept").await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_pod_has_ended_goes_after_its_time_to_live() {
    let Some(scene) = Scene::open("ttl").await else { return };
    let mut template = running("exit 0");
    template["podTemplate"]["spec"]["restartPolicy"] = json!("Never");
    scene.pool("pool", 0, template).await;
    let lifecycle = json!({ "ttlSecondsAfterFinished": 2, "shutdownPolicy": "Retain" });
    scene
        .create(Kind::SandboxClaim, "mine", json!({ "warmPoolRef": { "name": "pool" }, "lifecycle": lifecycle }))
        .await;
    scene.says(Kind::SandboxClaim, "mine", "Finished True PodSucceeded").await;
    let over = scene.says(Kind::SandboxClaim, "mine", "Ready False ClaimExpired").await;
    assert!(conditions(&over).contains(&"Finished True PodSucceeded".to_owned()), "what has finished stays so");
    scene.gone(Kind::Sandbox, "mine").await;
    scene.close().await;
}
