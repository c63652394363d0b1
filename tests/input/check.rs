//! A scenario that nobody has started, one mistake in it, and what `exeat` says.

use std::time::Duration;

use exeat_tests::{Ran, Scenario};

/// What is expected of a mistake.
pub(crate) struct Expected<'a> {
    /// The exit code: 1 failed, 2 wrong input.
    pub(crate) code: i32,
    /// What the message must hold: where it is, and what to do.
    pub(crate) says: &'a [&'a str],
}

/// Makes the mistake, runs `exeat`, and checks that nothing was started.
pub(crate) async fn check(what: &str, mistake: impl FnOnce(&Scenario), arguments: &[&str], expected: Expected<'_>) {
    let scenario = Scenario::usual().prepare().await;
    mistake(&scenario);
    let ran = exeat(&scenario, arguments).await;
    says(what, &ran, &expected);
    let left = ["state/control.sock", "state/journal", "state/ca"];
    for name in left {
        assert!(!scenario.path(name).exists(), "{what}: `{name}` was made all the same");
    }
}

/// Runs `exeat`, which must end by itself.
pub(crate) async fn exeat(scenario: &Scenario, arguments: &[&str]) -> Ran {
    let ran = tokio::time::timeout(Duration::from_secs(60), scenario.exeat(arguments)).await;
    ran.unwrap_or_else(|_| panic!("{arguments:?} started all the same"))
}

/// Checks the exit code and the message, which has no Rust in it.
pub(crate) fn says(what: &str, ran: &Ran, expected: &Expected<'_>) {
    let said = ran.said();
    assert_eq!(ran.code, expected.code, "{what}: {said}");
    for words in expected.says {
        assert!(said.contains(words), "{what}: `{words}` is not in: {said}");
    }
    for rust in ["panicked", "Some(", "Err(", "Error {", "unwrap", "RUST_BACKTRACE"] {
        assert!(!said.contains(rust), "{what}: `{rust}` is in: {said}");
    }
}

/// Puts `text` behind exeat.toml.
pub(crate) fn append(scenario: &Scenario, text: &str) {
    let path = scenario.path("exeat.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{config}\n{text}\n")).unwrap();
}

/// Replaces a part of exeat.toml.
pub(crate) fn replace(scenario: &Scenario, from: &str, to: &str) {
    let path = scenario.path("exeat.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(from), "{config}");
    std::fs::write(path, config.replacen(from, to, 1)).unwrap();
}
