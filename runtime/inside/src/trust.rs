//! Where programs look for the CAs that they trust.

/// Debian's place. In a sandbox of a machine the others are links to it.
pub const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where distributions keep their bundle. Whatever a sandbox's image is, a bundle at all of these is found.
pub const PLACES: &[&str] = &[
    BUNDLE,                                              // Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",                  // older RHEL
    "/etc/ssl/ca-bundle.pem",                            // openSUSE
    "/etc/ssl/cert.pem",                                 // Alpine
];
