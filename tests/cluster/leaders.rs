//! Controllers that are killed, and two of them.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::scene::{IDLE, Kind, Scene, running, start_controller};

/// Two numbers of a sequence that looks random and is the same each time.
fn pauses() -> impl Iterator<Item = Duration> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        Duration::from_millis(20 + u64::from(state % 400))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_controller_is_killed_claims_get_what_they_asked_for() {
    let Some(scene) = Scene::alone("killed").await else { return };
    let start = || start_controller("killed", &["--leader-elect=false"]);
    let mut controller = start();
    scene.pool("pool", 2, running(IDLE)).await;
    let mut pauses = pauses();
    let names: Vec<String> = (0..10).map(|n| format!("c{n}")).collect();
    for name in &names {
        scene.create(Kind::SandboxClaim, name, json!({ "warmPoolRef": { "name": "pool" } })).await;
        sleep(pauses.next().unwrap()).await;
        controller.kill().await.unwrap();
        controller = start();
        sleep(pauses.next().unwrap()).await;
    }
    let mut got = Vec::new();
    for name in &names {
        let claim = scene.says(Kind::SandboxClaim, name, "Ready True DependenciesReady").await;
        let uid = claim["metadata"]["uid"].clone();
        got.push(claim["status"]["sandbox"]["name"].as_str().unwrap().to_owned());
        let owned =
            scene.list(Kind::Sandbox).await.into_iter().filter(|s| s["metadata"]["ownerReferences"][0]["uid"] == uid);
        assert_eq!(owned.count(), 1, "{name} has one sandbox and no other");
    }
    got.sort();
    got.dedup();
    assert_eq!(got.len(), names.len(), "nobody shares one");
    scene.filled("pool", 2).await;
    controller.kill().await.unwrap();
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_controllers_one_leads_and_the_other_takes_over() {
    let Some(scene) = Scene::alone("leads").await else { return };
    let lease = format!("--leader-election-id=test-{}", std::process::id());
    let mut first = start_controller("first", &[&lease]);
    scene.create(Kind::Sandbox, "one", running(IDLE)).await;
    scene.says(Kind::Sandbox, "one", "Ready True DependenciesReady").await;
    let mut second = start_controller("second", &[&lease]);
    sleep(Duration::from_secs(3)).await;
    assert!(second.try_wait().unwrap().is_none(), "the second waits");
    // One that is told to stop gives the lease away at once; one that is killed is followed when the lease is over.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(first.id().unwrap().try_into().unwrap()),
        nix::sys::signal::SIGTERM,
    )
    .unwrap();
    first.wait().await.unwrap();
    scene.create(Kind::Sandbox, "two", running(IDLE)).await;
    scene.says(Kind::Sandbox, "two", "Ready True DependenciesReady").await;
    let mut third = start_controller("third", &[&lease]);
    second.kill().await.unwrap();
    scene.create(Kind::Sandbox, "three", running(IDLE)).await;
    scene.says(Kind::Sandbox, "three", "Ready True DependenciesReady").await;
    third.kill().await.unwrap();
    scene.close().await;
}
