//! What a cluster sends to be converted, and the notes on its objects: no panic, whatever they hold; and what was converted
//! once comes back to the same, however often.
#![no_main]

use exeat_api::conversion::{convert, convert_object};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const VERSIONS: [&str; 4] = [
    "agents.x-k8s.io/v1alpha1",
    "agents.x-k8s.io/v1beta1",
    "extensions.agents.x-k8s.io/v1alpha1",
    "extensions.agents.x-k8s.io/v1beta1",
];

fuzz_target!(|bytes: &[u8]| {
    if let Ok(review) = serde_json::from_slice(bytes) {
        convert(review);
    }
    let Ok(object) = serde_json::from_slice::<Value>(bytes) else { return };
    let Some(own) = object["apiVersion"].as_str().map(str::to_owned) else { return };
    for wanted in VERSIONS.into_iter().filter(|wanted| *wanted != own) {
        let Ok(there) = convert_object(object.clone(), wanted) else { continue };
        let again = |there: Value| convert_object(convert_object(there, &own).unwrap(), wanted).unwrap();
        let once = again(there);
        assert_eq!(again(once.clone()), once);
    }
});
