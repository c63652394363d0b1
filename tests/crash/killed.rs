//! `kill -9` under load, again and again on one state: what anybody was told, or did, is in the journal.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use exeat_tests::{Ask, Scenario, Way};
use nix::sys::signal::Signal;
use serde_json::Value;

const HOST: &str = "api.example.com";
const FORBIDDEN: &str = "forbidden.example.net";
const SEED: u64 = 0x5eed_e8ea;
const ROUNDS: usize = 8;

/// What one client was told: the path, the status, and whether the response came to its end.
type Told = (String, u16, bool);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_or_answered_before_a_kill_is_in_the_journal() {
    println!("seed {SEED:#x}");
    let mut random = SEED;
    let mut scenario = Scenario::usual().start().await;
    let mut told = Vec::new();
    for round in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let shared = Arc::new(scenario);
        let clients: Vec<_> = Way::all()
            .enumerate()
            .map(|(at, way)| tokio::spawn(client(Arc::clone(&shared), way, format!("/{round}/{at}"))))
            .collect();
        // Not a wait for something: the moment of the crash is what is random.
        tokio::time::sleep(Duration::from_millis(40 + (random >> 33) % 400)).await;
        shared.signal(Signal::SIGKILL);
        for client in clients {
            told.extend(client.await.unwrap());
        }
        scenario = Arc::into_inner(shared).unwrap();
        scenario.restart().await;
        let verified = scenario.exeat(&["audit", "verify"]).await;
        assert_eq!(verified.code, 0, "round {round}: {}", verified.said());
        compare(&scenario, &told, round);
    }
    assert!(told.iter().filter(|(_, status, _)| *status == 200).count() > ROUNDS, "there was a load: {told:?}");
}

/// Asks for paths of its own, by turns one that may leave and one that may not, until the gateway is gone.
async fn client(scenario: Arc<Scenario>, way: Way, prefix: String) -> Vec<Told> {
    let mut told = Vec::new();
    for n in 0.. {
        let path = format!("{prefix}/{n}");
        let host = if n % 3 == 2 { FORBIDDEN } else { HOST };
        let answer = way.send(&scenario, &Ask::get(host, &path)).await;
        let Some(status) = answer.status else { break };
        told.push((path, status, answer.complete));
    }
    told
}

fn compare(scenario: &Scenario, told: &[Told], round: usize) {
    let path = |record: &Value| record["request"]["path"].as_str().unwrap_or_default().to_owned();
    let intents: HashSet<String> = scenario.intents().iter().map(path).collect();
    let refusals: HashSet<String> = scenario.refusals().iter().map(path).collect();
    for seen in scenario.seen(HOST) {
        assert!(intents.contains(&seen.target), "round {round}: the origin saw {seen:?}, and there is no intent");
    }
    for (path, status, _) in told {
        let known = if *status == 200 { &intents } else { &refusals };
        assert!(known.contains(path), "round {round}: a client was told {status} for {path}, and it is not recorded");
    }
    assert_eq!(scenario.connections(FORBIDDEN), 0);
    // An intent without an outcome reads "unknown"; one with an outcome was answered or failed.
    let records = scenario.records();
    let intents: HashMap<u64, String> =
        scenario.intents().iter().map(|intent| (intent["sequence"].as_u64().unwrap(), path(intent))).collect();
    let outcomes = records.iter().filter(|record| record["type"] == "outcome");
    let finished: HashSet<&str> = outcomes
        .map(|outcome| {
            let intent = intents.get(&outcome["intent"].as_u64().unwrap());
            intent.unwrap_or_else(|| panic!("an outcome of nothing: {outcome}")).as_str()
        })
        .collect();
    // The outcome of the last responses may be lost, and then reads "unknown".
    let prefix = format!("/{round}/");
    let ended = told.iter().filter(|(path, status, complete)| *status == 200 && *complete && path.starts_with(&prefix));
    let (known, unknown): (Vec<_>, Vec<_>) = ended.partition(|(path, ..)| finished.contains(path.as_str()));
    println!("round {round}: {} responses with an outcome, {} without", known.len(), unknown.len());
}
