//! Opening what a crash left behind.

use super::{Place, message, messages, run, starts};
use crate::{Event, Journal, OpenError};

/// Opens a journal whose end is not whole, and checks that `kept` records, the note and a new record are in it.
fn recovers(place: &Place, kept: u64, context: &str) {
    run(async {
        let journal = place.open();
        assert_eq!(journal.append(message("and on")).await.unwrap(), kept + 2, "{context}");
        journal.close().await.unwrap();
    });
    let records = place.records();
    let Event::Recovered { set_aside_bytes, file: Some(file) } = &records[kept as usize].event else {
        panic!("{context}: {:?}", records[kept as usize])
    };
    assert_eq!(file, &format!("set-aside-{}.bin", kept + 1), "{context}");
    assert_eq!(std::fs::metadata(place.path().join(file)).unwrap().len(), *set_aside_bytes, "{context}");
    let report = place.verify();
    assert_eq!((report.records, report.bad), (kept + 2, None), "{context}");
}

#[test]
fn a_last_record_that_is_torn_anywhere_is_set_aside() {
    let place = Place::with_segments(4096);
    place.write(messages(3));
    let whole = place.bytes();
    let starts = starts(&whole);
    for cut in starts[2] + 1..starts[3] {
        for fill in [false, true] {
            let torn = Place::with_segments(4096);
            run(async { torn.open().close().await.unwrap() });
            let mut bytes = whole[..cut].to_vec();
            if fill {
                bytes.resize(whole.len(), 0);
            }
            torn.rewrite(&bytes);
            recovers(&torn, 2, &format!("cut at {cut}, filled up {fill}"));
        }
    }
}

/// A group is one write, and after a power cut any of its blocks can be there while others are not.
#[test]
fn a_last_group_with_holes_is_set_aside() {
    let place = Place::with_segments(1024 * 1024);
    place.write(messages(2));
    let mut opened = crate::recover::open(&place.config(), std::sync::Arc::new(crate::tail::RealDisk)).unwrap();
    let record = || crate::journal::encode(jiff::Timestamp::UNIX_EPOCH, &message(&"x".repeat(700))).unwrap();
    let mut group: Vec<_> = std::iter::repeat_with(record).take(30).collect();
    assert_eq!(opened.tail.commit(&mut group).unwrap(), 30);
    drop(opened);
    let whole = place.bytes();
    let hole = starts(&whole)[15];
    let before = 15;
    for (from, to) in [(hole, hole + 1), (hole, hole + 52), (hole + 10, hole + 700), (hole + 300, hole + 2000)] {
        let torn = Place::with_segments(1024 * 1024);
        run(async { torn.open().close().await.unwrap() });
        let mut bytes = whole.clone();
        bytes[from..to].fill(0);
        torn.rewrite(&bytes);
        assert_eq!(torn.verify().bad.unwrap().sequence, before + 1);
        recovers(&torn, before, &format!("hole at {from}..{to}"));
    }
}

#[test]
fn a_crash_between_setting_aside_and_saying_so_is_said_later() {
    let place = Place::new();
    place.write(messages(2));
    std::fs::write(place.path().join("set-aside-3.bin"), b"torn").unwrap();
    std::fs::write(place.path().join("next.new"), b"half a segment").unwrap();
    run(async { place.open().close().await.unwrap() });
    let due = Event::Recovered { set_aside_bytes: 4, file: Some("set-aside-3.bin".into()) };
    assert_eq!(place.records()[2].event, due);
    run(async { place.open().close().await.unwrap() });
    assert_eq!(place.records().len(), 3);
}

/// Changes a journal of several segments and checks that it is not opened, not touched, and where the fault is seen.
fn refused(change: impl FnOnce(&Place), sequence: u64) {
    let place = Place::with_segments(1024);
    place.write(messages(30));
    change(&place);
    let before = place.contents();
    match Journal::open(&place.config()) {
        Err(error @ OpenError::Damaged { sequence: found, .. }) => {
            assert_eq!(found, sequence, "{error}");
            assert!(error.to_string().contains("exeat audit verify"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(place.verify().bad.unwrap().sequence, sequence);
    assert!(before == place.contents(), "something was changed");
}

#[test]
fn a_damaged_journal_is_not_opened_and_not_touched() {
    let first_of = |place: &Place, index: usize| -> u64 {
        let segment = place.segments()[index].clone();
        segment.file_stem().unwrap().to_str().unwrap().parse().unwrap()
    };
    let sample = Place::with_segments(1024);
    sample.write(messages(30));
    assert!(sample.segments().len() >= 4);
    let (second, third) = (first_of(&sample, 1), first_of(&sample, 2));
    let starts = starts(&sample.bytes());

    let flip = |place: &Place, at: usize| {
        let mut bytes = place.bytes();
        bytes[at] ^= 0x10;
        place.rewrite(&bytes);
    };
    refused(|place| flip(place, starts[2] + 60), 3);
    refused(|place| flip(place, 20), 1);
    refused(|place| std::fs::remove_file(&place.segments()[0]).unwrap(), 1);
    refused(|place| std::fs::remove_file(&place.segments()[1]).unwrap(), second);
    refused(|place| std::fs::write(&place.segments()[2], b"").unwrap(), third);
    refused(|place| place.rewrite(&place.bytes()[..starts[4]]), 5);
}
