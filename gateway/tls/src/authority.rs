//! The gateway's certificate authority: made on first start, trusted inside sandboxes and nowhere else. And, by an authority of
//! another name, certificates for servers of our own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exeat_core::Host;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// Clocks in sandboxes and here may differ by this much.
const SKEW: Duration = Duration::hours(1);
const AUTHORITY_LIFE: Duration = Duration::days(3650);
/// Well below the 398 days that clients accept; a leaf is made anew each day anyway.
const LEAF_LIFE: Duration = Duration::days(7);

/// A certificate and its key. Only whoever keeps them asks for the key, and nothing prints it.
pub struct Pair {
    certificate: String,
    key: Zeroizing<String>,
}

impl Pair {
    /// Out of what was kept, both as PEM.
    pub fn new(certificate: String, key: String) -> Self {
        Pair { certificate, key: Zeroizing::new(key) }
    }

    /// The certificate as PEM; where it is not an authority's own, its authority's behind it.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The key as PEM, for whoever keeps it.
    pub fn expose_key_pem(&self) -> &str {
        &self.key
    }

    /// Until when the certificate counts, in seconds since 1970.
    ///
    /// # Errors
    /// [`AuthorityError::Unusable`] where it is none.
    pub fn expires(&self) -> Result<i64, AuthorityError> {
        let certificate = parse(&self.certificate)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).map_err(unusable)?;
        Ok(parsed.validity().not_after.timestamp())
    }
}

/// A certificate authority whose key stays where it is kept: in a folder, readable by its owner alone, or where the caller has it.
pub struct Authority {
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    /// One key for all leaf certificates of this process: making one for each host would cost more and protect nothing.
    leaf_key: KeyPair,
}

impl Authority {
    /// Opens the authority in `directory` (`ca.pem`, `ca.key`), or makes one where there is none.
    ///
    /// # Errors
    /// [`AuthorityError`] for files that cannot be read or written, that do not belong together, or that others may read.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        let (certificate, key) = (directory.join("ca.pem"), directory.join("ca.key"));
        match (certificate.exists(), key.exists()) {
            (false, false) => {
                let pair = Self::make("Exeat gateway")?;
                write(directory, &certificate, &key, &pair)?;
                Self::of(&pair)
            }
            (true, true) => Self::of(&read(&certificate, &key)?),
            _ => Err(AuthorityError::Half(directory.to_owned())),
        }
    }

    /// The authority whose certificate and key these are.
    ///
    /// # Errors
    /// [`AuthorityError::Unusable`] where they are none, or do not belong together.
    pub fn of(pair: &Pair) -> Result<Self, AuthorityError> {
        let certificate = parse(&pair.certificate)?;
        let key = KeyPair::from_pem(&pair.key)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).map_err(unusable)?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(AuthorityError::Unusable("the key is not the certificate's".to_owned()));
        }
        let certificate_pem = pair.certificate.clone();
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Authority { certificate_pem, certificate, issuer, leaf_key: KeyPair::generate()? })
    }

    /// A new authority of this name, for whoever will keep it.
    ///
    /// # Errors
    /// [`AuthorityError::Unusable`] where no key can be made.
    pub fn make(name: &str) -> Result<Pair, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - SKEW, now + AUTHORITY_LIFE);
        Ok(Pair::new(params.self_signed(&key)?.pem(), key.serialize_pem()))
    }

    /// A certificate and a key for a server of our own, chained to the authority, that count for so many days.
    ///
    /// # Errors
    /// [`AuthorityError::Unusable`] where no key can be made.
    pub fn make_for(&self, host: &Host, days: i64) -> Result<Pair, AuthorityError> {
        let key = KeyPair::generate()?;
        let leaf = leaf(host, Duration::days(days))?.signed_by(&key, &self.issuer)?;
        Ok(Pair::new(format!("{}{}", leaf.pem(), self.certificate_pem), key.serialize_pem()))
    }

    /// The certificate that its clients trust, as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A certificate for `host`, chained to the authority.
    pub(crate) fn issue(&self, host: &Host) -> Result<CertifiedKey, AuthorityError> {
        let leaf = leaf(host, LEAF_LIFE)?.signed_by(&self.leaf_key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let key = any_ecdsa_type(&key).map_err(|error| AuthorityError::Unusable(error.to_string()))?;
        Ok(CertifiedKey::new(vec![leaf.der().clone(), self.certificate.clone()], Arc::clone(&key)))
    }
}

/// What stands in a server's certificate.
fn leaf(host: &Host, life: Duration) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![match host {
        Host::Name(name) => SanType::DnsName(name.as_str().try_into()?),
        Host::Address(address) => SanType::IpAddress(*address),
    }];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - SKEW, now + life);
    Ok(params)
}

fn parse(pem: &str) -> Result<CertificateDer<'static>, AuthorityError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(unusable)
}

fn unusable(error: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::Unusable(error.to_string())
}

fn write(directory: &Path, certificate: &Path, key: &Path, pair: &Pair) -> Result<(), AuthorityError> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io_error(directory))?;
    // The key goes first: a certificate without its key is seen as half made, and nothing trusts it yet.
    write_new(key, &pair.key, 0o600)?;
    write_new(certificate, &pair.certificate, 0o644)?;
    File::open(directory).and_then(|folder| folder.sync_all()).map_err(io_error(directory))
}

fn read(certificate: &Path, key: &Path) -> Result<Pair, AuthorityError> {
    let mode = fs::metadata(key).map_err(io_error(key))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(AuthorityError::Exposed(key.to_owned()));
    }
    let text = |path| fs::read_to_string(path).map_err(io_error(path));
    Ok(Pair::new(text(certificate)?, text(key)?))
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(io_error(path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io_error(path))
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> AuthorityError + '_ {
    move |error| AuthorityError::Io(path.to_owned(), error)
}

/// Why there is no certificate authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("`{0}`: {1}")]
    Io(PathBuf, #[source] std::io::Error),
    /// One of the two files is missing.
    #[error(
        "`{0}` holds only one of `ca.pem` and `ca.key`; put the other back, or remove both and start again to make new ones"
    )]
    Half(PathBuf),
    /// Others can read the key.
    #[error("others may read `{0}`: `chmod 600` it, and remove both files to make new ones if somebody may have")]
    Exposed(PathBuf),
    /// The files do not hold a certificate and a key that can be used.
    #[error("the certificate authority cannot be used: {0}")]
    Unusable(String),
}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        AuthorityError::Unusable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_what_was_kept_of_it() {
        let pair = Authority::make("test").unwrap();
        let again = Authority::of(&Pair::new(pair.certificate_pem().to_owned(), pair.expose_key_pem().to_owned()));
        assert_eq!(again.unwrap().certificate_pem(), pair.certificate_pem());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (Authority::make("one").unwrap(), Authority::make("other").unwrap());
        let mixed = Pair::new(one.certificate_pem().to_owned(), other.expose_key_pem().to_owned());
        assert!(matches!(Authority::of(&mixed), Err(AuthorityError::Unusable(_))));
        for (certificate, key) in [("", one.expose_key_pem()), (one.certificate_pem(), ""), ("x", "y")] {
            assert!(Authority::of(&Pair::new(certificate.to_owned(), key.to_owned())).is_err());
        }
    }

    #[test]
    fn a_server_of_our_own_gets_a_certificate_that_counts_as_long_as_asked() {
        let authority = Authority::of(&Authority::make("test").unwrap()).unwrap();
        let pair = authority.make_for(&"exeat-webhook.exeat-system.svc".parse().unwrap(), 90).unwrap();
        let left = pair.expires().unwrap() - OffsetDateTime::now_utc().unix_timestamp();
        assert!((89 * 86_400..=90 * 86_400).contains(&left), "{left}");
        assert_eq!(pair.certificate_pem().matches("BEGIN CERTIFICATE").count(), 2);
    }
}
