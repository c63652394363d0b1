//! What cannot be done is said, and the sandbox is as it was.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use exeat_tests::{Disk, Scenario, is_root, runsc, skip};

use crate::{boxed, done, end, json, sandbox, script};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_memory_is_refused_and_its_disk_still_serves() {
    let Some(scenario) = boxed().await else { return };
    script(&scenario, "echo one > /workspace/file").await;
    let snapshot = json(&scenario, &["snapshot", "box"]).await.remove(0);
    let id = snapshot["id"].as_str().unwrap();
    script(&scenario, "echo two > /workspace/file").await;
    let memory = |file: &str| -> PathBuf { scenario.state().join("memory").join(id).join(file) };

    let manifest = fs::read_to_string(memory("manifest.json")).unwrap();
    fs::write(memory("manifest.json"), manifest.replace("runsc version", "another version")).unwrap();
    let foreign = sandbox(&scenario, &["rollback", "box", id]).await;
    assert!(foreign.code != 0 && foreign.said().contains("was made by runsc"), "{}", foreign.said());
    fs::write(memory("manifest.json"), manifest).unwrap();

    let mut pages = fs::read(memory("pages.img")).unwrap();
    let middle = pages.len() / 2;
    pages[middle] ^= 1;
    fs::write(memory("pages.img"), pages).unwrap();
    let damaged = sandbox(&scenario, &["rollback", "box", id]).await;
    assert!(damaged.code != 0 && damaged.said().contains("is damaged"), "{}", damaged.said());
    assert_eq!(script(&scenario, "cat /workspace/file").await, "two\n");

    done(&scenario, &["rollback", "box", id, "--disk"]).await;
    assert_eq!(script(&scenario, "cat /workspace/file").await, "one\n");
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_in_the_middle_of_a_snapshot_leaves_the_sandbox_as_it_was() {
    if runsc().is_none() || !is_root() {
        return skip("runsc and root, to mount a small disk");
    }
    let disk = Disk::new("96m");
    let mut scenario = Scenario::usual().state(&disk.path().join("state")).start().await;
    done(&scenario, &["create", "box"]).await;
    script(&scenario, "echo kept > /workspace/file; echo here > /tmp/in-memory").await;
    script(&scenario, "head -c 20000000 /dev/urandom > /dev/shm/ballast").await;
    let filler = disk.fill();
    // Room for a record of the journal, not for the memory.
    let length = fs::metadata(&filler).unwrap().len() - 4_000_000;
    fs::OpenOptions::new().write(true).open(&filler).unwrap().set_len(length).unwrap();
    let refused = sandbox(&scenario, &["snapshot", "box"]).await;
    assert!(refused.code != 0 && refused.said().contains("space"), "{}", refused.said());
    assert_eq!(script(&scenario, "cat /workspace/file /tmp/in-memory").await, "kept\nhere\n");
    fs::remove_file(filler).unwrap();
    done(&scenario, &["snapshot", "box"]).await;
    end(&scenario).await;
    scenario.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_sandbox_can_be_is_refused_before_anything_is_made() {
    let Some(scenario) = boxed().await else { return };
    for (arguments, said) in [
        (&["create", "Box"][..], "is not a name"),
        (&["create", "x", "--profile", "../x"], "cannot be a profile"),
        (&["create", "x", "--workspace", "/"], "choose a folder below it"),
        (&["create", "x", "--snapshot-before", "everything"], "is no group of actions"),
        (&["create", "x", "--image", "no-registry"], "it names no registry"),
        (&["create", "x", "--image", "docker-archive:/nowhere.tar"], "nowhere.tar"),
        (&["create", "x", "--from", "snap-000000000000"], "there is no snapshot"),
        (&["create", "--pool", "none"], "there is no pool"),
    ] {
        let refused = sandbox(&scenario, arguments).await;
        assert!(refused.code != 0 && refused.said().contains(said), "{arguments:?}: {}", refused.said());
    }
    assert_eq!(json(&scenario, &["list", "--all"]).await.len(), 1);
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_delete_it_at_once_one_does_and_the_others_are_told() {
    let Some(scenario) = boxed().await else { return };
    for _ in 0..4 {
        let mut delete = || {
            let mut command = scenario.command(&["sandbox", "delete", "box"]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let all: Vec<_> = std::iter::repeat_with(&mut delete).take(12).collect();
        let mut deleted = 0;
        for one in all {
            let ended = one.wait_with_output().await.unwrap();
            let said = String::from_utf8_lossy(&ended.stderr);
            let is_told = said.contains("there is no sandbox") || said.contains("has not ended yet");
            assert!(ended.status.success() || is_told, "{said}");
            deleted += usize::from(ended.status.success());
        }
        assert_eq!(deleted, 1);
        done(&scenario, &["create", "box"]).await;
    }
    end(&scenario).await;
}
