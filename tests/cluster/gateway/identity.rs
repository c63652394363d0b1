//! Who a pod is, and for how long.

use std::time::Duration;

use exeat_tests::{PATIENCE, eventually};
use serde_json::json;
use tokio::process::Command;

use super::{Gateway, HOST, Outside, Pod, READ, ask_from_here, claim, template};
use crate::scene::{Kind, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_pod_has_no_rights_until_it_is_claimed_and_none_after() {
    let Some(scene) = Scene::open("warm").await else { return };
    let Some(outside) = Outside::start().await else { return scene.close().await };
    scene.create(Kind::EgressPolicy, "agents", json!({ "profiles": ["coder"], "cedar": READ })).await;
    let gateway = Gateway::start(&scene, &outside, "gateway").await;
    scene.says(Kind::EgressPolicy, "agents", "Accepted True Valid").await;
    scene.pool("pool", 1, template()).await;
    scene.filled("pool", 1).await;
    let warm = scene.list(Kind::Sandbox).await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let told = Pod::new(&scene, &warm).ask(&gateway, &format!("http://{HOST}/")).await;
    assert_eq!((told.status.as_str(), told.code().as_str()), ("407", "unclaimed"), "{told:?}");
    assert!(told.body.contains(&warm), "{told:?}");
    assert!(outside.origin.seen().is_empty());

    // It is asked before the claim, so that the answer waits for it.
    let pod = claim(&scene, "pool", "mine", json!({ "exeat.dev/profile": "coder" })).await;
    let told = pod.ask(&gateway, &format!("https://{HOST}/greeting")).await;
    assert_eq!((told.status.as_str(), told.body.as_str()), ("200", "hello"));
    let claimed = scene.get(Kind::SandboxClaim, "mine").await.unwrap();
    let uid = claimed["metadata"]["uid"].as_str().unwrap();
    let sandbox = claimed["status"]["sandbox"]["name"].as_str().unwrap();
    let id = format!("{}/{sandbox}@{}", scene.namespace, &uid[..8]);
    let start = &gateway.of_type("session-start")[0]["session"];
    assert_eq!((&start["id"], &start["claim_uid"], &start["sandbox"]), (&json!(id), &json!(uid), &json!(sandbox)));
    assert_eq!(
        (&start["profile"], &start["user"], &start["teams"]),
        (&json!("coder"), &json!("alice"), &json!([scene.namespace]))
    );
    let intent = &gateway.of_type("intent")[0];
    assert_eq!((&intent["session"], &intent["operations"][0]["policies"]), (&json!(id), &json!(["test/read"])));

    // A connection that is open ends with the claim.
    let open = format!(
        "(printf 'CONNECT {HOST}:443 HTTP/1.1\\r\\nHost: {HOST}:443\\r\\nProxy-Authorization: Bearer %s\\r\\n\\r\\n' \
         \"$(cat /run/exeat/identity/token)\"; sleep 20) | timeout 20 nc -q 0 {} {}; echo ended",
        gateway.listen.ip(),
        gateway.listen.port()
    );
    let held = tokio::spawn(async move { pod.shell(&open).await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    scene.delete(Kind::SandboxClaim, "mine").await;
    eventually("the session's end", || gateway.of_type("session-end").first().cloned()).await;
    let held = tokio::time::timeout(PATIENCE, held).await.unwrap().unwrap();
    assert!(held.stdout.contains("200"), "the tunnel was not opened: {held:?}");
    gateway.stop().await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_by_a_part_of_an_identity() {
    let Some(scene) = Scene::open("parts").await else { return };
    let Some(outside) = Outside::start().await else { return scene.close().await };
    let gateway = Gateway::start(&scene, &outside, "gateway").await;
    scene.create(Kind::EgressPolicy, "agents", json!({ "cedar": READ })).await;
    scene.says(Kind::EgressPolicy, "agents", "Accepted True Valid").await;
    scene.pool("pool", 0, template()).await;
    let labels = json!({ "exeat.dev/profile": "coder" });
    let (one, other) =
        (claim(&scene, "pool", "one", labels.clone()).await, claim(&scene, "pool", "other", labels).await);
    let without_profile = claim(&scene, "pool", "none", json!({})).await;
    let url = format!("http://{HOST}/");
    let token = one.token().await;
    assert_eq!(one.ask(&gateway, &url).await.status, "200");
    let attacks = [
        ("another pod's token", other.ask_with(&gateway, &url, &token).await, "unrecognised"),
        ("the right token from no pod", ask_from_here(&gateway, &url, &token).await, "unrecognised"),
        ("no token", one.ask_with(&gateway, &url, "").await, "unidentified"),
        ("a token that is none", one.ask_with(&gateway, &url, "nonsense").await, "unrecognised"),
        ("half of a token", one.ask_with(&gateway, &url, &token[..token.len() / 2]).await, "unrecognised"),
        (
            "a token for somebody else",
            one.ask_with(&gateway, &url, &another_audience(&scene).await).await,
            "unrecognised",
        ),
        ("no profile", without_profile.ask(&gateway, &url).await, "unrecognised"),
    ];
    for (what, told, code) in attacks {
        assert_eq!((told.status.as_str(), told.code().as_str()), ("407", code), "{what}: {told:?}");
    }
    assert_eq!(outside.origin.seen().len(), 1);
    // Refusals name no session but those of sessions.
    assert!(gateway.of_type("refusal").iter().all(|refusal| refusal["session"].is_null()));
    assert_eq!(gateway.probe("/readyz").await.0, "200");
    let (_, metrics) = gateway.probe("/metrics").await;
    assert!(metrics.contains("exeat_gateway_requests_in_flight 0\n"), "{metrics}");
    assert!(metrics.contains("verdict=\"refused\",cause=\"unrecognised\""), "{metrics}");
    gateway.stop().await;
    scene.close().await;
}

/// A token of the namespace's service account that was not made for gateways.
async fn another_audience(scene: &Scene) -> String {
    let mut command = Command::new("kubectl");
    command.env("KUBECONFIG", std::env::var_os("EXEAT_CLUSTER").unwrap());
    let made = command.args(["create", "token", "default", "-n", &scene.namespace, "--audience", "another"]);
    exeat_tests::run(made).await.stdout.trim().to_owned()
}
