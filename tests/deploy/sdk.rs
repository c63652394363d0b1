//! Agent Sandbox's SDKs, unmodified, against an installation: by their default connection, which forwards a port to the router,
//! and by the router's address with a token. The programs are those of `tests/sdk`.

use exeat_tests::{go_sdk, python_sdk, run};
use tokio::process::Command;

use crate::helm::ROUTER;
use crate::installed::Installed;

/// `py-pool`, whose pods the gateway is the only way out of, under gVisor, with a volume that outlives the pod; `unkept`, the same
/// without a volume; and `plain`, whose pods nobody wires: they bring sandboxd themselves, and run where `kubectl port-forward`
/// gets to a pod.
const POOLS: &str = include_str!("pools.yaml");

/// An installation with all pools filled, which whoever forwards a port may enter.
async fn open() -> Option<Installed> {
    let own = format!("router.portForwardNamespaces[0]={}", Installed::namespace());
    let routers = format!("router.portForwardNamespaces[1]={ROUTER}");
    let installed = Installed::open(&["--set", &own, "--set", &routers]).await?;
    installed.here(&["apply", "-f", &written(&installed, POOLS)]).await;
    filled(&installed, &installed.namespace, &["py-pool", "plain", "unkept"]).await;
    Some(installed)
}

/// A file with pools, in a folder that goes with the installation.
fn written(installed: &Installed, pools: &str) -> String {
    let file = installed.folder.path().join("pools.yaml");
    std::fs::write(&file, pools.replace("IMAGE", &installed.image())).unwrap();
    file.to_str().unwrap().to_owned()
}

async fn filled(installed: &Installed, namespace: &str, pools: &[&str]) {
    for pool in pools {
        let (pool, ready) = (format!("sandboxwarmpool/{pool}"), "--for=jsonpath={.status.readyReplicas}=1");
        installed.cluster.must(&["wait", "-n", namespace, ready, "--timeout=90s", &pool]).await;
    }
}

/// Runs a client to its end, which must be a good one.
async fn passes(installed: &Installed, name: &str, namespace: &str, command: Option<Command>) {
    let Some(mut command) = command else { return };
    installed.say(name);
    let ran = run(command.env("NAMESPACE", namespace)).await;
    assert!(ran.code == 0 && ran.stdout.ends_with("all done\n"), "{name}: {}\n{}", ran.stdout, ran.stderr);
}

/// A client that is told where the router is, and whose token to show there.
fn told(command: Option<Command>, router: &str, token: &str) -> Option<Command> {
    let mut command = command?;
    command.env("ROUTER", router).env("TOKEN", token);
    Some(command)
}

#[tokio::test]
async fn pythons_works_by_the_connection_that_it_makes_by_itself() {
    let Some(installed) = open().await else { return };
    what_waits_is_shown(&installed).await;
    for script in ["client.py", "errors.py", "ports.py", "lives.py", "addresses.py", "snapshots.py"] {
        passes(&installed, script, &installed.namespace, python_sdk(script)).await;
    }
    // The client for asyncio forwards no port; it takes an address, and a token of somebody who may enter.
    let (router, token) = (installed.router().await, installed.token("user", "exeat-sandbox-user").await);
    let script = "async_client.py";
    passes(&installed, script, &installed.namespace, told(python_sdk(script), &router, &token)).await;
    installed.close().await;
}

/// What people see first.
async fn what_waits_is_shown(installed: &Installed) {
    let shown = installed.here(&["get", "sandboxes", "-o", "wide"]).await.stdout;
    let mut lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["NAME", "READY", "REASON", "MODE", "PROFILE", "OWNER", "NODE", "AGE"]);
    let wired = lines.find(|line| line.contains(&"py-pool")).unwrap();
    assert_eq!(wired[1..6], ["True", "DependenciesReady", "Running", "coder", "py-pool"], "{shown}");
    let shown = installed.here(&["get", "sandboxtemplates"]).await.stdout;
    assert!(shown.lines().any(|line| line.starts_with("py-pool") && line.contains("coder")), "{shown}");
}

/// Go's looks for the router's pods in the namespace of its claim, with Agent Sandbox's own router too.
#[tokio::test]
async fn gos_works_by_the_connection_that_it_makes_by_itself() {
    let Some(installed) = open().await else { return };
    let wired = POOLS.split("---\n").take(2).collect::<Vec<_>>().join("---\n");
    let pools = written(&installed, &wired);
    installed.cluster.must(&["apply", "-n", ROUTER, "-f", &pools]).await;
    filled(&installed, ROUTER, &["py-pool"]).await;
    passes(&installed, "go", ROUTER, go_sdk()).await;
    // In any other namespace it takes the address of a port that somebody forwards.
    let forwarded = installed.forward_router().await;
    passes(&installed, "go, by address", &installed.namespace, told(go_sdk(), &forwarded.address, "")).await;
    installed.cluster.must(&["delete", "-n", ROUTER, "-f", &pools]).await;
    installed.close().await;
}
