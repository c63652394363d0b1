//! The API server is gone for a while.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use exeat_tests::run;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::{Gateway, HOST, Outside, READ, claim, make, says, template};
use crate::scene::Scene;

/// How old what is known of the cluster may be (`CLUSTER_VIEW_AGE`), and some more for the last sign of life.
const LONGEST: Duration = Duration::from_secs(90);

/// A wire to the API server that can be cut.
struct Wire {
    cut: Arc<AtomicBool>,
    _carrying: JoinSet<()>,
}

impl Wire {
    /// Writes a kubeconfig that leads through it.
    async fn lay(kubeconfig: &PathBuf) -> Wire {
        let mut command = Command::new("kubectl");
        command.env("KUBECONFIG", std::env::var_os("EXEAT_CLUSTER").unwrap());
        let shown = run(command.args(["config", "view", "--raw", "--minify", "-o", "json"])).await;
        let mut config: Value = serde_json::from_str(&shown.stdout).unwrap();
        let cluster = &mut config["clusters"][0]["cluster"];
        let server =
            cluster["server"].as_str().unwrap().trim_start_matches("https://").trim_end_matches('/').to_owned();
        let there: SocketAddr = server.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        cluster["server"] = json!(format!("https://{}", listener.local_addr().unwrap()));
        cluster["tls-server-name"] = json!(there.ip().to_string());
        std::fs::write(kubeconfig, config.to_string()).unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        let (mut carrying, is_cut) = (JoinSet::new(), Arc::clone(&cut));
        carrying.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let is_cut = Arc::clone(&is_cut);
                open.spawn(async move {
                    let Ok(mut there) = TcpSocket::new_v4().unwrap().connect(there).await else { return };
                    let carry = tokio::io::copy_bidirectional(&mut here, &mut there);
                    let cut = async {
                        while !is_cut.load(Ordering::SeqCst) {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    };
                    tokio::select! { _ = carry => {}, () = cut => {} }
                });
            }
        });
        Wire { cut, _carrying: carrying }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_been_heard_of_for_a_minute_lets_nothing_out() {
    let Some(scene) = Scene::open("outage").await else { return };
    let Some(outside) = Outside::start().await else { return scene.close().await };
    let kubeconfig = outside.folder.path().join("kubeconfig");
    let wire = Wire::lay(&kubeconfig).await;
    make(&scene, "EgressPolicy", json!({ "spec": { "cedar": READ } }), "agents").await;
    let gateway = Gateway::start_with(&scene, &outside, "gateway", &kubeconfig).await;
    says(&scene, "EgressPolicy", "agents", "Accepted True Valid").await;
    scene.pool("pool", 0, template()).await;
    let pod = claim(&scene, "pool", "mine", json!({ "exeat.dev/profile": "coder" })).await;
    let other = claim(&scene, "pool", "other", json!({ "exeat.dev/profile": "coder" })).await;
    let url = format!("http://{HOST}/");
    assert_eq!(pod.ask(&gateway, &url).await.status, "200");

    wire.cut.store(true, Ordering::SeqCst);
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

    wire.cut.store(false, Ordering::SeqCst);
    let begun = Instant::now();
    while pod.ask(&gateway, &url).await.status != "200" {
        assert!(begun.elapsed() < LONGEST, "it does not recover");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    gateway.stop().await;
    scene.close().await;
}
