//! What npm publishes: no panic, whatever the body.
#![no_main]

use exeat_core::{Authority, Request, Scheme};
use exeat_integrations::cases::{config, understand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(integrations) = exeat_integrations::all(&config()) else { return };
    let Ok(authority) = Authority::parse("npm.example.com", 443) else { return };
    let headers = http::HeaderMap::new();
    let Ok(request) = Request::new(http::Method::PUT, Scheme::Https, authority, "/@acme%2fui", None, headers) else { return };
    let _ = understand(integrations.claiming(request.authority()), &request, body);
});
