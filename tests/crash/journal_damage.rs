//! F6 by the front door: a journal that was changed is named, not used; one that was cut off in a write goes on.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use exeat_tests::{Ask, Ran, Scenario, Way, of_type};

const SEGMENT: &str = "00000000000000000001.seg";
const HEADER: usize = 64;
const FRAME: usize = 52;

/// A journal of some requests, whose gateway was stopped in order.
async fn stopped() -> Scenario {
    let mut scenario = Scenario::usual().start().await;
    for n in 0..10 {
        let answer = Way::usual().send(&scenario, &Ask::get("api.example.com", &format!("/{n}"))).await;
        assert_eq!(answer.status, Some(200));
    }
    scenario.stop().await;
    scenario
}

fn segment(scenario: &Scenario) -> PathBuf {
    scenario.state().join("journal").join(SEGMENT)
}

/// Where each record begins, and where the last one ends (FORMAT.md).
fn records(bytes: &[u8]) -> Vec<usize> {
    let mut places = vec![HEADER];
    loop {
        let at = places[places.len() - 1];
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if length == 0 {
            return places;
        }
        places.push(at + FRAME + length);
    }
}

/// `exeat up`, which must refuse to start.
async fn up(scenario: &Scenario) -> Ran {
    let refused = tokio::time::timeout(Duration::from_secs(30), scenario.exeat(&["up"])).await;
    refused.expect("the gateway started on a damaged journal")
}

async fn assert_named(scenario: &Scenario, record: usize) {
    let before = fs::read(segment(scenario)).unwrap();
    let refused = up(scenario).await;
    assert_eq!(refused.code, 1, "{}", refused.said());
    let said = refused.said();
    for words in [SEGMENT, &format!("record {record} should be"), "nothing was changed", "exeat audit verify"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    assert_eq!(fs::read(segment(scenario)).unwrap(), before, "a damaged journal is not touched");
    let verified = scenario.exeat(&["audit", "verify"]).await;
    assert_eq!(verified.code, 1, "{}", verified.said());
    assert!(verified.stdout.contains(&format!("DAMAGED: record {record} in {SEGMENT}")), "{}", verified.stdout);
    let json = scenario.exeat(&["audit", "verify", "--output", "json"]).await;
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, report["bad"]["sequence"].as_u64()), (1, Some(record as u64)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_the_middle_is_named() {
    let scenario = stopped().await;
    let whole = fs::read(segment(&scenario)).unwrap();
    let places = records(&whole);
    let middle = places.len() / 2;
    // In the length, the checksum, the number, the hash, and the payload of a record.
    for offset in [0, 5, 9, 30, FRAME + 10] {
        let mut bytes = whole.clone();
        bytes[places[middle] + offset] ^= 1;
        fs::write(segment(&scenario), bytes).unwrap();
        assert_named(&scenario, middle + 1).await;
    }
    fs::write(segment(&scenario), whole).unwrap();
    assert_eq!(scenario.exeat(&["audit", "verify"]).await.code, 0, "put back, it is whole again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_taken_out_or_moved_is_named() {
    let scenario = stopped().await;
    let whole = fs::read(segment(&scenario)).unwrap();
    let places = records(&whole);
    let middle = places.len() / 2;
    let (a, b, c) = (places[middle], places[middle + 1], places[middle + 2]);
    let without = [&whole[..a], &whole[b..], &vec![0; b - a]].concat();
    let swapped = [&whole[..a], &whole[b..c], &whole[a..b], &whole[c..]].concat();
    for bytes in [without, swapped] {
        fs::write(segment(&scenario), bytes).unwrap();
        assert_named(&scenario, middle + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_is_set_aside_and_said() {
    let mut scenario = stopped().await;
    let mut bytes = fs::read(segment(&scenario)).unwrap();
    let places = records(&bytes);
    let (begin, end) = (places[places.len() - 2], places[places.len() - 1]);
    let torn = bytes[begin..end - 20].to_vec();
    bytes[end - 20..end].fill(0);
    fs::write(segment(&scenario), bytes).unwrap();
    let verified = scenario.exeat(&["audit", "verify"]).await;
    assert_eq!(verified.code, 1, "before it is opened, the verifier reports it: {}", verified.said());

    scenario.restart().await;
    let recovered = of_type(&scenario.records(), "recovered");
    assert_eq!(recovered.len(), 1, "{recovered:?}");
    let file = scenario.state().join("journal").join(recovered[0]["file"].as_str().unwrap());
    assert!(fs::read(&file).unwrap().starts_with(&torn[..torn.len() - 20]), "the bytes are kept in {}", file.display());
    assert!(recovered[0]["set_aside_bytes"].as_u64().unwrap() >= torn.len() as u64 - 20, "{recovered:?}");
    assert_eq!(Way::usual().send(&scenario, &Ask::get("api.example.com", "/after")).await.status, Some(200));
    let verified = scenario.exeat(&["audit", "verify"]).await;
    assert_eq!(verified.code, 0, "{}", verified.said());
}
