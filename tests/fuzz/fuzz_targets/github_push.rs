//! The commands of a git push: no panic, whatever the body.
#![no_main]

use exeat_core::{Authority, Request, Scheme};
use exeat_integrations::cases::{config, understand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(integrations) = exeat_integrations::all(&config()) else { return };
    let Ok(authority) = Authority::parse("github.com", 443) else { return };
    let headers = http::HeaderMap::new();
    let Ok(request) = Request::new(http::Method::POST, Scheme::Https, authority, "/acme/site.git/git-receive-pack", None, headers) else { return };
    let _ = understand(integrations.claiming(request.authority()), &request, body);
});
