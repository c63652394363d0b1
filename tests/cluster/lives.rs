//! A sandbox's life: suspended and resumed with its disk, idle, over, recreated.

use serde_json::json;

use crate::scene::{IDLE, Kind, Scene, conditions, running};

/// Counts in a file on its volume how often it was started.
const COUNTING: &str = "echo x >> /work/starts; trap 'exit 0' TERM; while :; do sleep 1 & wait; done";

fn with_volume(line: &str) -> serde_json::Value {
    let mut spec = running(line);
    spec["podTemplate"]["spec"]["containers"][0]["volumeMounts"] = json!([{ "name": "work", "mountPath": "/work" }]);
    spec["volumeClaimTemplates"] = json!([{
        "metadata": { "name": "work" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "16Mi" } } },
    }]);
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_sandbox_keeps_its_disk_and_its_name() {
    let Some(scene) = Scene::open("suspend").await else { return };
    let mut spec = with_volume(COUNTING);
    spec["service"] = json!(true);
    scene.create(Kind::Sandbox, "box", spec).await;
    let ready = scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    assert_eq!(ready["status"]["serviceFQDN"], format!("box.{}.svc.cluster.local", scene.namespace));
    let first = scene.get(Kind::Pod, "box").await.unwrap();
    assert_eq!(first["spec"]["hostname"], "box");
    let volume = scene.get(Kind::PersistentVolumeClaim, "work-box").await.unwrap();

    scene.patch(Kind::Sandbox, "box", json!({ "spec": { "operatingMode": "Suspended" } })).await;
    let suspended = scene.says(Kind::Sandbox, "box", "Suspended True PodTerminated").await;
    assert!(conditions(&suspended).contains(&"Ready False SandboxSuspended".to_owned()));
    assert!(suspended["status"].get("podIPs").is_none());
    scene.gone(Kind::Pod, "box").await;

    scene.patch(Kind::Sandbox, "box", json!({ "spec": { "operatingMode": "Running" } })).await;
    scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    let second = scene.get(Kind::Pod, "box").await.unwrap();
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    assert_eq!(
        scene.get(Kind::PersistentVolumeClaim, "work-box").await.unwrap()["metadata"]["uid"],
        volume["metadata"]["uid"]
    );
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_nobody_uses_is_suspended() {
    let Some(scene) = Scene::open("idle").await else { return };
    let metadata = json!({ "name": "box", "annotations": { "exeat.dev/idle-seconds": "3" } });
    scene.create_with(Kind::Sandbox, metadata, running(IDLE)).await;
    scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    let suspended = scene.says(Kind::Sandbox, "box", "Suspended True PodTerminated").await;
    assert_eq!(suspended["metadata"]["annotations"]["exeat.dev/suspended-by"], "idle");
    scene.patch(Kind::Sandbox, "box", json!({ "spec": { "operatingMode": "Running" } })).await;
    let resumed = scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    assert!(resumed["metadata"]["annotations"].get("exeat.dev/suspended-by").is_none());
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_time_is_over_it_goes_or_stays_as_its_policy_says() {
    let Some(scene) = Scene::open("expiry").await else { return };
    let soon = || jiff::Timestamp::now() + jiff::SignedDuration::from_secs(6);
    for (name, policy) in [("kept", "Retain"), ("gone", "Delete")] {
        let mut spec = running(IDLE);
        spec["shutdownTime"] = json!(soon().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        spec["shutdownPolicy"] = json!(policy);
        scene.create(Kind::Sandbox, name, spec).await;
    }
    scene.says(Kind::Sandbox, "kept", "Ready False SandboxExpired").await;
    scene.gone(Kind::Pod, "kept").await;
    scene.gone(Kind::Sandbox, "gone").await;
    scene.gone(Kind::Pod, "gone").await;
    assert!(scene.get(Kind::Sandbox, "kept").await.is_some());
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_pod_is_made_anew_with_its_disk_where_that_is_asked_for() {
    let Some(scene) = Scene::open("recreate").await else { return };
    // The first start fails; the second finds what the first one wrote.
    let mut spec = with_volume(&format!("test -e /work/failed || {{ touch /work/failed; exit 3; }}; {IDLE}"));
    spec["podTemplate"]["spec"]["restartPolicy"] = json!("Never");
    let metadata = json!({ "name": "box", "annotations": { "exeat.dev/recreate": "on-failure" } });
    scene.create_with(Kind::Sandbox, metadata, spec).await;
    scene.says(Kind::Sandbox, "box", "Ready False PodFailed").await;
    let ready = scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    assert_eq!(ready["metadata"]["annotations"]["exeat.dev/recreations"], "1");
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_somebody_deletes_is_made_anew() {
    let Some(scene) = Scene::open("lost").await else { return };
    scene.create(Kind::Sandbox, "box", running(IDLE)).await;
    scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    let first = scene.get(Kind::Pod, "box").await.unwrap()["metadata"]["uid"].clone();
    scene.delete(Kind::Pod, "box").await;
    scene.until(Kind::Pod, "box", "another pod", |pod| pod["metadata"]["uid"] != first).await;
    scene.says(Kind::Sandbox, "box", "Ready True DependenciesReady").await;
    scene.close().await;
}
