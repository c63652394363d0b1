//! A certificate authority that lives as long as a test or a demo does, and whose key never touches a disk.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;

/// A throw-away certificate authority for the names that origins answer to.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as rustls takes them.
pub struct Issued {
    /// The certificate. Its issuer is the authority itself, so there is no chain.
    pub certificate: CertificateDer<'static>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Makes a new authority with a key of its own.
    ///
    /// # Errors
    /// [`Error::Certificate`] if no key can be generated.
    pub fn new() -> Result<Self, Error> {
        let name = "Exeat demo authority";
        let failed = |source| Error::Certificate { names: name.to_owned(), source };
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        Ok(Authority { issuer: CertifiedIssuer::self_signed(params, key).map_err(failed)? })
    }

    /// The authority's own certificate, for clients to trust.
    pub fn ca_pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a server certificate for DNS names and addresses.
    ///
    /// # Errors
    /// [`Error::Certificate`] for what is neither.
    pub fn issue(&self, names: &[&str]) -> Result<Issued, Error> {
        let failed = |source| Error::Certificate { names: names.join("`, `"), source };
        let owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(owned).map_err(failed)?;
        if let Some(first) = names.first() {
            params.distinguished_name.push(DnType::CommonName, *first);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Python refuses a leaf without it since 3.13.
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Issued { certificate: certificate.into(), key: PrivateKeyDer::from(key) })
    }

    /// A TLS server's configuration for DNS names and addresses, which offers h2 and HTTP/1.1.
    ///
    /// # Errors
    /// [`Error::Certificate`] for what is neither a name nor an address.
    pub fn server_config(&self, names: &[&str]) -> Result<ServerConfig, Error> {
        let issued = self.issue(names)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![issued.certificate], issued.key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
