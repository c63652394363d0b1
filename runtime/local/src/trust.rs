//! Which CAs the sandbox trusts: the host's, and the gateway's in front.

use std::fs;
use std::path::Path;

use exeat_inside::trust::{BUNDLE, PLACES};

/// The places that are links to [`BUNDLE`] inside.
pub(crate) fn links() -> impl Iterator<Item = &'static str> {
    PLACES.iter().copied().filter(|place| *place != BUNDLE)
}

/// The gateway's CA and the host's bundle as one. A host without a bundle is fine: the gateway ends every TLS
/// connection, so its CA is the one that counts.
pub(crate) fn bundle(ca_certificate: &str, host: &Path) -> String {
    let hosts = PLACES.iter().find_map(|place| fs::read_to_string(host.join(place.trim_start_matches('/'))).ok());
    format!("{}\n{}", ca_certificate.trim_end(), hosts.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_ca_joins_the_hosts() {
        let host = tempfile::tempdir().unwrap();
        assert_eq!(bundle("OURS\n", host.path()), "OURS\n");
        fs::create_dir_all(host.path().join("etc/ssl")).unwrap();
        fs::write(host.path().join("etc/ssl/cert.pem"), "THEIRS\n").unwrap();
        assert_eq!(bundle("OURS", host.path()), "OURS\nTHEIRS\n");
    }
}
