//! F4: no room for the journal, no way out; with room again, it goes on by itself.

use std::fs;

use exeat_tests::{Ask, Disk, PATIENCE, Scenario, Way, is_root, skip};

const HOST: &str = "api.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn without_room_nothing_leaves_and_with_room_again_it_does() {
    if !is_root() {
        return skip("root, to mount a small disk");
    }
    let disk = Disk::new("16m");
    let mut scenario = Scenario::usual().state(&disk.path().join("state")).start().await;
    assert_eq!(Way::usual().send(&scenario, &Ask::get(HOST, "/before")).await.status, Some(200));
    let filler = disk.fill();

    // What is allocated ahead is used up by records as large as they get.
    let long = "a".repeat(2_000);
    let ask = |n: usize| Ask::get(HOST, &format!("/{n}/{long}?{long}")).header("User-Agent", &long);
    let mut first = None;
    for n in 0..5_000 {
        if Way::usual().send(&scenario, &ask(n)).await.status != Some(200) {
            first = Some(n);
            break;
        }
    }
    let first = first.expect("the disk is full, and everything goes on");
    let left = scenario.seen(HOST).len();
    for way in Way::all() {
        for ask in [ask(first), Ask::of("POST", HOST, "/full").body("x"), Ask::get("forbidden.example.net", "/")] {
            let answer = way.send(&scenario, &ask).await;
            let found = (answer.status, answer.code());
            assert_eq!(found, (Some(503), "journal-unavailable".to_owned()), "{way}: {ask:?}");
        }
    }
    assert_eq!(scenario.seen(HOST).len(), left, "nothing leaves while nothing can be recorded");
    assert!(scenario.process().is_some(), "the gateway is still there");

    fs::remove_file(filler).unwrap();
    let start = std::time::Instant::now();
    while Way::usual().send(&scenario, &Ask::get(HOST, "/after")).await.status != Some(200) {
        assert!(start.elapsed() < PATIENCE, "there is room again, and still nothing leaves");
    }
    scenario.saw_what_was_journaled("after the disk was full");
    scenario.stop().await;
    let verified = scenario.exeat(&["audit", "verify"]).await;
    assert_eq!(verified.code, 0, "{}", verified.said());
}
