//! `tests/cluster/bad/`: objects that are wrong, as somebody applies them by kubectl.

use std::path::Path;

use exeat_tests::{find, run, skip};
use tokio::process::Command;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn each_is_refused_and_told_which_field_is_wrong() {
    let Some(scene) = Scene::open("bad").await else { return };
    let Some(kubectl) = find("kubectl") else {
        skip("kubectl");
        return scene.close().await;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/bad");
    let mut wrong = Vec::new();
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let field = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).unwrap();
        let mut create = Command::new(&kubectl);
        create.env("KUBECONFIG", std::env::var_os("EXEAT_CLUSTER").unwrap());
        create.args(["create", "--dry-run=server", "--namespace", &scene.namespace, "--filename"]).arg(&file);
        let ran = run(&mut create).await;
        tried += 1;
        if ran.code == 0 || !ran.stderr.contains(field) {
            wrong.push(format!("{}: {field} is not named: {}{}", file.display(), ran.stdout, ran.stderr));
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 50, "{tried}");
    scene.close().await;
}
