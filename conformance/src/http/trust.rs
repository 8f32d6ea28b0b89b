//! What is trusted, and certificates of the harness's own.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Names that the harness's own certificate is for.
const OWN_NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Why nothing can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The given text holds no certificate.
    #[error("no certificate in the PEM text")]
    Empty,
    /// It does not parse.
    #[error("the PEM text does not parse: {0}")]
    Pem(String),
    /// What the TLS library says.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// No certificate could be made.
    #[error("no certificate of the harness's own: {0}")]
    Own(#[from] rcgen::Error),
}

/// A client that trusts these certificates, or this machine's roots, and offers these protocols.
pub(super) fn client(pem: Option<&str>, alpn: &[&[u8]]) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    match pem {
        Some(pem) => {
            for certificate in certificates(pem)? {
                roots.add(certificate)?;
            }
        }
        None => {
            // Those that can't be read are not trusted, which the handshake tells.
            for certificate in rustls_native_certs::load_native_certs().certs {
                let _ = roots.add(certificate);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| TrustError::Pem(error.to_string()))?;
    if all.is_empty() { Err(TrustError::Empty) } else { Ok(all) }
}

/// Checks that a text holds certificates.
///
/// # Errors
/// [`TrustError`] when it does not.
pub fn check_pem(pem: &str) -> Result<(), TrustError> {
    certificates(pem).map(drop)
}

/// A server with a certificate that nobody signed but itself, and that certificate as PEM.
pub(super) fn self_signed() -> Result<(ServerConfig, String), TrustError> {
    let names: Vec<String> = OWN_NAMES.map(str::to_owned).to_vec();
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|error| TrustError::Pem(error.to_owned()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, made.cert.pem()))
}
