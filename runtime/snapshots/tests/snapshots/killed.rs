//! A process that is killed while it takes snapshots leaves whole ones, and garbage that is collected.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use exeat_snapshots::Error;

use crate::made::{Workspace, files, noise, restore, store, take};

fn workspace(round: u64) -> Workspace {
    let small = (0..60).fold(Workspace::empty(), |workspace, number| {
        workspace.file(&format!("folder/{number}"), noise(number + 1, 3_000))
    });
    small.file("kept", noise(1_000, 2_000_000)).file("changed", noise(2_000 + round, 2_000_000))
}

/// As if what is there had been written long ago.
fn age(folder: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    for path in files(folder) {
        File::options().write(true).open(folder.join(path)).unwrap().set_modified(long_ago).unwrap();
    }
}

#[tokio::test]
async fn whatever_is_there_after_a_kill_is_whole() {
    let (mut told, mut unfinished) = (0, 0);
    for round in 0..14_u64 {
        let place = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed::child_takes_snapshots", "--exact", "--ignored", "--nocapture"])
            .env("EXEAT_SNAPSHOTS_PLACE", place.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("begin")));
        std::thread::sleep(Duration::from_millis(7 + round * round * 11));
        child.kill().unwrap();
        child.wait().unwrap();
        let said: BTreeSet<String> = lines.filter_map(|line| Some(line.split_once("took ")?.1.to_owned())).collect();
        told += said.len();

        let store = store(place.path()).await;
        let there = store.list(None).await.unwrap();
        let names: BTreeSet<_> = there.iter().map(|snapshot| snapshot.name.clone()).collect();
        assert!(said.is_subset(&names), "round {round}: {said:?} were taken, {names:?} are there");
        for snapshot in &there {
            let verified = store.verify(&snapshot.digest).await.unwrap();
            assert_eq!(verified.damage, Vec::new(), "round {round}: {}", snapshot.name);
            assert_eq!(Workspace::read(&restore(&store, &snapshot.digest).await).0.len(), 64);
        }

        // The dead one's claim holds for a while; when it has run out, what it left goes.
        if !files(&place.path().join("team-a/claims")).is_empty() {
            assert!(matches!(store.collect().await, Err(Error::Busy(_))));
            unfinished += 1;
        }
        age(place.path());
        store.collect().await.unwrap();
        assert!(files(&place.path().join(".work")).is_empty() && files(&place.path().join("team-a/claims")).is_empty());
        take(&store, "after", &workspace(round)).await;
        for snapshot in store.list(None).await.unwrap() {
            assert_eq!(store.verify(&snapshot.digest).await.unwrap().damage, Vec::new());
            store.delete(&snapshot.name).await.unwrap();
        }
        store.collect().await.unwrap();
        assert!(files(place.path()).is_empty(), "round {round}: {:?}", files(place.path()));
    }
    assert!(told > 0 && unfinished > 0, "{told} snapshots were told of, {unfinished} were cut off");
}

#[tokio::test]
#[ignore = "the child's part of the test above"]
async fn child_takes_snapshots() {
    let place = std::path::PathBuf::from(std::env::var_os("EXEAT_SNAPSHOTS_PLACE").unwrap());
    let store = store(&place).await;
    let archives: Vec<_> = (0..6).map(workspace).collect();
    println!("begin");
    for (workspace, number) in archives.iter().cycle().zip(0..1_000) {
        let snapshot = take(&store, &format!("s{number}"), workspace).await;
        println!("took {}", snapshot.name);
    }
}
