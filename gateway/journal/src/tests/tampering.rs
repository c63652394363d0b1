//! Whoever changes a journal is found out, and the first bad record is named.

use proptest::prelude::{any, proptest};

use super::{Place, intent, messages, starts};
use crate::format::{FRAME, HEADER, seal};
use crate::walk::{Step, Walk};
use crate::{Report, segments};

/// The report on a copy of `bytes` as the only segment.
fn report_on(bytes: &[u8]) -> Report {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(segments::path(directory.path(), 1), bytes).unwrap();
    super::verify(directory.path(), |_| {}).unwrap()
}

fn first_bad(bytes: &[u8]) -> Option<u64> {
    report_on(bytes).bad.map(|bad| bad.sequence)
}

fn sample() -> (Vec<u8>, Vec<usize>) {
    let place = Place::with_segments(2048);
    place.write(messages(5));
    let bytes = place.bytes();
    let starts = starts(&bytes);
    (bytes, starts)
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_its_record_named() {
    let (bytes, starts) = sample();
    // Walked directly: the verifier gives a write that is half done time to be completed, two thousand times over.
    let directory = tempfile::tempdir().unwrap();
    let path = segments::path(directory.path(), 1);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, &flipped).unwrap();
        let mut walk = Walk::open(directory.path(), 1).unwrap();
        let bad = loop {
            match walk.step().unwrap() {
                Step::Record(_) => {}
                Step::End => break None,
                Step::Torn(torn) => break Some(torn.bad),
                Step::Bad(bad) => break Some(bad),
            }
        };
        let due = if at < HEADER { 1 } else { starts.iter().filter(|start| **start <= at).count() as u64 };
        assert_eq!(bad.map(|bad| bad.sequence), Some(due), "bit in byte {at}");
    }
    // And the verifier does call the last record bad, which opening would take for torn.
    let mut flipped = bytes;
    flipped[starts[4] + FRAME] ^= 1;
    assert_eq!(first_bad(&flipped), Some(5));
}

#[test]
fn records_deleted_swapped_repeated_or_blanked_are_found() {
    let (bytes, at) = sample();
    let record = |number: usize| &bytes[at[number - 1]..at[number]];
    let rest = &bytes[at[5]..];
    let build = |numbers: &[usize]| {
        let records = numbers.iter().flat_map(|number| record(*number).iter().copied());
        bytes[..HEADER].iter().copied().chain(records).chain(rest.iter().copied()).collect::<Vec<u8>>()
    };
    assert_eq!(first_bad(&build(&[1, 2, 3, 4, 5])), None);
    assert_eq!(first_bad(&build(&[1, 2, 4, 5])), Some(3));
    assert_eq!(first_bad(&build(&[2, 3, 4, 5])), Some(1));
    assert_eq!(first_bad(&build(&[1, 3, 2, 4, 5])), Some(2));
    assert_eq!(first_bad(&build(&[1, 2, 2, 3, 4, 5])), Some(3));
    assert_eq!(first_bad(&build(&[1, 2, 3, 4, 5, 5])), Some(6));
    assert_eq!(first_bad(&bytes[..at[4] + 9]), Some(5));
    let mut blanked = bytes.clone();
    blanked[at[1]..at[2]].fill(0);
    assert_eq!(first_bad(&blanked), Some(2));
    // The one thing that cannot show, as the documentation says: the end is missing, from a whole record on.
    assert_eq!(first_bad(&build(&[1, 2, 3])), None);
    assert_ne!(report_on(&build(&[1, 2, 3])).last_hash, report_on(&bytes).last_hash);
}

/// Checksums are for accidents. Somebody who computes them anew is caught by the chain.
#[test]
fn a_record_forged_with_a_right_checksum_breaks_the_chain_behind_it() {
    let (mut bytes, at) = sample();
    let previous: [u8; 32] = bytes[at[2] + 20..at[2] + FRAME].try_into().unwrap();
    let record = &mut bytes[at[2]..at[3]];
    let digit = record.iter().rposition(|byte| *byte == b'3').unwrap();
    record[digit] = b'9';
    seal(record, 3, 0, &previous);
    let report = report_on(&bytes);
    assert_eq!((report.records, report.bad.map(|bad| bad.sequence)), (3, Some(4)));
}

#[test]
fn segments_removed_exchanged_or_foreign_are_found() {
    let place = Place::with_segments(600);
    place.write((0..12).map(|number| intent(&format!("session-{number}"), "npm:publish")));
    let (names, original) = (place.segments(), place.contents());
    assert!(names.len() >= 4);
    let first = |index: usize| names[index].file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let found = |change: &dyn Fn()| {
        change();
        let bad = place.verify().bad.map(|bad| bad.sequence);
        for (name, bytes) in &original {
            std::fs::write(place.path().join(name), bytes).unwrap();
        }
        bad
    };
    let other = Place::with_segments(600);
    other.write((0..12).map(|number| intent(&format!("SESSION-{number}"), "npm:publish")));

    assert_eq!(found(&|| ()), None);
    assert_eq!(found(&|| std::fs::remove_file(&names[0]).unwrap()), Some(1));
    assert_eq!(found(&|| std::fs::remove_file(&names[1]).unwrap()), Some(first(1)));
    assert_eq!(found(&|| std::fs::rename(&names[1], &names[2]).unwrap()), Some(first(1)));
    // A fork: the same numbers, another past.
    assert_eq!(
        found(&|| std::fs::write(&names[2], std::fs::read(&other.segments()[2]).unwrap()).unwrap()),
        Some(first(2))
    );
    // Zeros behind the last record of a segment are part of what is checked.
    let at_end = std::fs::metadata(&names[0]).unwrap().len() - 1;
    let scribble = || {
        std::os::unix::fs::FileExt::write_all_at(
            &std::fs::File::options().write(true).open(&names[0]).unwrap(),
            b"x",
            at_end,
        )
    };
    assert_eq!(found(&|| scribble().unwrap()), Some(first(1)));
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 400, failure_persistence: None, ..Default::default() })]

    /// Whatever is in a segment, reading it ends, and ends without a panic.
    #[test]
    fn arbitrary_bytes_never_panic_a_reader(
        noise in proptest::collection::vec(any::<u8>(), 0..600),
        whole in 0_usize..6,
        patches in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6),
        first in proptest::option::of(any::<u64>()),
    ) {
        static SAMPLE: std::sync::LazyLock<(Vec<u8>, Vec<usize>)> = std::sync::LazyLock::new(sample);
        let (bytes, starts) = &*SAMPLE;
        let mut segment = if whole == 0 { Vec::new() } else { bytes[..starts[whole - 1]].to_vec() };
        segment.extend(&noise);
        for (at, byte) in patches {
            let at = usize::from(at) % segment.len().max(1);
            if let Some(place) = segment.get_mut(at) {
                *place = byte;
            }
        }
        if let (Some(first), true) = (first, segment.len() >= HEADER) {
            let header = crate::format::Header { first, before: 0, previous: [0; 32] };
            segment[..HEADER].copy_from_slice(&header.encode());
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(segments::path(directory.path(), first.unwrap_or(1)), &segment).unwrap();
        let read = crate::Reader::open(directory.path(), 0).unwrap().count();
        assert!(read <= 6);
        let read = crate::Reader::open(directory.path(), u64::MAX).unwrap().count();
        assert!(read <= 1);
    }
}
