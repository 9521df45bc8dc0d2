//! The certificate for TLS clients, exchanged without a restart when its file changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use anyhow::{Context, Result};
use dimpl::DtlsCertificate;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureAlgorithm};

/// A certificate and key from two files, and when they were last changed.
#[derive(Debug)]
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<(Loaded, Changed)>,
}

/// The same certificate for both engines.
#[derive(Clone, Debug)]
struct Loaded {
    tls: Arc<CertifiedKey>,
    /// The leaf; only with an ECDSA key, which is all that the DTLS engine can use.
    dtls: Option<DtlsCertificate>,
}

type Changed = [Option<SystemTime>; 2];

impl Certificate {
    /// Reads both files (PEM).
    ///
    /// # Errors
    /// The file that cannot be read, or what is wrong in it.
    pub fn read(certificate: &Path, key: &Path) -> Result<Arc<Certificate>> {
        let changed = changed(certificate, key);
        let current = RwLock::new((load(certificate, key)?, changed));
        Ok(Arc::new(Certificate {
            certificate: certificate.into(),
            key: key.into(),
            current,
        }))
    }

    /// The certificate for a new DTLS connection, if its key is of a kind that can be used there.
    pub(crate) fn for_dtls(&self) -> Option<DtlsCertificate> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .dtls
            .clone()
    }

    /// Says so if DTLS is off because of the key.
    pub(crate) fn warn_without_dtls(&self) {
        if self.for_dtls().is_none() {
            tracing::warn!(
                certificate = %self.certificate.display(),
                "DTLS is off, as its engine needs an ECDSA key and this certificate has another one; TLS works. For DTLS \
                 too, ask for an ECDSA certificate (certbot: --key-type ecdsa)"
            );
        }
    }

    /// Reads the files again if they have changed. What cannot be read leaves the old certificate in place.
    ///
    /// Returns whether there is a new certificate.
    ///
    /// # Errors
    /// The file that cannot be read, or what is wrong in it.
    pub fn refresh(&self) -> Result<bool> {
        let now = changed(&self.certificate, &self.key);
        if self.current.read().unwrap_or_else(PoisonError::into_inner).1 == now {
            return Ok(false);
        }
        let loaded = load(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (loaded, now);
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.current
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .0
                .tls
                .clone(),
        )
    }
}

/// The TLS settings for clients: TLS 1.2 and 1.3, and `stun.turn` as RFC 7443 names it.
pub(crate) fn tls(certificate: Arc<Certificate>) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"stun.turn".to_vec(), b"stun.nat-discovery".to_vec()];
    Ok(Arc::new(config))
}

fn changed(certificate: &Path, key: &Path) -> Changed {
    [certificate, key].map(|path| fs::metadata(path).and_then(|about| about.modified()).ok())
}

fn load(certificate: &Path, key: &Path) -> Result<Loaded> {
    let unreadable = |what: &str, path: &Path| format!("cannot read the {what} {} (PEM)", path.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| unreadable("certificate", certificate))?;
    let key_der = PrivateKeyDer::from_pem_file(key).with_context(|| unreadable("private key", key))?;
    let signer = any_supported_type(&key_der).with_context(|| unreadable("private key", key))?;
    let certified = CertifiedKey::new(chain, signer);
    certified.keys_match().with_context(|| {
        format!(
            "the private key {} does not belong to the certificate {}",
            key.display(),
            certificate.display()
        )
    })?;
    let leaf = certified.cert.first().map(|leaf| leaf.to_vec());
    let ecdsa = certified.key.algorithm() == SignatureAlgorithm::ECDSA;
    let dtls = leaf.filter(|_| ecdsa).map(|certificate| DtlsCertificate {
        certificate,
        private_key: key_der.secret_der().to_vec(),
    });
    Ok(Loaded {
        tls: Arc::new(certified),
        dtls,
    })
}
