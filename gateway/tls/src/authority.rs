//! The gateway's certificate authority: made on first start, trusted inside sandboxes and nowhere else.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exeat_core::Host;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

/// Clocks in sandboxes and here may differ by this much.
const SKEW: Duration = Duration::hours(1);
const AUTHORITY_LIFE: Duration = Duration::days(3650);
/// Well below the 398 days that clients accept; a leaf is made anew each day anyway.
const LEAF_LIFE: Duration = Duration::days(7);

/// A certificate authority whose key stays in its folder, readable by its owner alone.
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
            (false, false) => Self::create(directory, &certificate, &key),
            (true, true) => Self::read(&certificate, &key),
            _ => Err(AuthorityError::Half(directory.to_owned())),
        }
    }

    /// The certificate that sandboxes trust, as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    fn create(directory: &Path, certificate: &Path, key: &Path) -> Result<Self, AuthorityError> {
        let key_pair = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Exeat gateway");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - SKEW, now + AUTHORITY_LIFE);
        let pem = params.self_signed(&key_pair)?.pem();

        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io_error(directory))?;
        // The key goes first: a certificate without its key is seen as half made, and nothing trusts it yet.
        write_new(key, &key_pair.serialize_pem(), 0o600)?;
        write_new(certificate, &pem, 0o644)?;
        File::open(directory).and_then(|folder| folder.sync_all()).map_err(io_error(directory))?;
        Self::assemble(pem, key_pair)
    }

    fn read(certificate: &Path, key: &Path) -> Result<Self, AuthorityError> {
        let mode = fs::metadata(key).map_err(io_error(key))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(AuthorityError::Exposed(key.to_owned()));
        }
        let pem = fs::read_to_string(certificate).map_err(io_error(certificate))?;
        let key_pair = KeyPair::from_pem(&fs::read_to_string(key).map_err(io_error(key))?)?;
        Self::assemble(pem, key_pair)
    }

    fn assemble(certificate_pem: String, key: KeyPair) -> Result<Self, AuthorityError> {
        use rustls::pki_types::pem::PemObject;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| AuthorityError::Unusable(error.to_string()))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Authority { certificate_pem, certificate, issuer, leaf_key: KeyPair::generate()? })
    }

    /// A certificate for `host`, chained to the authority.
    pub(crate) fn issue(&self, host: &Host) -> Result<CertifiedKey, AuthorityError> {
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
        (params.not_before, params.not_after) = (now - SKEW, now + LEAF_LIFE);
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let key = any_ecdsa_type(&key).map_err(|error| AuthorityError::Unusable(error.to_string()))?;
        Ok(CertifiedKey::new(vec![leaf.der().clone(), self.certificate.clone()], Arc::clone(&key)))
    }
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
