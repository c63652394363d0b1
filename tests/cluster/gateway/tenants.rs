//! A namespace's policies and credentials are its own, and wrong ones change nothing.

use exeat_tests::{PATIENCE, eventually};
use serde_json::{Value, json};

use super::{Gateway, HOST, Outside, READ, claim, template};
use crate::scene::{Kind, Scene};

const SECRET: &str = "canary-5b1f9e";
const FORBID: &str = "@id(\"test/stop\") forbid (principal, action, resource);";

fn credential(secret: &str, host: &str) -> Value {
    json!({ "hosts": [host], "inject": { "bearer": {} }, "secretRef": { "name": secret, "key": "token" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_has_its_own_policies_and_credentials_and_no_others() {
    let (Some(one), Some(other)) = (Scene::open("tenant-a").await, Scene::open("tenant-b").await) else { return };
    let Some(outside) = Outside::start().await else { return };
    let gateway = Gateway::start(&one, &outside, "gateway").await;
    // The other's pods need a certificate to mount; the controller copies it where pods are wired.
    let ca = one.until(Kind::ConfigMap, "exeat-ca", "the certificate", |_| true).await;
    other.make(Kind::ConfigMap, json!({ "metadata": { "name": "exeat-ca" }, "data": ca["data"] })).await;
    one.create(Kind::EgressPolicy, "agents", json!({ "cedar": READ })).await;
    one.make(Kind::Secret, json!({ "metadata": { "name": "github" }, "stringData": { "token": SECRET } })).await;
    one.create(Kind::Credential, "deploy", credential("github", HOST)).await;
    // The other names a Secret that only the first has, and permits nothing.
    other.create(Kind::Credential, "deploy", credential("github", HOST)).await;
    one.says(Kind::Credential, "deploy", "Ready True Available").await;
    other.says(Kind::Credential, "deploy", "Ready False SecretNotFound").await;
    one.says(Kind::EgressPolicy, "agents", "Accepted True Valid").await;

    let labels = json!({ "exeat.dev/profile": "coder" });
    one.pool("pool", 0, template()).await;
    other.pool("pool", 0, template()).await;
    let (ours, theirs) =
        (claim(&one, "pool", "mine", labels.clone()).await, claim(&other, "pool", "mine", labels).await);
    let url = format!("https://{HOST}/");
    assert_eq!(ours.ask(&gateway, &url).await.status, "200");
    let seen = outside.origin.seen();
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    assert_eq!(theirs.ask(&gateway, &url).await.status, "403");
    other.create(Kind::EgressPolicy, "agents", json!({ "cedar": READ })).await;
    other.says(Kind::EgressPolicy, "agents", "Accepted True Valid").await;
    // Now their policies permit it, and there is no secret to put in: nothing leaves.
    let told = theirs.ask(&gateway, &url).await;
    assert_eq!((told.status.as_str(), told.code().as_str()), ("503", "credential-unavailable"));
    assert_eq!(outside.origin.seen().len(), 1);
    let journal = serde_json::to_string(&gateway.records()).unwrap();
    assert!(!journal.contains(SECRET));
    gateway.stop().await;
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_policy_leaves_the_old_one_in_force_or_lets_nothing_out() {
    let Some(scene) = Scene::open("wrong").await else { return };
    let Some(outside) = Outside::start().await else { return scene.close().await };
    scene.create(Kind::EgressPolicy, "agents", json!({ "cedar": READ })).await;
    let gateway = Gateway::start(&scene, &outside, "gateway").await;
    let accepted = scene.says(Kind::EgressPolicy, "agents", "Accepted True Valid").await;
    assert_eq!((&accepted["status"]["policies"], &accepted["status"]["observedGeneration"]), (&json!(1), &json!(1)));
    scene.pool("pool", 0, template()).await;
    let pod = claim(&scene, "pool", "mine", json!({ "exeat.dev/profile": "coder" })).await;
    let url = format!("https://{HOST}/");
    assert_eq!(pod.ask(&gateway, &url).await.status, "200");
    let version = gateway.of_type("intent")[0]["policy_version"].clone();
    assert_eq!(accepted["status"]["policyVersion"], version);

    // A forbid with a mistake in it: were it left out, it would be as if it were not there.
    let wrong = FORBID.replace("action,", "action == Nothing::Action::\"x\",");
    scene.create(Kind::EgressPolicy, "stop", json!({ "cedar": format!("\n{wrong}") })).await;
    let rejected = scene.says(Kind::EgressPolicy, "stop", "Accepted False Invalid").await;
    let message = rejected["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains(&format!("EgressPolicy {}/stop:2:", scene.namespace)), "{message}");
    let in_journal = || gateway.of_type("policy-rejected").into_iter().find(|rejected| !rejected["scope"].is_null());
    eventually("the rejection in the journal", in_journal).await;
    assert_eq!(pod.ask(&gateway, &url).await.status, "200");
    assert_eq!(gateway.of_type("intent")[1]["policy_version"], version);
    let written = rejected["metadata"]["resourceVersion"].clone();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let still = scene.says(Kind::EgressPolicy, "stop", "Accepted False Invalid").await;
    assert_eq!(still["metadata"]["resourceVersion"], written, "the status is written again and again");

    // A gateway that starts now knows no old one.
    gateway.stop().await;
    let gateway = Gateway::start(&scene, &outside, "gateway").await;
    let told = pod.ask(&gateway, &format!("http://{HOST}/")).await;
    assert_eq!((told.status.as_str(), told.code().as_str()), ("403", "policies-unusable"), "{told:?}");
    assert!(told.body.contains("/stop:2:"), "{told:?}");
    let before = outside.origin.seen().len();
    scene.patch(Kind::EgressPolicy, "stop", json!({ "spec": { "cedar": FORBID } })).await;
    scene.says(Kind::EgressPolicy, "stop", "Accepted True Valid").await;
    assert_eq!(pod.ask(&gateway, &format!("http://{HOST}/")).await.code(), "denied");
    assert_eq!(outside.origin.seen().len(), before);
    gateway.stop().await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_gateways_have_one_authority() {
    let Some(scene) = Scene::open("authority").await else { return };
    let Some(outside) = Outside::start().await else { return scene.close().await };
    let (one, other) = tokio::join!(Gateway::start(&scene, &outside, "one"), Gateway::start(&scene, &outside, "other"));
    scene.create(Kind::EgressPolicy, "agents", json!({ "cedar": READ })).await;
    scene.pool("pool", 0, template()).await;
    let pod = claim(&scene, "pool", "mine", json!({ "exeat.dev/profile": "coder" })).await;
    let url = format!("https://{HOST}/");
    let begun = std::time::Instant::now();
    for gateway in [&one, &other] {
        // The policy is seen within a moment.
        while pod.ask(gateway, &url).await.status != "200" {
            assert!(begun.elapsed() < PATIENCE);
        }
    }
    one.stop().await;
    other.stop().await;
    scene.close().await;
}
