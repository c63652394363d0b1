//! Snapshots of real sandboxes under gVisor: taken, gone back to, forked, and in place of a volume.

use std::time::Duration;

use exeat_inside::client::Command;
use exeat_tests::exeat;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::inside::{inside, served};
use crate::moto::Moto;
use crate::scene::{IDLE, Kind, Scene, conditions, start, start_controller, store};

/// What a sandbox holds: names, modes and contents.
const LOOK: &str =
    "cd /workspace; find . -mindepth 1 -printf '%P %y %m %l\\n' | sort; find . -type f | sort | xargs md5sum";

/// A sandbox that runs sandboxd and has a profile, so it is wired as far as snapshots go.
fn wired(line: &str) -> Value {
    let mut spec = served(line);
    spec["podTemplate"]["metadata"] = json!({ "labels": { "exeat.dev/profile": "coder" } });
    spec
}

/// A template of these. The controller is outside of the cluster, where no policy names it.
fn template(line: &str) -> Value {
    let mut template = wired(line);
    template["networkPolicyManagement"] = json!("Unmanaged");
    template
}

/// Runs a line in a sandbox and gives what it printed.
async fn sh(scene: &Scene, name: &str, line: &str) -> String {
    let output = inside(scene, name).await.execute(&Command::new(["/bin/sh", "-c", line])).await.unwrap();
    assert_eq!(output.exit_code, 0, "{line}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn ready(scene: &Scene, name: &str) -> Value {
    scene.says(Kind::Sandbox, name, "Ready True DependenciesReady").await
}

async fn snapshot(scene: &Scene, name: &str, of: &str) -> Value {
    scene.create(Kind::SandboxSnapshot, name, json!({ "sandboxName": of })).await;
    scene.says(Kind::SandboxSnapshot, name, "Ready True Taken").await
}

fn note(annotations: Value) -> Value {
    json!({ "metadata": { "annotations": annotations } })
}

fn mode(mode: &str) -> Value {
    json!({ "spec": { "operatingMode": mode } })
}

/// The record of a snapshot in the store.
fn record(scene: &Scene, name: &str) -> std::path::PathBuf {
    store().join(&scene.namespace).join("snapshots").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_taken_gone_back_to_and_forgotten() {
    let Some(scene) = Scene::open("snapshots").await else { return };
    scene.create(Kind::Sandbox, "box", wired("")).await;
    ready(&scene, "box").await;
    sh(
        &scene,
        "box",
        "cd /workspace; mkdir -p src; echo one > src/a; ln -s a src/link; head -c 300000 /dev/urandom > big",
    )
    .await;
    let seen = sh(&scene, "box", LOOK).await;
    let one = snapshot(&scene, "one", "box").await;
    assert_eq!((&one["status"]["files"], one["status"]["bytes"].as_i64().unwrap()), (&json!(2), 300_004));
    assert!(one["status"]["digest"].as_str().unwrap().starts_with("sha256:"));
    assert!(one["status"].get("parent").is_none() && one["metadata"].get("ownerReferences").is_none());
    assert!(record(&scene, "one").exists());

    sh(&scene, "box", "cd /workspace; rm -r src; echo two > b").await;
    let two = snapshot(&scene, "two", "box").await;
    assert_eq!(two["status"]["parent"], "one");
    assert_eq!(two["status"]["sandboxUID"], one["status"]["sandboxUID"]);

    scene.patch(Kind::Sandbox, "box", note(json!({ "exeat.dev/rollback-to": "one" }))).await;
    let done = |sandbox: &Value| sandbox["metadata"]["annotations"]["exeat.dev/rollback-to"].is_null();
    let back = scene.until(Kind::Sandbox, "box", "the end of the rollback", done).await;
    assert_eq!(sh(&scene, "box", LOOK).await, seen);
    ready(&scene, "box").await;
    assert_eq!(back["metadata"]["annotations"]["exeat.dev/snapshot"], "one");
    let restored = scene.says(Kind::Pod, "box", "PodRestored True Restored").await;
    let said =
        restored["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "PodRestored").unwrap();
    let said = said["message"].as_str().unwrap();
    // What was there can be had again.
    let before = said.split('`').nth(3).unwrap().to_owned();
    assert!(said.contains("`one`") && before.starts_with("box-"), "{said}");
    scene.patch(Kind::Sandbox, "box", note(json!({ "exeat.dev/rollback-to": before }))).await;
    scene.until(Kind::Sandbox, "box", "the end of the second rollback", done).await;
    assert_eq!(sh(&scene, "box", "cd /workspace; ls; cat b").await, "b\nbig\ntwo\n");

    for name in ["one", "two"] {
        scene.delete(Kind::SandboxSnapshot, name).await;
        scene.gone(Kind::SandboxSnapshot, name).await;
        assert!(!record(&scene, name).exists());
    }
    // A snapshot outlives its sandbox, but for those that nobody asked for.
    snapshot(&scene, "three", "box").await;
    scene.delete(Kind::Sandbox, "box").await;
    scene.gone(Kind::Sandbox, "box").await;
    scene.gone(Kind::SandboxSnapshot, &before).await;
    assert!(record(&scene, "three").exists() && !record(&scene, &before).exists());
    scene.close_and_wait().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_says_why() {
    let Some(scene) = Scene::open("untaken").await else { return };
    scene.create(Kind::Sandbox, "plain", served("")).await;
    scene.create(Kind::Sandbox, "box", wired("")).await;
    ready(&scene, "plain").await;
    ready(&scene, "box").await;
    for (name, spec, reason) in [
        ("live", json!({ "sandboxName": "box", "kind": "Live" }), "LiveNotSupported"),
        ("nobody", json!({ "sandboxName": "nobody" }), "SandboxNotFound"),
        ("unwired", json!({ "sandboxName": "plain" }), "NotWired"),
    ] {
        scene.create(Kind::SandboxSnapshot, name, spec).await;
        let said = scene.says(Kind::SandboxSnapshot, name, &format!("Ready False {reason}")).await;
        assert!(said["metadata"].get("finalizers").is_none(), "nothing holds it: {said:#?}");
    }
    scene.patch(Kind::Sandbox, "plain", note(json!({ "exeat.dev/rollback-to": "nothing" }))).await;
    scene.says(Kind::Sandbox, "plain", "RolledBack False NotWired").await;
    scene.patch(Kind::Sandbox, "box", note(json!({ "exeat.dev/rollback-to": "nothing" }))).await;
    let said = scene.says(Kind::Sandbox, "box", "RolledBack False SnapshotNotFound").await;
    assert!(conditions(&said).contains(&"Ready True DependenciesReady".to_owned()));
    // A folder that cannot be read out is said to be so, and tried again.
    sh(&scene, "box", "mkdir /workspace/shut; chmod 0 /workspace/shut").await;
    scene.create(Kind::SandboxSnapshot, "shut", json!({ "sandboxName": "box" })).await;
    scene.says(Kind::SandboxSnapshot, "shut", "Ready False TakeFailed").await;
    sh(&scene, "box", "chmod 700 /workspace/shut").await;
    scene.says(Kind::SandboxSnapshot, "shut", "Ready True Taken").await;
    scene.close_and_wait().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_start_where_a_snapshot_was_taken_cold_and_warm() {
    let Some(scene) = Scene::open("forks").await else { return };
    scene.create(Kind::Sandbox, "box", wired("")).await;
    ready(&scene, "box").await;
    sh(&scene, "box", "cd /workspace; mkdir -p a/b; for n in $(seq 200); do seq $n > a/b/$n; done; echo x > .hidden")
        .await;
    let seen = sh(&scene, "box", LOOK).await;
    snapshot(&scene, "origin", "box").await;

    // As the webhook wires a pod that starts from a snapshot: the agent begins when its workspace is there.
    let mut cold = template(&format!("ls /workspace/a/b | wc -l > /tmp/saw; {IDLE}"));
    let install = &mut cold["podTemplate"]["spec"]["initContainers"][0];
    install["command"].as_array_mut().unwrap().extend([json!("--unrestored"), json!("/workspace")]);
    let workspace = json!({ "name": "workspace", "mountPath": "/workspace" });
    install["volumeMounts"].as_array_mut().unwrap().push(workspace);
    scene.pool("cold", 0, cold).await;
    scene.pool("warm", 1, template("")).await;
    scene.filled("warm", 1).await;
    let first = scene.list(Kind::Pod).await;
    let from = json!({ "podsnapshot.gke.io/ps-name": "origin" });
    for pool in ["cold", "warm"] {
        let metadata = json!({ "name": format!("from-{pool}"), "annotations": from });
        scene.create_with(Kind::SandboxClaim, metadata, json!({ "warmPoolRef": { "name": pool } })).await;
    }
    for pool in ["cold", "warm"] {
        let claim = scene.says(Kind::SandboxClaim, &format!("from-{pool}"), "Ready True DependenciesReady").await;
        let name = claim["status"]["sandbox"]["name"].as_str().unwrap().to_owned();
        // Nothing has to be waited for: a claim that is ready has its workspace.
        let there = sh(&scene, &name, LOOK).await;
        assert_eq!(there, seen);
        if pool == "cold" {
            let saw = "until test -s /tmp/saw; do sleep 0.1; done; cat /tmp/saw";
            assert_eq!(sh(&scene, &name, saw).await, "200\n");
        }
        let sandbox = scene.get(Kind::Sandbox, &name).await.unwrap();
        assert_eq!(sandbox["spec"]["podTemplate"]["metadata"]["annotations"], from);
        let pod = scene.says(Kind::Pod, &name, "PodRestored True Restored").await;
        assert_eq!(pod["metadata"]["annotations"]["podsnapshot.gke.io/ps-name"], "origin");
        let was_there = first.iter().any(|known| known["metadata"]["uid"] == pod["metadata"]["uid"]);
        assert_eq!(was_there, pool == "warm");
        assert_eq!(snapshot(&scene, &format!("of-{pool}"), &name).await["status"]["parent"], "origin");
    }
    scene.close_and_wait().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_snapshot_is_waited_for_and_nobody_starts_without_it() {
    let Some(scene) = Scene::open("missing").await else { return };
    scene.pool("pool", 0, template("")).await;
    let metadata = json!({ "name": "fork", "annotations": { "podsnapshot.gke.io/ps-name": "later" } });
    scene.create_with(Kind::SandboxClaim, metadata, json!({ "warmPoolRef": { "name": "pool" } })).await;
    scene.says(Kind::SandboxClaim, "fork", "Ready False SnapshotNotFound").await;
    assert!(scene.get(Kind::Pod, "fork").await.is_none());
    scene.create(Kind::Sandbox, "box", wired("")).await;
    ready(&scene, "box").await;
    sh(&scene, "box", "echo here > /workspace/a").await;
    snapshot(&scene, "later", "box").await;
    scene.says(Kind::SandboxClaim, "fork", "Ready True DependenciesReady").await;
    assert_eq!(sh(&scene, "fork", "cat /workspace/a").await, "here\n");
    scene.close_and_wait().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_sandbox_without_a_volume_goes_on_where_it_was() {
    let Some(scene) = Scene::open("saved").await else { return };
    // The agent says what it finds when it starts.
    let agent = format!("cat /workspace/count >> /workspace/found; echo x >> /workspace/count; {IDLE}");
    scene.create(Kind::Sandbox, "box", wired(&agent)).await;
    ready(&scene, "box").await;
    let seen = sh(&scene, "box", LOOK).await;
    for round in 1..3 {
        scene.patch(Kind::Sandbox, "box", mode("Suspended")).await;
        let suspended = scene.says(Kind::Sandbox, "box", "Suspended True PodTerminated").await;
        let last = suspended["metadata"]["annotations"]["exeat.dev/snapshot"].as_str().unwrap().to_owned();
        let kept = scene.says(Kind::SandboxSnapshot, &last, "Ready True Taken").await;
        assert_eq!(kept["metadata"]["labels"]["exeat.dev/taken-before"], "suspend");
        assert_eq!(kept["status"].get("parent").is_some(), round > 1);
        scene.patch(Kind::Sandbox, "box", mode("Running")).await;
        ready(&scene, "box").await;
        // A pod that is ready is restored: this is what the SDK waits for.
        let pod = scene.get(Kind::Pod, "box").await.unwrap();
        assert!(conditions(&pod).contains(&"PodRestored True Restored".to_owned()), "{pod:#?}");
        assert_eq!(pod["spec"]["readinessGates"], json!([{ "conditionType": "PodRestored" }]));
    }
    let now = sh(&scene, "box", LOOK).await;
    assert!(seen.lines().all(|line| now.contains(line.split(' ').next_back().unwrap())), "{seen}\n{now}");
    scene.close_and_wait().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_controller_is_killed_a_snapshot_is_taken_once_and_whole() {
    let Some(scene) = Scene::alone("killed-snap").await else { return };
    let store = format!("--snapshot-store=file://{}", store().display());
    let start = || start_controller("killed-snap", &["--leader-elect=false", &store]);
    let mut controller = start();
    scene.create(Kind::Sandbox, "box", wired("")).await;
    ready(&scene, "box").await;
    sh(&scene, "box", "cd /workspace; head -c 30000000 /dev/urandom > big; for n in $(seq 500); do seq $n > $n; done")
        .await;
    let seen = sh(&scene, "box", LOOK).await;
    for n in 0..6_u64 {
        scene.create(Kind::SandboxSnapshot, &format!("s{n}"), json!({ "sandboxName": "box" })).await;
        sleep(Duration::from_millis(150 * n)).await;
        controller.kill().await.unwrap();
        controller = start();
    }
    let mut digests = Vec::new();
    for n in 0..6 {
        let taken = scene.says(Kind::SandboxSnapshot, &format!("s{n}"), "Ready True Taken").await;
        digests.push(taken["status"]["digest"].clone());
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "the same workspace is the same snapshot");
    // Killed while it goes back, too.
    sh(&scene, "box", "rm -r /workspace/*").await;
    scene.patch(Kind::Sandbox, "box", note(json!({ "exeat.dev/rollback-to": "s0" }))).await;
    for n in 0..4_u64 {
        sleep(Duration::from_millis(100 + 200 * n)).await;
        controller.kill().await.unwrap();
        controller = start();
    }
    let done = |sandbox: &Value| sandbox["metadata"]["annotations"]["exeat.dev/rollback-to"].is_null();
    scene.until(Kind::Sandbox, "box", "the end of the rollback", done).await;
    ready(&scene, "box").await;
    assert_eq!(sh(&scene, "box", LOOK).await, seen);
    scene.close_and_wait().await;
    controller.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_them_as_a_folder_does() {
    let Some(scene) = Scene::alone("bucket").await else { return };
    let Some(moto) = Moto::start().await else { return };
    let config = moto.config(moto.port());
    let flags = [
        "--leader-elect=false".to_owned(),
        format!("--snapshot-store=s3://{}/{}", config.bucket, config.prefix),
        format!("--snapshot-store-region={}", config.region),
        format!("--snapshot-store-endpoint={}", config.endpoint.unwrap()),
        "--snapshot-store-plain-http".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let controller = || {
        let mut command = tokio::process::Command::new(exeat());
        command.env("AWS_ACCESS_KEY_ID", moto.key()).env("AWS_SECRET_ACCESS_KEY", moto.secret());
        start(command, "bucket", &flags)
    };
    let mut first = controller();
    scene.create(Kind::Sandbox, "box", wired("")).await;
    ready(&scene, "box").await;
    sh(&scene, "box", "cd /workspace; echo one > a; head -c 20000000 /dev/urandom > big").await;
    let seen = sh(&scene, "box", LOOK).await;
    snapshot(&scene, "one", "box").await;
    first.kill().await.unwrap();

    // Another controller, which has nothing but the bucket, goes back to it.
    let mut second = controller();
    sh(&scene, "box", "rm -r /workspace/*").await;
    scene.patch(Kind::Sandbox, "box", note(json!({ "exeat.dev/rollback-to": "one" }))).await;
    let done = |sandbox: &Value| sandbox["metadata"]["annotations"]["exeat.dev/rollback-to"].is_null();
    scene.until(Kind::Sandbox, "box", "the end of the rollback", done).await;
    ready(&scene, "box").await;
    assert_eq!(sh(&scene, "box", LOOK).await, seen);
    // Without a volume it is the bucket that outlives the pod.
    scene.patch(Kind::Sandbox, "box", mode("Suspended")).await;
    scene.says(Kind::Sandbox, "box", "Suspended True PodTerminated").await;
    scene.patch(Kind::Sandbox, "box", mode("Running")).await;
    ready(&scene, "box").await;
    assert_eq!(sh(&scene, "box", LOOK).await, seen);
    scene.delete(Kind::SandboxSnapshot, "one").await;
    scene.gone(Kind::SandboxSnapshot, "one").await;
    scene.close_and_wait().await;
    second.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_nothing_is_taken_and_it_says_so() {
    let Some(scene) = Scene::alone("storeless").await else { return };
    let mut controller = start_controller("storeless", &["--leader-elect=false"]);
    scene.create(Kind::Sandbox, "box", wired("")).await;
    ready(&scene, "box").await;
    scene.create(Kind::SandboxSnapshot, "one", json!({ "sandboxName": "box" })).await;
    scene.says(Kind::SandboxSnapshot, "one", "Ready False NoSnapshotStore").await;
    scene.patch(Kind::Sandbox, "box", note(json!({ "exeat.dev/rollback-to": "one" }))).await;
    scene.says(Kind::Sandbox, "box", "RolledBack False NoSnapshotStore").await;
    scene.patch(Kind::Sandbox, "box", mode("Suspended")).await;
    scene.says(Kind::Sandbox, "box", "Suspended True PodTerminated").await;
    scene.close_and_wait().await;
    controller.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_know_pod_snapshots_take_forget_and_start_from_them() {
    let Some(scene) = Scene::open("triggers").await else { return };
    scene.create(Kind::Sandbox, "box", wired("")).await;
    ready(&scene, "box").await;
    sh(&scene, "box", "echo one > /workspace/a").await;
    scene.create(Kind::PodSnapshotManualTrigger, "t-1", json!({ "targetPod": "box" })).await;
    let complete = scene.says(Kind::PodSnapshotManualTrigger, "t-1", "Triggered True Complete").await;
    let name = complete["status"]["snapshotCreated"]["name"].as_str().unwrap().to_owned();
    let taken = scene.get(Kind::PodSnapshot, &name).await.unwrap();
    assert!(conditions(&taken).contains(&"Ready True Taken".to_owned()), "{taken:#?}");
    assert_eq!(taken["metadata"]["annotations"]["podsnapshot.gke.io/origin-pod"], "box");
    let sandbox = scene.get(Kind::Sandbox, "box").await.unwrap();
    let selector = sandbox["status"]["selector"].as_str().unwrap();
    let (label, hash) = selector.split_once('=').unwrap();
    assert_eq!(taken["metadata"]["labels"][label], hash);
    scene.create(Kind::PodSnapshotManualTrigger, "t-2", json!({ "targetPod": "nobody" })).await;
    scene.says(Kind::PodSnapshotManualTrigger, "t-2", "Triggered False Failed").await;

    // The SDK's restore: suspended, the claim's annotation, running, and its name in the pod's condition.
    scene.pool("pool", 0, template("")).await;
    scene.create(Kind::SandboxClaim, "mine", json!({ "warmPoolRef": { "name": "pool" } })).await;
    scene.says(Kind::SandboxClaim, "mine", "Ready True DependenciesReady").await;
    scene.patch(Kind::Sandbox, "mine", mode("Suspended")).await;
    scene.says(Kind::Sandbox, "mine", "Suspended True PodTerminated").await;
    for snapshot in [json!(name), Value::Null] {
        let metadata = json!({ "annotations": { "podsnapshot.gke.io/ps-name": snapshot } });
        scene.patch(Kind::SandboxClaim, "mine", json!({ "spec": { "additionalPodMetadata": metadata } })).await;
        let follows = |sandbox: &Value| {
            sandbox["spec"]["podTemplate"]["metadata"]["annotations"]["podsnapshot.gke.io/ps-name"] == snapshot
        };
        scene.until(Kind::Sandbox, "mine", "the claim's annotation", follows).await;
        scene.patch(Kind::Sandbox, "mine", mode("Running")).await;
        let pod = scene.says(Kind::Pod, "mine", "Ready True ").await;
        let conditions = pod["status"]["conditions"].as_array().unwrap();
        let restored = conditions.iter().find(|condition| condition["type"] == "PodRestored").unwrap();
        assert_eq!(restored["status"], "True");
        assert!(restored["message"].as_str().unwrap().contains(&format!("`{name}`")), "{restored}");
        assert_eq!(sh(&scene, "mine", "cat /workspace/a").await, "one\n");
        scene.patch(Kind::Sandbox, "mine", mode("Suspended")).await;
        scene.says(Kind::Sandbox, "mine", "Suspended True PodTerminated").await;
    }

    scene.delete(Kind::PodSnapshot, &name).await;
    scene.gone(Kind::PodSnapshot, &name).await;
    scene.gone(Kind::SandboxSnapshot, &name).await;
    assert!(!record(&scene, &name).exists());
    scene.close_and_wait().await;
}
