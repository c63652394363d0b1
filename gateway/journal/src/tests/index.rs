//! The same answers with an index, with a rebuilt one, with a damaged one and with none.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::{Place, contents, intent, message, messages, outcome, refusal, run};
use crate::{ActionFilter, Catalog, Decision, Event, Filter, Journal, Mark, SessionFacts};

const BEGIN: i64 = 1_767_225_600;
const SESSIONS: [&str; 3] = ["coder-1", "coder-11", "reviewer-1"];
const ACTIONS: [&str; 4] = ["npm:publish", "npm:read", "npm", "github:git/push"];

/// A journal of several segments, in which time now and then stands still or goes back.
fn journal() -> Place {
    let place = Place::with_segments(16 * 1024);
    let time = Arc::new(AtomicI64::new(BEGIN));
    let clock = Arc::clone(&time);
    run(async {
        let now = move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap();
        let journal = Journal::open_with_clock(&place.config(), Arc::new(now)).unwrap();
        for number in 0..300_usize {
            time.fetch_add([1, 1, 0, 3, -2, 5][number % 6], Ordering::Relaxed);
            let (session, action) = (SESSIONS[number * 7 % 3], ACTIONS[number * 5 % 4]);
            let facts = SessionFacts { id: session.to_owned(), ..SessionFacts::default() };
            let event = match number % 7 {
                0 | 3 => intent(session, action),
                1 | 5 => refusal(session, action),
                2 | 4 => outcome(number as u64 / 7 * 7 + 1 + (number as u64 % 7) / 4 * 3),
                _ if number % 2 == 0 => Event::SessionStart { session: facts },
                _ => message("a policy"),
            };
            journal.append(event).await.unwrap();
        }
        journal.close().await.unwrap();
    });
    place
}

/// Every combination of conditions worth asking for.
fn filters() -> Vec<Filter> {
    let time = |seconds| Some(Mark::Time(Timestamp::from_second(BEGIN + seconds).unwrap()));
    let number = |number| Some(Mark::Sequence(number));
    let mut filters = Vec::new();
    for session in [None, Some("coder-1"), Some("coder-"), Some("nobody")] {
        for action in [None, Some("npm:"), Some("npm"), Some("npm:publish"), Some("github:*"), Some("pypi:")] {
            for decision in [None, Some(Decision::Allowed), Some(Decision::Refused)] {
                for (since, until) in [
                    (None, None),
                    (number(100), number(200)),
                    (number(200), number(100)),
                    (time(100), time(200)),
                    (time(200), time(100)),
                    (time(50), number(120)),
                    (number(299), None),
                ] {
                    for limit in [None, Some(0), Some(3)] {
                        let (session, action) = (session.map(str::to_owned), action.map(ActionFilter::parse));
                        filters.push(Filter { session, action, decision, since, until, limit });
                    }
                }
            }
        }
    }
    filters
}

/// All answers of a catalog, as text.
fn answers(catalog: &Catalog, filters: &[Filter]) -> Vec<String> {
    let lists = filters.iter().map(|filter| {
        let records: Vec<_> = catalog.list(filter).unwrap().map(|record| record.unwrap().sequence).collect();
        format!("{filter:?} → {records:?}")
    });
    let gets = [0, 1, 4, 6, 150, 300, 301].into_iter().map(|number| format!("{:?}", catalog.get(number).unwrap()));
    let entries = catalog.entries(&Filter { limit: Some(40), ..Filter::default() }).unwrap();
    lists.chain(gets).chain([format!("{entries:?}")]).collect()
}

fn index_of(place: &Place) -> PathBuf {
    place.directory.path().join("index")
}

#[test]
fn answers_do_not_depend_on_the_index() {
    let place = journal();
    let filters = filters();
    let scanned = answers(&Catalog::scanning(&place.path()), &filters);
    assert!(scanned.iter().any(|answer| answer.contains("[") && answer.len() > 400), "the questions have answers");

    let fresh = Catalog::open(&place.path(), &index_of(&place)).unwrap();
    assert!(fresh.is_indexed());
    assert_eq!(answers(&fresh, &filters), scanned);

    // Somebody else has it: an answer all the same, from the journal.
    let second = Catalog::open(&place.path(), &index_of(&place)).unwrap();
    assert!(!second.is_indexed());
    assert_eq!(answers(&second, &filters[..20])[..20], scanned[..20]);
    drop(fresh);

    let again = Catalog::open(&place.path(), &index_of(&place)).unwrap();
    assert!(again.is_indexed());
    assert_eq!(answers(&again, &filters), scanned);
}

#[test]
fn an_index_is_put_away_sealed_and_catches_up() {
    let place = Place::new();
    place.write([intent("a", "npm:publish"), outcome(1)]);
    drop(Catalog::open(&place.path(), &index_of(&place)).unwrap());
    let seal = std::fs::read(index_of(&place).join("seal")).unwrap();
    assert_eq!(seal.len(), 32);
    let made = || std::fs::metadata(index_of(&place).join("sled")).unwrap().created().unwrap();
    let first_made = made();
    run(async {
        let journal = place.open();
        journal.append(intent("a", "npm:read")).await.unwrap();
        let catalog = Catalog::open(&place.path(), &index_of(&place)).unwrap();
        assert_eq!(catalog.get(3).unwrap().unwrap().outcome, None);
        journal.append(outcome(3)).await.unwrap();
        let entry = catalog.get(3).unwrap().unwrap();
        assert_eq!(entry.outcome.unwrap().sequence, 4);
        journal.close().await.unwrap();
    });
    assert_eq!(made(), first_made, "it was made anew for nothing");
}

#[test]
fn an_index_with_flipped_bytes_gives_the_same_answers() {
    let place = journal();
    let filters: Vec<_> = filters().into_iter().step_by(23).collect();
    let due = answers(&Catalog::scanning(&place.path()), &filters);
    drop(Catalog::open(&place.path(), &index_of(&place)).unwrap());
    let sled = index_of(&place).join("sled");
    let files: Vec<String> = contents(&sled).into_iter().map(|(name, _)| name).collect();
    assert!(!files.is_empty());
    for (number, name) in files.iter().enumerate() {
        for part in 0..6 {
            let path = sled.join(name);
            let Ok(mut bytes) = std::fs::read(&path) else { continue };
            let length = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut((part * length / 6 + number) % length) {
                *byte ^= 0x04;
            }
            std::fs::write(&path, bytes).unwrap();
            let catalog = Catalog::open(&place.path(), &index_of(&place)).unwrap();
            assert!(catalog.is_indexed());
            assert!(answers(&catalog, &filters) == due, "{name}, part {part}");
        }
    }
}

#[test]
fn an_index_of_another_journal_is_thrown_away() {
    let (place, other) = (Place::new(), Place::new());
    place.write(messages(8));
    other.write((0..5).map(|_| intent("a", "npm:publish")));
    drop(Catalog::open(&place.path(), &index_of(&place)).unwrap());
    let catalog = Catalog::open(&other.path(), &index_of(&place)).unwrap();
    let filter = Filter { session: Some("a".into()), ..Filter::default() };
    assert_eq!(catalog.list(&filter).unwrap().count(), 5);
    assert!(catalog.is_indexed());
}

#[test]
fn a_span_of_time_includes_both_ends() {
    let place = journal();
    let catalog = Catalog::open(&place.path(), &index_of(&place)).unwrap();
    let time = catalog.get(77).unwrap().unwrap().record.time;
    let at = |time| Some(Mark::Time(time));
    let filter = Filter { since: at(time), until: at(time), ..Filter::default() };
    assert!(catalog.list(&filter).unwrap().any(|record| record.unwrap().sequence == 77));
    let later = time + SignedDuration::from_micros(1);
    let filter = Filter { since: at(later), until: at(later), ..Filter::default() };
    assert_eq!(catalog.list(&filter).unwrap().count(), 0);
}
