//! The index holds no truth: without it, and with a damaged one, every answer is the same.

use std::fs;
use std::path::{Path, PathBuf};

use exeat_tests::{Ask, Scenario, Way};

const QUESTIONS: [&[&str]; 4] = [
    &["audit", "list", "--output", "json", "--limit", "100000"],
    &["audit", "list", "--output", "json", "--decision", "refused"],
    &["audit", "list", "--output", "json", "--action", "http:", "--limit", "7"],
    &["audit", "list", "--session", "ci"],
];

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_deleted_or_damaged_changes_no_answer() {
    let mut scenario = Scenario::usual().start().await;
    ask_around(&scenario).await;
    let running = answers(&scenario).await;
    assert!(running[0].lines().count() > 40 && running[1].lines().count() > 10, "{running:#?}");
    assert_eq!(answers(&scenario).await, running, "asked twice, with the gateway running");
    scenario.kill().await;
    // The session's end is not recorded by a killed gateway, so the journal stays as it was.
    let expected = answers(&scenario).await;
    assert_eq!(expected, running);

    let index = scenario.state().join("index");
    assert!(!files(&index).is_empty(), "there is an index");
    fs::remove_dir_all(&index).unwrap();
    assert_eq!(answers(&scenario).await, expected, "without an index");
    for file in files(&index) {
        damage(&file, |bytes| bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55));
        assert_eq!(answers(&scenario).await, expected, "flipped bytes in {}", file.display());
    }
    for file in files(&index) {
        damage(&file, |bytes| bytes.truncate(bytes.len() / 2));
        assert_eq!(answers(&scenario).await, expected, "half of {}", file.display());
    }
    fs::remove_dir_all(&index).unwrap();
    fs::write(&index, "not a folder").unwrap();
    assert_eq!(answers(&scenario).await, expected, "a file in the index's place");
}

async fn ask_around(scenario: &Scenario) {
    for way in Way::all() {
        for path in ["/a", "/b?c=d", "/e/../f"] {
            way.send(scenario, &Ask::get("api.example.com", path)).await;
        }
        way.send(scenario, &Ask::of("DELETE", "forbidden.example.net", "/x")).await;
    }
}

async fn answers(scenario: &Scenario) -> Vec<String> {
    let mut answers = Vec::new();
    for question in QUESTIONS {
        let ran = scenario.exeat(question).await;
        assert_eq!(ran.code, 0, "{question:?}: {}", ran.stderr);
        answers.push(ran.stdout);
    }
    answers
}

fn damage(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let Ok(mut bytes) = fs::read(file) else { return };
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
