//! Pieces of work, with several gateways and one that is killed.

use serde_json::{Value, json};

use super::{Gateway, HOST, Outside, Pod, READ, claim, template};
use crate::scene::{Kind, Scene};

async fn working(scene: &Scene, name: &str, workflow: &str) -> Pod {
    claim(scene, "pool", name, json!({ "exeat.dev/profile": "coder", "exeat.dev/workflow": workflow })).await
}

/// How many of so many requests, some at once, were let out; the others say that the budget is used up.
async fn let_out(pod: &Pod, gateway: &Gateway, requests: u32) -> usize {
    let line = format!(
        "seq {requests} | xargs -P 8 -I @ curl -s -m 25 -o /dev/null -w '%{{http_code}}\\n' -x http://{} \
         --proxy-header \"Proxy-Authorization: Bearer $(cat /run/exeat/identity/token)\" http://{HOST}/@",
        gateway.listen
    );
    let statuses = pod.shell(&line).await.stdout;
    let count = |status: &str| statuses.lines().filter(|line| *line == status).count();
    assert_eq!(count("200") + count("403"), requests as usize, "{statuses}");
    count("200")
}

fn requests(workflow: &Value) -> i64 {
    workflow["status"]["requests"].as_i64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_never_exceeded_by_several_gateways_one_of_which_is_killed() {
    let Some(scene) = Scene::open("budget").await else { return };
    let Some(outside) = Outside::start().await else { return scene.close().await };
    scene.create(Kind::EgressPolicy, "agents", json!({ "cedar": READ })).await;
    scene.create(Kind::Workflow, "release", json!({ "budget": { "requests": 40 } })).await;
    let (one, other) = (Gateway::start(&scene, &outside, "one").await, Gateway::start(&scene, &outside, "other").await);
    scene.says(Kind::EgressPolicy, "agents", "Accepted True Valid").await;
    scene.pool("pool", 0, template()).await;
    let (first, second) = (working(&scene, "first", "release").await, working(&scene, "second", "release").await);
    let (by_first, by_second) = tokio::join!(let_out(&first, &one, 30), let_out(&second, &other, 30));
    let used = by_first + by_second;
    assert_eq!(outside.origin.seen().len(), used);
    assert!((35..=40).contains(&used), "of 40, {by_first} and {by_second} were let out");
    // What neither needs is put back, and is there for whoever asks next.
    scene.until(Kind::Workflow, "release", "what was used", |workflow| requests(workflow) == used as i64).await;
    let rest = let_out(&second, &other, 20).await;
    assert_eq!(used + rest, 40);

    // One that is killed takes at most a block with it, and that is never used twice.
    scene.patch(Kind::Workflow, "release", json!({ "spec": { "budget": { "requests": 140 } } })).await;
    scene.until(Kind::Workflow, "release", "the new budget", |workflow| requests(workflow) == 40).await;
    let before = let_out(&first, &one, 5).await;
    assert_eq!(before, 5);
    one.kill().await;
    let after = let_out(&second, &other, 120).await;
    assert!((100 - 5 - 64..=100 - 5).contains(&after), "{after}");
    assert_eq!(outside.origin.seen().len(), 40 + before + after);
    other.stop().await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_of_work_that_may_not_go_on_lets_nothing_out() {
    let Some(scene) = Scene::open("work").await else { return };
    let Some(outside) = Outside::start().await else { return scene.close().await };
    scene.create(Kind::EgressPolicy, "agents", json!({ "cedar": READ })).await;
    scene.create(Kind::Workflow, "free", json!({})).await;
    let gateway = Gateway::start(&scene, &outside, "gateway").await;
    scene.says(Kind::EgressPolicy, "agents", "Accepted True Valid").await;
    scene.pool("pool", 0, template()).await;
    let (free, lost) = (working(&scene, "free", "free").await, working(&scene, "lost", "not-there").await);
    let url = format!("http://{HOST}/");
    let told = lost.ask(&gateway, &url).await;
    assert_eq!((told.status.as_str(), told.code().as_str()), ("403", "workflow-missing"), "{told:?}");
    assert_eq!(free.ask(&gateway, &url).await.status, "200");
    for (spec, code) in [
        (json!({ "suspended": true }), "workflow-suspended"),
        (json!({ "suspended": false, "deadline": "2026-01-01T00:00:00Z" }), "workflow-overdue"),
        (json!({ "deadline": null, "budget": { "requests": 0 } }), "workflow-spent"),
    ] {
        scene.patch(Kind::Workflow, "free", json!({ "spec": spec })).await;
        let begun = std::time::Instant::now();
        // The watch brings it within a moment.
        while free.ask(&gateway, &url).await.code() != code {
            assert!(begun.elapsed() < exeat_tests::PATIENCE, "{code} does not come");
        }
    }
    let session = gateway.of_type("session-start").into_iter().find(|start| start["session"]["workflow"] == "free");
    assert!(session.is_some());
    gateway.stop().await;
    scene.close().await;
}
