//! `k8s-agent-sandbox` of PyPI: what its users do, and the errors that they catch.

use crate::lab::Lab;

async fn passes(script: &str) {
    let Some(lab) = Lab::start().await else { return };
    let Some(command) = lab.python(script) else { return };
    let ran = lab.passes(command).await;
    assert!(ran.stdout.ends_with("all done\n"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_works() {
    passes("client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_for_asyncio_works() {
    passes("async_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_work() {
    passes("snapshots.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_connectors_to_a_pods_address_work() {
    passes("addresses.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_and_servers_in_the_sandbox_are_reached_through_the_router() {
    passes("ports.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_errors_are_the_ones_that_it_documents() {
    passes("errors.py").await;
}

/// Acknowledged means on the disk: what a client was told is so after a crash.
#[tokio::test(flavor = "multi_thread")]
async fn claims_and_sandboxes_outlive_a_crash() {
    let Some(mut lab) = Lab::start().await else { return };
    let Some(mut command) = lab.python("crash.py") else { return };
    command.arg("before");
    let name = lab.passes(command).await.stdout;
    lab.scenario.kill().await;
    lab.scenario.restart().await;
    let Some(mut command) = lab.python("crash.py") else { return };
    command.args(["after", name.trim()]);
    lab.passes(command).await;
}
