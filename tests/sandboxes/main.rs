//! Sandboxes that stay, by `exeat sandbox` and real gVisor.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod by_itself;
mod copying;
mod inside;
mod lives;
mod refused;
mod terminal;

use exeat_tests::{Ran, Scenario, runsc, skip};
use serde_json::Value;

/// A gateway with one sandbox, `box`; nothing where there is no runsc.
async fn boxed() -> Option<Scenario> {
    if runsc().is_none() {
        skip("runsc");
        return None;
    }
    let scenario = Scenario::usual().start().await;
    done(&scenario, &["create", "box"]).await;
    Some(scenario)
}

/// Waits until `exeat sandbox …` prints, in JSON, what is looked for.
async fn until(scenario: &Scenario, arguments: &[&str], is_so: impl Fn(&[Value]) -> bool) {
    let what = format!("{arguments:?} says so");
    exeat_tests::until(&what, async || is_so(&json(scenario, arguments).await)).await;
}

/// `exeat sandbox …`
async fn sandbox(scenario: &Scenario, arguments: &[&str]) -> Ran {
    scenario.exeat(&[&["sandbox"], arguments].concat()).await
}

/// `exeat sandbox …`, which must succeed: what it prints.
async fn done(scenario: &Scenario, arguments: &[&str]) -> String {
    let ran = sandbox(scenario, arguments).await;
    assert_eq!(ran.code, 0, "{arguments:?}: {}\n{}", ran.said(), scenario.log());
    ran.stdout
}

/// The same in JSON, one value a line.
async fn json(scenario: &Scenario, arguments: &[&str]) -> Vec<Value> {
    let text = done(scenario, &[arguments, &["--output", "json"]].concat()).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A script in the box: what it prints.
async fn script(scenario: &Scenario, text: &str) -> String {
    done(scenario, &["exec", "box", "--", "sh", "-c", text]).await
}

/// Deletes everything, so that nothing outlives the test.
async fn end(scenario: &Scenario) {
    for sandbox in json(scenario, &["list", "--all"]).await {
        done(scenario, &["delete", sandbox["id"].as_str().unwrap(), "--snapshots"]).await;
    }
}
