//! `kubectl exeat`: the same program, under the name by which kubectl looks for it.

use std::os::unix::fs::symlink;
use std::process::Stdio;

use exeat_tests::{PATIENCE, exeat, run};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::cluster::Cluster;

#[tokio::test]
async fn kubectl_finds_it_and_it_finds_the_cluster() {
    let Some(cluster) = Cluster::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    symlink(exeat(), folder.path().join("kubectl-exeat")).unwrap();
    let folders = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(&folders));
    let path = std::env::join_paths(folders).unwrap();
    let kubectl = |arguments: &[&str]| -> Command {
        let mut command = cluster.command(arguments);
        command.env("PATH", &path);
        command
    };

    let listed = run(&mut kubectl(&["plugin", "list"])).await;
    assert!(listed.stdout.contains("/kubectl-exeat"), "{}{}", listed.stdout, listed.stderr);
    let help = run(&mut kubectl(&["exeat", "policy", "check", "--help"])).await;
    assert!(help.stdout.contains("Usage: kubectl exeat policy check"), "{}{}", help.stdout, help.stderr);
    let wrong = run(&mut kubectl(&["exeat", "polcy"])).await;
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("Usage: kubectl exeat"), "{}", wrong.stderr);

    // One that asks the cluster which kubectl was told of.
    let mut router = kubectl(&["exeat", "router", "--listen", "127.0.0.1:0", "--output", "json"]);
    let mut router = router.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(router.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(line.contains("\"ready\":true"), "{line}");
    router.kill().await.unwrap();
}
