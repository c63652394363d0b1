//! D8, F5: what is written is bounded, well-formed and without secrets.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exeat_tests::{Ask, CREDENTIAL, Scenario, TOKEN, Way};
use serde_json::Value;

const HOST: &str = "api.example.com";

/// Everything is asked, by every way, at the most talkative log level; then every file is searched.
pub(crate) async fn no_secret_is_written_anywhere() {
    let mut scenario = Scenario::usual().credential(HOST, "http:*").start().await;
    for way in Way::all() {
        way.send(&scenario, &Ask::get(HOST, "/a")).await;
        way.send(&scenario, &Ask::of("POST", HOST, "/a").body("x")).await;
        way.send(&scenario, &Ask::get("forbidden.example.net", "/a")).await;
        way.send(&scenario, &Ask::get(HOST, "/a/../b")).await;
        way.send(&scenario, &Ask::get("127.0.0.1", "/")).await;
    }
    assert!(scenario.seen(HOST).iter().any(|seen| seen.header("authorization").is_some()), "the credential was used");
    let mut printed = String::new();
    for arguments in [&["audit", "list"][..], &["audit", "list", "--output", "json"], &["audit", "verify"]] {
        let ran = scenario.exeat(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        printed += &ran.said();
    }
    let key = std::fs::read_to_string(scenario.state().join("ca/ca.key")).unwrap();
    scenario.stop().await;

    let mut canaries = vec![("the CA's key", key.lines().nth(1).unwrap().as_bytes().to_vec())];
    for (name, secret) in [("the credential", CREDENTIAL), ("the session's token", TOKEN)] {
        canaries.push((name, secret.into()));
        canaries.push((name, STANDARD.encode(format!("ci:{secret}")).into()));
        canaries.push((name, STANDARD.encode(secret).trim_end_matches('=').into()));
        canaries.push((name, hex::encode(secret).into()));
    }
    let files = files(scenario.state());
    let of = |part: &str| files.iter().filter(|file| file.to_string_lossy().contains(part)).count();
    assert!(of("/journal/") > 0 && of("/index/") > 0, "{files:#?}");
    let searched = files.iter().filter(|file| !file.ends_with("ca/ca.key"));
    for file in searched.chain([&scenario.path("gateway.log")]) {
        assert_clean(&file.display().to_string(), &std::fs::read(file).unwrap(), &canaries);
    }
    assert_clean("what `exeat audit` prints", printed.as_bytes(), &canaries);
    let configured = std::fs::read_to_string(scenario.path("exeat.toml")).unwrap();
    assert!(!configured.contains(CREDENTIAL), "the test itself would be wrong");
}

fn assert_clean(place: &str, bytes: &[u8], canaries: &[(&str, Vec<u8>)]) {
    for (name, canary) in canaries {
        let found = bytes.windows(canary.len()).any(|window| window == canary);
        assert!(!found, "{name} is in {place}, as `{}`", String::from_utf8_lossy(canary));
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let nested = entries.map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    nested.flatten().filter(|path| path.metadata().is_ok_and(|about| about.is_file())).collect()
}

/// Newlines, escape sequences, bytes that are no text, and far too much of it.
pub(crate) async fn whatever_a_client_writes_is_one_bounded_record() {
    let scenario = Scenario::usual().start().await;
    let long = "a".repeat(12_000);
    let before = scenario.records().len();
    let mut sent = 0;
    for way in Way::http1() {
        let asks = [
            Ask::get(HOST, "/%0a%1b[2J"),
            Ask::get(HOST, "/?x=%0a%1b%5b2J%00"),
            Ask::get(HOST, &format!("/{long}")),
            Ask::get(HOST, &format!("/?{long}")),
            Ask::get(HOST, "/").header("User-Agent", &long),
            Ask::get(HOST, "/").header("User-Agent", "\u{80}\u{9b}31m \"quoted\" \\n {\"type\":\"intent\"}"),
            Ask::get("forbidden.example.net", &format!("/?token={CREDENTIAL}&x={long}")),
            Ask::of(&"M".repeat(2_000), HOST, "/"),
        ];
        for ask in asks {
            way.send(&scenario, &ask).await;
            sent += 1;
        }
    }
    let records = scenario.records();
    let requests = records[before..].iter().filter(|record| record["type"] == "intent" || record["type"] == "refusal");
    assert_eq!(requests.count(), sent, "one record for each request");
    let ran = scenario.exeat(&["audit", "list", "--output", "json", "--limit", "100000"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for line in ran.stdout.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(entry["record"]["sequence"].is_u64());
        assert!(line.len() < 16 * 1024, "a record of {} bytes", line.len());
    }
    let table = scenario.exeat(&["audit", "list", "--limit", "100000"]).await;
    let unprintable = |c: char| c.is_control() && c != '\n';
    assert!(!table.stdout.contains(unprintable), "{:?}", table.stdout.lines().find(|line| line.contains(unprintable)));
    assert!(!ran.stdout.contains(CREDENTIAL), "a secret parameter is not recorded");
    assert_eq!(scenario.exeat(&["audit", "verify"]).await.code, 0);
}
