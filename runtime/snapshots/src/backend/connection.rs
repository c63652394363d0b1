//! The HTTP client for a bucket.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::limits;

/// A client that trusts the system's certificates and those of `ca`, follows no redirect, and uses a proxy only if it
/// is not for this machine.
pub(super) fn client(ca: Option<&[u8]>, loopback: bool) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder();
    if loopback {
        builder = builder.no_proxy();
    }
    builder
        .tls_backend_preconfigured(tls(ca)?)
        .connect_timeout(limits::CONNECT)
        // A signature is for one address.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("exeat/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(described)
}

fn tls(ca: Option<&[u8]>) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    // What of the system's cannot be read is left out; without any, connecting fails.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(ca.unwrap_or_default()) {
        let certificate = certificate.map_err(|error| format!("the extra CA cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("the extra CA is no certificate: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(versions.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

/// Whether a host is this machine, to which nobody can listen on the way.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An error with its causes, which reqwest's own message leaves out.
pub(super) fn described(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
