//! A connection that is lost, as by every snapshot, and comes again.

use exeat_inside::client::Error;

use crate::scene::{Scene, appears, shell, soon, until};

#[tokio::test]
async fn processes_outlive_the_connection() {
    let mut scene = Scene::new().await;
    let script =
        "echo before; while [ ! -e go ]; do sleep 0.02; done; head -c 1000000 /dev/zero; echo after > after; exit 6";
    let mut process = soon(scene.inside.start(&shell(script))).await.unwrap();
    until(&mut process, "before").await;
    let id = process.id();
    let waiting = shell("while [ ! -e after ]; do sleep 0.02; done; exit 8");
    let execute = scene.inside.clone();
    let execute = tokio::spawn(async move { execute.execute(&waiting).await });
    soon(async {
        while scene
            .inside
            .processes()
            .await
            .unwrap()
            .running
            .iter()
            .filter(|one| one.command.contains("sleep 0.02"))
            .count()
            < 2
        {}
    })
    .await;

    scene.reconnect().await;
    assert!(matches!(soon(execute).await.unwrap(), Err(Error::Lost(_))));
    drop(process);
    std::fs::write(scene.root().join("go"), "").unwrap();
    assert_eq!(appears(&scene.root().join("after")).await, "after\n", "it writes though nobody reads");
    assert_eq!(crate::processes::ended(&scene, id).await, 6);
    soon(async { while !scene.inside.processes().await.unwrap().ended.iter().any(|ended| ended.exit_code == 8) {} })
        .await;
}

#[tokio::test]
async fn it_comes_again_and_again() {
    let mut scene = Scene::new().await;
    for _ in 0..5 {
        scene.reconnect().await;
        assert_eq!(scene.sh("exit 3").await.exit_code, 3);
    }
}

#[tokio::test]
async fn what_is_under_way_when_it_is_lost_says_so() {
    let mut scene = Scene::new().await;
    let mut process = soon(scene.inside.start(&shell("sleep 1000"))).await.unwrap();
    scene.reconnect().await;
    assert!(matches!(soon(process.next()).await, Err(Error::Lost(_))));
    assert!(matches!(soon(process.signal(9)).await, Err(Error::Lost(_))));
}
