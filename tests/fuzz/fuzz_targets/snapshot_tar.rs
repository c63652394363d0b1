//! A workspace's archive: reading arbitrary bytes never panics, and what is accepted is restored as it was.
#![no_main]

use exeat_snapshots::{Limits, fuzz};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::archive(bytes, "w", Limits { bytes: 4 << 20, entries: 100 });
    fuzz::archive(bytes, "", Limits { bytes: 4 << 20, entries: 100 });
});
