//! `sigs.k8s.io/agent-sandbox/clients/go/sandbox`.

use crate::lab::Lab;

#[tokio::test(flavor = "multi_thread")]
async fn the_client_works() {
    let Some(lab) = Lab::start().await else { return };
    let Some(command) = lab.go() else { return };
    let ran = lab.passes(command).await;
    assert!(ran.stdout.ends_with("all done\n"), "{}", ran.stdout);
}
