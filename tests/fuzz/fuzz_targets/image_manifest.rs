//! Manifests, indexes and configurations of images, and names of images: no panic, whatever they hold.
#![no_main]

use exeat_images::{Defaults, Reference, read_any};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read_any(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let defaults = Defaults { registry: Some("registry.example.com".into()), folder: Some("library".into()) };
    if let Ok(reference) = Reference::parse(text, &defaults) {
        assert_eq!(Reference::try_from(reference.to_string()).ok(), Some(reference));
    }
});
