//! The variables by which programs inside find the way out and trust it: one table, for the sandboxes of a machine and
//! for pods.
//!
//! What stands here is about the way out alone. Where programs are found, and which terminal and language somebody has,
//! is for whoever starts a sandbox to say.

/// Where sandboxd's proxy listens inside.
const PROXY: &str = "http://127.0.0.1:3128";
/// What never needs the proxy: servers that the agent starts itself.
const NO_PROXY: &str = "localhost,127.0.0.1,::1";

/// The way out for tools that know proxies. Both cases: curl reads `http_proxy` in lower case only.
const PROXIES: &[(&str, &str)] = &[
    ("HTTP_PROXY", PROXY),
    ("HTTPS_PROXY", PROXY),
    ("ALL_PROXY", PROXY),
    ("http_proxy", PROXY),
    ("https_proxy", PROXY),
    ("all_proxy", PROXY),
    ("NO_PROXY", NO_PROXY),
    ("no_proxy", NO_PROXY),
    // Node's own fetch and https look at proxy variables only when told to (22.21, 24.5 and later).
    ("NODE_USE_ENV_PROXY", "1"),
];

/// The gateway's CA for each tool that does not read the system's bundle by itself.
const BUNDLES: &[&str] = &[
    "SSL_CERT_FILE",       // OpenSSL, Go, Ruby, rustls-native-certs, uv
    "CURL_CA_BUNDLE",      // curl built with another default, old requests
    "REQUESTS_CA_BUNDLE",  // Python requests, which ships certifi's bundle
    "PIP_CERT",            // pip, which ships certifi's bundle
    "NODE_EXTRA_CA_CERTS", // Node, which has its bundle compiled in
    "npm_config_cafile",   // npm, where the machine's own settings name another
    "DENO_CERT",           // Deno, likewise
    "GIT_SSL_CAINFO",      // git with any TLS library
    "CARGO_HTTP_CAINFO",   // cargo, whose libcurl is compiled in
    "AWS_CA_BUNDLE",       // boto3 and the AWS CLI
];

/// What makes tools take the way out, and trust the CAs in the file `bundle`.
pub fn way_out(bundle: &str) -> impl Iterator<Item = (&'static str, &str)> {
    PROXIES.iter().copied().chain(BUNDLES.iter().map(move |name| (*name, bundle)))
}

/// What a pod's container has. `HOME` is where its user can write: an image that does not know him has `/`.
pub fn in_pod<'a>(bundle: &'a str, home: &'a str) -> impl Iterator<Item = (&'static str, &'a str)> {
    [("HOME", home)].into_iter().chain(way_out(bundle))
}

/// Who programs run as.
pub fn person<'a>(user: &'a str, home: &'a str) -> [(&'static str, &'a str); 3] {
    [("HOME", home), ("USER", user), ("LOGNAME", user)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_comes_twice_and_every_bundle_is_the_one() {
        let all: Vec<_> = person("agent", "/home/agent").into_iter().chain(way_out("/ca.crt")).collect();
        let names: BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.contains(&("HOME", "/home/agent")) && all.contains(&("GIT_SSL_CAINFO", "/ca.crt")));
        assert!(all.contains(&("https_proxy", "http://127.0.0.1:3128")));
    }
}
