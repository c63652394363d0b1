//! What a sandbox holds through pauses, snapshots, forks, and the gateway's own end.

use exeat_tests::Scenario;
use serde_json::Value;

use crate::{boxed, done, end, json, sandbox, script};

/// Counts in memory, and writes where it is.
const COUNTER: &str = "nohup python3 -c '
import os, time
n = 0
while True:
    n += 1
    with open(\"/workspace/new\", \"w\") as f: f.write(f\"{os.getpid()} {n}\")
    os.rename(\"/workspace/new\", \"/workspace/count\")
    time.sleep(0.01)
' >/dev/null 2>&1 &
until [ -e /workspace/count ]; do sleep 0.05; done";

/// The counting process and where it is.
async fn count(scenario: &Scenario) -> (String, u64) {
    let text = script(scenario, "cat /workspace/count").await;
    let (pid, count) = text.split_once(' ').unwrap();
    (pid.to_owned(), count.parse().unwrap())
}

/// It counts on: the same process, from where it was.
async fn goes_on(scenario: &Scenario, before: &(String, u64)) {
    let waits = format!("until [ \"$(cut -d' ' -f2 /workspace/count)\" -gt {} ]; do sleep 0.05; done", before.1 + 20);
    script(scenario, &waits).await;
    assert_eq!(count(scenario).await.0, before.0, "another process counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_counts_on_through_everything() {
    let Some(mut scenario) = boxed().await else { return };
    script(&scenario, COUNTER).await;

    let before = count(&scenario).await;
    done(&scenario, &["pause", "box"]).await;
    assert_eq!(json(&scenario, &["show", "box"]).await[0]["state"], "paused");
    done(&scenario, &["resume", "box"]).await;
    goes_on(&scenario, &before).await;

    // A command wakes it as well.
    done(&scenario, &["pause", "box"]).await;
    let before = count(&scenario).await;
    goes_on(&scenario, &before).await;

    scenario.stop().await;
    scenario.restart().await;
    goes_on(&scenario, &before).await;
    scenario.kill().await;
    scenario.restart().await;
    goes_on(&scenario, &before).await;
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_can_be_gone_back_to_forked_and_compared() {
    let Some(scenario) = boxed().await else { return };
    script(&scenario, COUNTER).await;
    script(&scenario, "echo one > /workspace/file").await;
    let snapshot = json(&scenario, &["snapshot", "box", "--label", "one"]).await.remove(0);
    let id = snapshot["id"].as_str().unwrap();
    assert_eq!((snapshot["kind"].as_str(), snapshot["label"].as_str()), (Some("live"), Some("one")));
    let before = count(&scenario).await;
    script(&scenario, "echo two > /workspace/file").await;

    let text = done(&scenario, &["diff", id, "box"]).await;
    assert!(text.contains("/workspace/file") && text.contains("-one") && text.contains("+two"), "{text}");
    done(&scenario, &["fork", id, "--count", "2", "--name", "try"]).await;
    for name in ["try-1", "try-2"] {
        assert_eq!(done(&scenario, &["exec", name, "--", "cat", "/workspace/file"]).await, "one\n");
    }
    done(&scenario, &["rollback", "box", id]).await;
    assert_eq!(script(&scenario, "cat /workspace/file").await, "one\n");
    goes_on(&scenario, &before).await;

    let acts: Vec<Value> = json(&scenario, &["history", "box"]).await;
    let acts: Vec<&str> = acts.iter().filter_map(|happening| happening["act"].as_str()).collect();
    assert!(["create", "exec", "snapshot", "rollback"].iter().all(|act| acts.contains(act)), "{acts:?}");
    end(&scenario).await;
    assert!(json(&scenario, &["snapshots"]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_snapshot_boots() {
    let Some(scenario) = boxed().await else { return };
    script(&scenario, &format!("{COUNTER}; echo kept > /workspace/file")).await;
    let snapshot = json(&scenario, &["snapshot", "box", "--disk"]).await.remove(0);
    done(&scenario, &["rollback", "box", snapshot["id"].as_str().unwrap()]).await;
    assert_eq!(script(&scenario, "cat /workspace/file").await, "kept\n");
    let python = sandbox(&scenario, &["exec", "box", "--", "pgrep", "python3"]).await;
    assert_eq!((python.code, python.stdout.as_str()), (1, ""), "{}", python.said());
    end(&scenario).await;
}
