//! A snapshot's manifest: no panic, whatever it holds, and there is one way to write each.
#![no_main]

use exeat_snapshots::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::manifest(bytes);
});
