//! What happens without anybody asking: sleep, snapshots, the end of memory, the end of a machine.

use exeat_tests::{Scenario, is_root, left_over, runsc, skip, text};

use crate::{boxed, done, end, json, sandbox, script, until};

const POLICIES: &str = r#"
@id("test/write")
permit (principal, action == Http::Action::"write", resource in Exeat::Domain::"api.example.com");
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_sandbox_falls_asleep_and_a_command_wakes_it() {
    let Some(scenario) = boxed().await else { return };
    done(&scenario, &["create", "sleeper", "--idle", "1s"]).await;
    done(&scenario, &["exec", "sleeper", "--", "sh", "-c", "echo here > /tmp/in-memory"]).await;
    until(&scenario, &["show", "sleeper"], |shown| shown[0]["state"] == "paused").await;
    assert_eq!(done(&scenario, &["exec", "sleeper", "--", "cat", "/tmp/in-memory"]).await, "here\n");
    // Who works in it keeps it awake.
    done(&scenario, &["exec", "sleeper", "--", "sleep", "3"]).await;
    assert_eq!(json(&scenario, &["show", "box"]).await[0]["state"], "running");
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_taken_when_they_are_due() {
    let Some(scenario) = boxed().await else { return };
    done(&scenario, &["create", "kept", "--snapshot-every", "1s"]).await;
    until(&scenario, &["snapshots"], |all| all.iter().filter(|one| one["cause"] == "scheduled").count() >= 2).await;
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_precedes_what_cannot_be_taken_back_and_a_rollback_says_what_it_does_not_undo() {
    if runsc().is_none() {
        return skip("runsc");
    }
    let scenario = Scenario::with_policies(POLICIES).origin("api.example.com", text("done")).start().await;
    done(&scenario, &["create", "box", "--snapshot-before", "mutate"]).await;
    script(&scenario, "echo before > /workspace/file").await;
    let manual = json(&scenario, &["snapshot", "box"]).await.remove(0);
    let posted = script(&scenario, "echo after > /workspace/file; curl -sS -d x https://api.example.com/things").await;
    assert_eq!(posted, "done");

    let taken = json(&scenario, &["snapshots"]).await;
    let before = taken.iter().find(|one| one["cause"]["before"] == "http:write").expect("no snapshot was taken");
    assert_eq!(before["kind"], "disk");
    let rolled_back = sandbox(&scenario, &["rollback", "box", manual["id"].as_str().unwrap()]).await;
    assert!(rolled_back.code == 0 && rolled_back.said().contains("1 http:write"), "{}", rolled_back.said());
    assert_eq!(script(&scenario, "cat /workspace/file").await, "before\n");
    assert_eq!(scenario.seen("api.example.com").len(), 1);
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_memory_is_told_as_such_and_leaves_the_disk() {
    let Some(scenario) = boxed().await else { return };
    if !is_root() {
        end(&scenario).await;
        return skip("root, to limit memory");
    }
    done(&scenario, &["create", "small", "--memory", "300M"]).await;
    done(&scenario, &["exec", "small", "--", "sh", "-c", "echo kept > /workspace/file && sync"]).await;
    let greedy = sandbox(&scenario, &["exec", "small", "--", "python3", "-c", "bytearray(10**9)"]).await;
    assert_ne!(greedy.code, 0);
    until(&scenario, &["show", "small"], |shown| shown[0]["state"] == "out-of-memory").await;
    assert_eq!(done(&scenario, &["exec", "small", "--", "cat", "/workspace/file"]).await, "kept\n");
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_of_the_machine_the_disk_is_there() {
    let Some(mut scenario) = boxed().await else { return };
    script(&scenario, "echo kept > /workspace/file && sync").await;
    scenario.kill().await;
    scenario.end_sandboxes();
    scenario.restart().await;
    assert_eq!(json(&scenario, &["show", "box"]).await[0]["state"], "stopped");
    assert_eq!(script(&scenario, "cat /workspace/file").await, "kept\n");
    end(&scenario).await;
    scenario.stop().await;
    assert_eq!(left_over(&scenario), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_in_a_pool_has_no_way_out_before_it_is_claimed() {
    if runsc().is_none() {
        return skip("runsc");
    }
    let mut scenario = Scenario::usual().config("[[pool]]\nname = \"warm\"\nreplicas = 1\n").start().await;
    let running = |all: &[serde_json::Value]| all.iter().any(|one| one["state"] == "running" && one["pool"] == "warm");
    until(&scenario, &["list", "--all"], running).await;
    let waiting = json(&scenario, &["list", "--all"]).await.remove(0);
    let id = waiting["id"].as_str().unwrap().to_owned();
    let door = scenario.state().join("sb").join(&id).join("0/g/gateway.sock");
    assert!(!door.exists(), "the gateway listens for a sandbox that is nobody's");
    let claimed = json(&scenario, &["create", "--pool", "warm"]).await.remove(0);
    assert_eq!(claimed["id"], id.as_str());
    assert!(door.exists());
    let name = claimed["name"].as_str().unwrap();
    assert_eq!(done(&scenario, &["exec", name, "--", "curl", "-sS", "https://api.example.com/"]).await, "hello");
    done(&scenario, &["delete", name]).await;
    // In order, so that the pool ends too.
    scenario.stop().await;
    assert_eq!(left_over(&scenario), Vec::<String>::new());
}
