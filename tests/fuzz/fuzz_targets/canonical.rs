//! Hosts, paths and queries: no panic, and a canonical form reads back as itself.
#![no_main]

use exeat_core::{Authority, CanonicalPath, Query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(authority) = Authority::parse(text, 443) {
        assert_eq!(Authority::parse(&authority.to_string(), 443).as_ref(), Ok(&authority));
    }
    if let Ok(path) = CanonicalPath::parse(text) {
        assert_eq!(CanonicalPath::parse(path.as_str()).as_ref(), Ok(&path));
    }
    if let Ok(query) = Query::parse(Some(text)) {
        let _ = query.pairs().count();
    }
});
