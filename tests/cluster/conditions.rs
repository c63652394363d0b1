//! Every condition and reason that Agent Sandbox has words for, on real pods.

use serde_json::{Value, json};

use crate::scene::{IDLE, Kind, Scene, conditions, pod_spec, running};

#[tokio::test(flavor = "multi_thread")]
async fn how_a_pod_ends_is_said() {
    let Some(scene) = Scene::open("ends").await else { return };
    for (name, line) in [("well", "exit 0"), ("badly", "exit 3")] {
        let mut spec = running(line);
        spec["podTemplate"]["spec"]["restartPolicy"] = json!("Never");
        scene.create(Kind::Sandbox, name, spec).await;
    }
    for (name, reason) in [("well", "PodSucceeded"), ("badly", "PodFailed")] {
        let ended = scene.says(Kind::Sandbox, name, &format!("Ready False {reason}")).await;
        assert!(conditions(&ended).contains(&format!("Finished True {reason}")), "{ended:#?}");
        assert!(conditions(&ended).contains(&"Suspended False NotSuspended".to_owned()), "{ended:#?}");
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_has_no_place_is_mirrored() {
    let Some(scene) = Scene::open("place").await else { return };
    let mut spec = running(IDLE);
    spec["podTemplate"]["spec"]["nodeSelector"] = json!({ "there-is": "none" });
    scene.create(Kind::Sandbox, "box", spec).await;
    let waits = scene.says(Kind::Sandbox, "box", "PodScheduled False Unschedulable").await;
    assert!(conditions(&waits).contains(&"Ready False DependenciesNotReady".to_owned()));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pods_of_one_sandbox_are_said() {
    let Some(scene) = Scene::open("twice").await else { return };
    scene.create(Kind::Sandbox, "box", running(IDLE)).await;
    let sandbox = scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    let metadata = json!({
        "name": "second", "labels": { "agents.x-k8s.io/sandbox-name-hash": exeat_api::name_hash("box") },
        "ownerReferences": [{
            "apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox", "name": "box", "uid": sandbox["metadata"]["uid"], "controller": true,
        }],
    });
    scene.create_with(Kind::Pod, metadata, pod_spec(IDLE)).await;
    scene.says(Kind::Sandbox, "box", "Ready False MultiplePods").await;
    scene.delete(Kind::Pod, "second").await;
    scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_anothers_is_in_the_way_and_stays() {
    let Some(scene) = Scene::open("others").await else { return };
    scene.create_with(Kind::Pod, json!({ "name": "box" }), pod_spec(IDLE)).await;
    let uid = scene.get(Kind::Pod, "box").await.unwrap()["metadata"]["uid"].clone();
    scene.create(Kind::Sandbox, "box", running(IDLE)).await;
    let blocked = scene.says(Kind::Sandbox, "box", "Ready False ReconcilerError").await;
    assert!(blocked.to_string().contains("agents.x-k8s.io/adoptable=true"), "{blocked:#?}");
    scene.patch(Kind::Sandbox, "box", json!({ "spec": { "operatingMode": "Suspended" } })).await;
    scene.says(Kind::Sandbox, "box", "Suspended False PodNotOwned").await;
    assert_eq!(scene.get(Kind::Pod, "box").await.unwrap()["metadata"]["uid"], uid);

    // With the label it may be taken.
    scene.patch(Kind::Pod, "box", json!({ "metadata": { "labels": { "agents.x-k8s.io/adoptable": "true" } } })).await;
    scene.patch(Kind::Sandbox, "box", json!({ "spec": { "operatingMode": "Running" } })).await;
    scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    assert_eq!(scene.get(Kind::Pod, "box").await.unwrap()["metadata"]["uid"], uid);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubernetes_refuses_is_said_and_not_tried_for_ever() {
    let Some(scene) = Scene::open("invalid").await else { return };
    let mut spec = running(IDLE);
    spec["podTemplate"]["spec"]["containers"][0]["name"] = json!("Not_A_Name");
    scene.create(Kind::Sandbox, "box", spec).await;
    let refused = scene.says(Kind::Sandbox, "box", "Ready False InvalidConfiguration").await;
    assert!(refused.to_string().contains("Not_A_Name"), "{refused:#?}");
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_on_its_way_out_is_terminating() {
    let Some(scene) = Scene::open("going").await else { return };
    let mut spec = running("trap '' TERM; sleep 60");
    spec["podTemplate"]["spec"]["terminationGracePeriodSeconds"] = json!(5);
    scene.create(Kind::Sandbox, "box", spec).await;
    scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    scene.patch(Kind::Sandbox, "box", json!({ "spec": { "operatingMode": "Suspended" } })).await;
    scene.says(Kind::Sandbox, "box", "Suspended False PodTerminating").await;
    scene.says(Kind::Sandbox, "box", "Suspended True PodTerminated").await;
    scene.close().await;
}

/// What a claim on a template is told.
async fn told(scene: &Scene, name: &str, template: Value, claim: Value) -> String {
    scene.create(Kind::SandboxTemplate, name, template).await;
    scene.create(Kind::SandboxWarmPool, name, json!({ "replicas": 0, "sandboxTemplateRef": { "name": name } })).await;
    let mut spec = json!({ "warmPoolRef": { "name": name } });
    spec.as_object_mut().unwrap().extend(claim.as_object().unwrap().clone());
    scene.create(Kind::SandboxClaim, name, spec).await;
    let answered = |claim: &Value| conditions(claim).iter().any(|said| said.starts_with("Ready"));
    let claim = scene.until(Kind::SandboxClaim, name, "an answer", answered).await;
    conditions(&claim).into_iter().find(|said| said.starts_with("Ready")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_cannot_be_served_is_told_why() {
    let Some(scene) = Scene::open("refused").await else { return };
    let idle = || running(IDLE);
    let env = json!({ "env": [{ "name": "A", "value": "1" }] });
    assert_eq!(told(&scene, "env", idle(), env).await, "Ready False EnvVarsInjectionRejected");
    let label = json!({ "additionalPodMetadata": { "labels": { "exeat.dev/profile": "admin" } } });
    assert_eq!(told(&scene, "label", idle(), label).await, "Ready False InvalidMetadata");
    let volume = json!({ "volumeClaimTemplates": [{ "metadata": { "name": "v" }, "spec": { "accessModes": ["ReadWriteOnce"] } }] });
    assert_eq!(told(&scene, "volume", idle(), volume).await, "Ready False VolumeClaimTemplatesError");

    scene.create(Kind::SandboxClaim, "no-pool", json!({ "warmPoolRef": { "name": "none" } })).await;
    scene.says(Kind::SandboxClaim, "no-pool", "Ready False WarmPoolNotFound").await;
    scene
        .create(
            Kind::SandboxWarmPool,
            "no-template",
            json!({ "replicas": 0, "sandboxTemplateRef": { "name": "none" } }),
        )
        .await;
    scene.create(Kind::SandboxClaim, "no-template", json!({ "warmPoolRef": { "name": "no-template" } })).await;
    scene.says(Kind::SandboxClaim, "no-template", "Ready False TemplateNotFound").await;

    // What is missing may come.
    scene.create(Kind::SandboxTemplate, "none", idle()).await;
    scene.says(Kind::SandboxClaim, "no-template", "Ready True DependenciesReady").await;

    scene.create(Kind::Sandbox, "taken", idle()).await;
    scene.create(Kind::SandboxClaim, "taken", json!({ "warmPoolRef": { "name": "no-template" } })).await;
    scene.says(Kind::SandboxClaim, "taken", "Ready False AdoptionConflict").await;
    scene.close().await;
}
