//! C9, C10: policies that err, and policies that change while requests are under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use exeat_tests::{Ask, PATIENCE, PERMIT, Scenario, Way, eventually, of_type};
use nix::sys::signal::Signal;
use serde_json::Value;

const HOST: &str = "api.example.com";
/// The same, with a forbid: its verdict is the opposite of [`PERMIT`]'s.
const FORBID: &str = r#"
@id("test/read") permit (principal, action in Exeat::Action::"read", resource);
@id("test/nobody") forbid (principal, action, resource);
"#;
const BROKEN: &str = r#"@id("test/read") permit (principal, action, resource) when { context.http.nothing == 1 };"#;
/// How often the policies are swapped while requests run.
const SWAPS: usize = 210;

pub(crate) async fn a_policy_that_errs_denies() {
    // Cedar skips a policy that errs, so an erring forbid would permit.
    const OVERFLOW: &str = "context.http.port + 9223372036854775807 > 0";
    for erring in ["forbid", "permit"] {
        let policies =
            format!("{PERMIT}\n@id(\"test/errs\") {erring} (principal, action, resource) when {{ {OVERFLOW} }};");
        let scenario = Scenario::usual().policies(&policies).start().await;
        for way in Way::all() {
            let answer = way.send(&scenario, &Ask::get(HOST, "/")).await;
            assert_eq!((answer.status, answer.code().as_str()), (Some(403), "denied"), "{way}: {erring}");
            assert!(answer.text().contains("`test/errs` could not be evaluated"), "{way}: {}", answer.text());
        }
        assert_eq!(scenario.all_connections(), 0);
        let refusals = scenario.refusals();
        assert!(refusals.iter().all(|refusal| refusal["operations"][0]["errors"][0] == "test/errs"), "{refusals:#?}");
    }
}

/// Puts policies in force by SIGHUP and gives their version.
async fn put_in_force(scenario: &Scenario, text: &str) -> String {
    let before = of_type(&scenario.records(), "policy-load").len();
    scenario.write_policies(text);
    scenario.signal(Signal::SIGHUP);
    let loaded =
        eventually("the policies are in force", || of_type(&scenario.records(), "policy-load").into_iter().nth(before));
    loaded.await["policy_version"].as_str().unwrap().to_owned()
}

/// Every decision is by one version, the one that its record names, however often the set changes meanwhile.
pub(crate) async fn a_reload_race_never_mixes_versions() {
    let scenario = Arc::new(Scenario::usual().start().await);
    let permitting = scenario.ready()["policy_version"].as_str().unwrap().to_owned();
    let forbidding = put_in_force(&scenario, FORBID).await;
    assert_ne!(permitting, forbidding);

    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = Way::all()
        .map(|way| {
            let (scenario, stop, asked) = (Arc::clone(&scenario), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let answer = way.send(&scenario, &Ask::get(HOST, "/")).await;
                    assert!(matches!(answer.status, Some(200 | 403)), "{way}: {answer:?}");
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for swap in 0..SWAPS {
        let (text, version) = [(PERMIT, &permitting), (BROKEN, &permitting), (FORBID, &forbidding)][swap % 3];
        scenario.write_policies(text);
        scenario.signal(Signal::SIGHUP);
        let seen = asked.load(Ordering::SeqCst);
        eventually("requests go on", || (asked.load(Ordering::SeqCst) > seen).then_some(())).await;
        let start = Instant::now();
        while scenario.policy_version().await != *version {
            assert!(start.elapsed() < PATIENCE, "swap {swap} is not in force");
        }
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }

    let records = scenario.records();
    let mut verdicts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for record in records.iter().filter(|record| record["type"] == "intent" || record["type"] == "refusal") {
        let version = record["policy_version"].as_str().unwrap().to_owned();
        *verdicts.entry((version, exeat_tests::decision(record))).or_default() += 1;
    }
    let decided: usize = verdicts.values().sum();
    assert_eq!(decided, asked.load(Ordering::SeqCst), "each request is in the journal once");
    let expected = [(permitting, "allowed"), (forbidding, "denied")];
    assert!(verdicts.keys().all(|key| expected.contains(key)), "{verdicts:#?}");
    assert_eq!(verdicts.len(), 2, "both sets decided something: {verdicts:#?}");
    assert!(of_type(&records, "policy-load").len() >= SWAPS / 3 * 2, "the set changed while requests ran");
    scenario.saw_what_was_journaled("the race");
}

pub(crate) async fn a_broken_set_keeps_the_old_one_in_force() {
    let scenario = Scenario::usual().start().await;
    let version = scenario.ready()["policy_version"].clone();
    let broken = [BROKEN, "permit (", "permit (principal, action, resource);"];
    for (at, text) in broken.iter().enumerate() {
        scenario.write_policies(text);
        scenario.signal(Signal::SIGHUP);
        let rejected = |records: &[Value]| of_type(records, "policy-rejected").into_iter().nth(at);
        let record =
            eventually(&format!("`{text}` is refused, and that is recorded"), || rejected(&scenario.records())).await;
        assert!(record["message"].as_str().unwrap().contains("policies"), "{record}");
        assert_eq!(Way::usual().send(&scenario, &Ask::get(HOST, "/")).await.status, Some(200), "{text}");
    }
    assert!(scenario.intents().iter().all(|intent| intent["policy_version"] == version));
    // A watched change is put in force without a signal.
    scenario.write_policies(FORBID);
    eventually("the change is noticed", || of_type(&scenario.records(), "policy-load").pop()).await;
    assert_eq!(Way::usual().send(&scenario, &Ask::get(HOST, "/")).await.status, Some(403));
}
