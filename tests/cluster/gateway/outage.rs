//! The API server is gone for a while.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Gateway, HOST, Outside, READ, claim, template};
use crate::scene::{Kind, Scene};
use crate::wire::Wire;

/// How old what is known of the cluster may be (`CLUSTER_VIEW_AGE`), and some more for the last sign of life.
const LONGEST: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_been_heard_of_for_a_minute_lets_nothing_out() {
    let Some(scene) = Scene::open("outage").await else { return };
    let Some(outside) = Outside::start().await else { return scene.close().await };
    let wire = Wire::lay().await;
    scene.create(Kind::EgressPolicy, "agents", json!({ "cedar": READ })).await;
    let gateway = Gateway::start_with(&scene, &outside, "gateway", &wire.kubeconfig()).await;
    scene.says(Kind::EgressPolicy, "agents", "Accepted True Valid").await;
    scene.pool("pool", 0, template()).await;
    let pod = claim(&scene, "pool", "mine", json!({ "exeat.dev/profile": "coder" })).await;
    let other = claim(&scene, "pool", "other", json!({ "exeat.dev/profile": "coder" })).await;
    let url = format!("http://{HOST}/");
    assert_eq!(pod.ask(&gateway, &url).await.status, "200");

    wire.cut();
    // A token that was reviewed a moment ago still counts; one that was not cannot be.
    assert_eq!(pod.ask(&gateway, &url).await.status, "200");
    let told = other.ask(&gateway, &url).await;
    assert_eq!((told.status.as_str(), told.code().as_str()), ("503", "identity-unavailable"), "{told:?}");
    let begun = Instant::now();
    while pod.ask(&gateway, &url).await.code() != "identity-unavailable" {
        assert!(begun.elapsed() < LONGEST, "it is let out for ever");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let reached = outside.origin.seen().len();
    // By now nobody is known any more, whether or not his token was reviewed.
    tokio::time::sleep(LONGEST.saturating_sub(begun.elapsed())).await;
    assert_eq!(pod.ask(&gateway, &url).await.status, "503");
    assert_eq!(gateway.probe("/readyz").await.0, "503");
    assert_eq!(outside.origin.seen().len(), reached);

    wire.mend();
    let begun = Instant::now();
    while pod.ask(&gateway, &url).await.status != "200" {
        assert!(begun.elapsed() < LONGEST, "it does not recover");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    gateway.stop().await;
    scene.close().await;
}
