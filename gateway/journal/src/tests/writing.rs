//! Order, groups, limits, segments, readers beside a writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Place, intent, message, messages, outcome, run};
use crate::{AppendError, Event, Journal, OpenError, follow, last_sequence};

#[test]
fn appends_share_groups_and_keep_their_order() {
    let place = Place::with_segments(64 * 1024);
    run(async {
        let journal = place.open();
        let (clones, highest) = (40_u64, Arc::new(AtomicU64::new(0)));
        let tasks: Vec<_> = (0..clones)
            .map(|clone| {
                let (journal, highest) = (journal.clone(), Arc::clone(&highest));
                tokio::spawn(async move {
                    let mut mine = Vec::new();
                    for turn in 0..50 {
                        journal.append_soon(message(&format!("{clone} soon {turn}"))).await.unwrap();
                        let sequence = journal.append(message(&format!("{clone} now {turn}"))).await.unwrap();
                        highest.fetch_max(sequence, Ordering::Relaxed);
                        mine.push(sequence);
                    }
                    assert!(mine.is_sorted(), "{mine:?}");
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(highest.load(Ordering::Relaxed), clones * 100);
        journal.close().await.unwrap();
    });
    let records = place.records();
    assert_eq!(records.len(), 4_000);
    let of_seven: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::PolicyRejected { message, .. } => message.strip_prefix("7 ").map(str::to_owned),
            _ => None,
        })
        .collect();
    let due: Vec<_> = (0..50).flat_map(|turn| [format!("soon {turn}"), format!("now {turn}")]).collect();
    assert_eq!(of_seven, due);
    let report = place.verify();
    assert_eq!((report.records, report.bad), (4_000, None));
    assert!(report.segments > 3 && report.segments == place.segments().len() as u64, "{}", report.segments);
}

#[test]
fn what_is_acknowledged_is_in_the_file_before_anybody_knows() {
    let place = Place::new();
    run(async {
        let journal = place.open();
        for number in 1..=20 {
            let sequence = journal.append(message("x")).await.unwrap();
            assert_eq!((sequence, last_sequence(&place.path()).unwrap()), (number, number));
        }
    });
}

#[test]
fn one_writer_at_a_time() {
    let place = Place::new();
    run(async {
        let journal = place.open();
        assert!(matches!(Journal::open(&place.config()), Err(OpenError::Locked { .. })));
        let other = journal.clone();
        journal.close().await.unwrap();
        assert!(matches!(other.append(message("late")).await, Err(AppendError::Closed)));
        assert!(matches!(other.append_soon(message("late")).await, Err(AppendError::Closed)));
        place.open().close().await.unwrap();
    });
}

#[test]
fn the_largest_record_fits_and_a_larger_one_is_refused() {
    let place = Place::with_segments(1024);
    let limit = crate::format::MAX_PAYLOAD;
    let around = serde_json::to_string(&message("")).unwrap().len() + r#""time":"2026-01-02T03:04:05.000000Z","#.len();
    run(async {
        let journal = place.open();
        journal.append(message(&"x".repeat(limit - around))).await.unwrap();
        let refused = journal.append(message(&"x".repeat(limit - around + 1))).await;
        assert!(matches!(refused, Err(AppendError::TooLarge { bytes, .. }) if bytes == limit + 1), "{refused:?}");
        journal.append(message("and on")).await.unwrap();
        journal.close().await.unwrap();
    });
    assert_eq!((place.verify().records, place.verify().bad), (2, None));
}

#[test]
fn only_the_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write(messages(1));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path()), 0o700);
    assert_eq!(mode(&place.segments()[0]), 0o600);
}

#[test]
fn a_follower_and_a_verifier_beside_a_writer_see_a_whole_chain() {
    let place = Place::with_segments(64 * 1024);
    let count = 6_000;
    run(async {
        let journal = place.open();
        let mut follower = follow(&place.path(), 1).unwrap();
        let following = tokio::spawn(async move {
            for due in 1..=count {
                assert_eq!(follower.recv().await.unwrap().unwrap().sequence, due);
            }
        });
        let path = place.path();
        let verifying = tokio::task::spawn_blocking(move || {
            while last_sequence(&path).unwrap() < count {
                let report = crate::verify(&path, |_| {}).unwrap();
                assert_eq!(report.bad, None);
            }
        });
        let appending: Vec<_> = (0..8)
            .map(|_| {
                let journal = journal.clone();
                tokio::spawn(async move {
                    for _ in 0..count / 8 {
                        journal.append(message(&"long ".repeat(100))).await.unwrap();
                    }
                })
            })
            .collect();
        for task in appending {
            task.await.unwrap();
        }
        tokio::time::timeout(Duration::from_secs(60), async { (following.await.unwrap(), verifying.await.unwrap()) })
            .await
            .unwrap();
        journal.close().await.unwrap();
    });
}

#[test]
fn an_intent_without_an_outcome_is_named() {
    let place = Place::new();
    place.write([intent("a", "npm:publish"), intent("a", "npm:publish"), outcome(1), intent("b", "npm:publish")]);
    let report = place.verify();
    assert_eq!((report.unfinished, report.unfinished_count), (vec![2, 4], 2));
    assert_eq!((report.first_sequence, report.last_sequence), (Some(1), Some(4)));
}

#[test]
fn times_come_from_the_clock_that_was_given() {
    let place = Place::new();
    let now: jiff::Timestamp = "2026-01-02T03:04:05.000006Z".parse().unwrap();
    run(async {
        let journal = Journal::open_with_clock(&place.config(), Arc::new(move || now)).unwrap();
        journal.append(message("x")).await.unwrap();
        journal.close().await.unwrap();
    });
    assert_eq!(place.records()[0].time, now);
}
