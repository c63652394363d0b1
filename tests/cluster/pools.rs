//! Pools: filled, scaled, replaced.

use serde_json::{Value, json};

use crate::scene::{IDLE, Kind, Scene, running};

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_has_as_many_as_it_is_asked_for() {
    let Some(scene) = Scene::open("scale").await else { return };
    scene.pool("pool", 1, running(IDLE)).await;
    scene.filled("pool", 1).await;
    scene.patch(Kind::SandboxWarmPool, "pool", json!({ "spec": { "replicas": 3 } })).await;
    scene.filled("pool", 3).await;
    scene.patch(Kind::SandboxWarmPool, "pool", json!({ "spec": { "replicas": 0 } })).await;
    scene.until(Kind::SandboxWarmPool, "pool", "none", |pool| pool["status"]["replicas"] == 0).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_template_replaces_what_waits_where_the_pool_says_so() {
    let Some(scene) = Scene::open("recreated").await else { return };
    scene.create(Kind::SandboxTemplate, "pool", running(IDLE)).await;
    let spec =
        json!({ "replicas": 1, "sandboxTemplateRef": { "name": "pool" }, "updateStrategy": { "type": "Recreate" } });
    scene.create(Kind::SandboxWarmPool, "pool", spec).await;
    scene.filled("pool", 1).await;
    let old = scene.list(Kind::Sandbox).await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let variable = json!([{ "name": "main", "env": [{ "name": "NEW", "value": "1" }] }]);
    let mut spec = running(IDLE)["podTemplate"]["spec"]["containers"].clone();
    spec[0]["env"] = variable[0]["env"].clone();
    scene
        .patch(Kind::SandboxTemplate, "pool", json!({ "spec": { "podTemplate": { "spec": { "containers": spec } } } }))
        .await;
    scene.gone(Kind::Sandbox, &old).await;
    scene.filled("pool", 1).await;
    let is_new = |sandbox: &Value| sandbox["spec"]["podTemplate"]["spec"]["containers"][0]["env"][0]["name"] == "NEW";
    assert!(scene.list(Kind::Sandbox).await.iter().all(is_new));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_keeps_the_network_policy_of_its_sandboxes() {
    let Some(scene) = Scene::open("policy").await else { return };
    scene.create(Kind::SandboxTemplate, "t", running(IDLE)).await;
    let policy = scene.until(Kind::NetworkPolicy, "t-network-policy", "a policy", |_| true).await;
    let hash = exeat_api::name_hash("t");
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"]["agents.x-k8s.io/sandbox-template-ref-hash"], hash);
    // Somebody opens it, and it is closed again.
    scene.patch(Kind::NetworkPolicy, "t-network-policy", json!({ "spec": { "egress": [{}] } })).await;
    let closed = |policy: &Value| policy["spec"]["egress"][0]["to"].is_array();
    scene.until(Kind::NetworkPolicy, "t-network-policy", "its own rules", closed).await;
    scene.patch(Kind::SandboxTemplate, "t", json!({ "spec": { "networkPolicyManagement": "Unmanaged" } })).await;
    scene.gone(Kind::NetworkPolicy, "t-network-policy").await;
    scene.close().await;
}
