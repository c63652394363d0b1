//! A segment of the journal: reading and verifying arbitrary bytes never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|segment: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    if std::fs::write(folder.path().join("00000000000000000001.seg"), segment).is_ok()
        && let Ok(reader) = exeat_journal::Reader::open(folder.path(), 0)
    {
        let _ = reader.count();
    }
});
