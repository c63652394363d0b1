//! A layer of an image: unpacking arbitrary bytes never panics, and never touches what is beside the folder.
#![no_main]

use exeat_images::{Limits, unpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|layer: &[u8]| {
    let Ok(place) = tempfile::tempdir() else { return };
    let (folder, beside) = (place.path().join("layer"), place.path().join("beside"));
    if std::fs::create_dir(&folder).is_err() || std::fs::write(&beside, "as it was").is_err() {
        return;
    }
    let refused = unpack(layer, &folder, &Limits { layer_bytes: 1 << 20, entries: 100 }).is_err();
    assert!(std::fs::read(&beside).is_ok_and(|content| content == b"as it was"));
    assert!(std::fs::read_dir(place.path()).is_ok_and(|names| names.count() == 2));
    assert!(!refused || std::fs::read_dir(&folder).is_ok_and(|names| names.count() == 0));
});
