//! Stand-in until the shared table is there.

/// Places.
pub const BUNDLES: [&str; 1] = ["/etc/ssl/certs/ca-certificates.crt"];

/// Variables.
pub fn in_pod<'a>(bundle: &'a str, home: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![("HOME", home), ("SSL_CERT_FILE", bundle)]
}
