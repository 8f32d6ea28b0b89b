//! TLS of the binding: 1.2 and 1.3, nothing older (AVP-SEC-002), 1.3 where both can (AVP-SEC-003).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, crypto, version};

use crate::error::{Error, ErrorClass, Result, excerpt};

/// Longest PEM text that is read: a chain has a few certificates of 2 KiB, a bundle of all public roots some 250 KiB.
pub const MAX_PEM_BYTES: usize = 1 << 20;

/// How long a development certificate is good. It is made anew with every start of a server that has no other.
const DEVELOPMENT_VALIDITY: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How far the clocks of two machines may differ before a fresh certificate is not valid yet.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 60 * 60);

/// Names that every development certificate has beside those asked for.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A server's certificate and key, ready for connections: HTTP/2 before HTTP/1.1 by ALPN, no early data, so that nobody can
/// replay a request.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// Of a certificate chain in PEM, the server's own certificate first, and its private key in PEM: PKCS#8, PKCS#1 or
    /// SEC1, not encrypted.
    ///
    /// # Errors
    /// `configuration` when a file has no certificate, no key or a damaged one, or when the key belongs to another
    /// certificate.
    pub fn from_pem(certificate_chain: &[u8], key: &[u8]) -> Result<Self> {
        let chain = certificates(certificate_chain)?;
        Self::of(chain, private_key(key)?)
    }

    /// A fresh certificate that signs itself, for host names and addresses beside `localhost`, 127.0.0.1 and ::1, and the
    /// certificate in PEM, for clients to trust. Its key is nowhere but in memory.
    ///
    /// # Errors
    /// `configuration` when a name can't stand in a certificate.
    pub fn development(names: &[String]) -> Result<(Self, String)> {
        let mut all: Vec<_> = LOOPBACK_NAMES.map(str::to_owned).into();
        for name in names {
            if name.is_empty() || name.contains(['*', '/', ' ']) {
                return Err(refused("tls.names", "host names and addresses", excerpt(name)));
            }
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
        let failed = |error: rcgen::Error| refused("tls.names", "names for a certificate", error.to_string());
        let mut params = CertificateParams::new(all).map_err(failed)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "AVP development");
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
        params.not_after = epoch + now + DEVELOPMENT_VALIDITY;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok((Self::of(vec![certificate.der().clone()], key)?, certificate.pem()))
    }

    /// What a listener needs.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    fn of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self> {
        // Named here: a process may have two providers linked in, and then has none by default.
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| refused("tls.versions", "TLS 1.2 and 1.3", error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    refused("tls.key", "the key of the certificate", "the key of another one")
                }
                rustls::Error::InvalidCertificate(error) => {
                    refused("tls.certificate", "a certificate of X.509", format!("{error:?}"))
                }
                error => refused("tls.key", "a certificate and its key", error.to_string()),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config) })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the configuration: it holds the key.
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// All certificates of a PEM text, at least one.
///
/// # Errors
/// `configuration` when there is none, or a damaged one.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    check_length(text, "tls.certificate")?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| damaged("tls.certificate", "certificates in PEM", &error))?;
    if chain.is_empty() {
        let found = sections(text);
        return Err(refused("tls.certificate", "a certificate in the PEM", found));
    }
    Ok(chain)
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>> {
    const EXPECTED: &str = "a private key in the PEM, PKCS#8, PKCS#1 or SEC1";
    check_length(text, "tls.key")?;
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => refused("tls.key", EXPECTED, sections(text)),
        error => damaged("tls.key", EXPECTED, &error),
    })
}

fn check_length(text: &[u8], field: &'static str) -> Result<()> {
    match text.len() {
        0..=MAX_PEM_BYTES => Ok(()),
        longer => Err(refused(field, format!("at most {MAX_PEM_BYTES} bytes"), format!("{longer} bytes"))),
    }
}

/// What a PEM text holds in place of what was looked for. Labels only, never content.
fn sections(text: &[u8]) -> String {
    const BEGIN: &str = "-----BEGIN ";
    /// Enough to see that the wrong file was named.
    const SHOWN: usize = 4;
    let text = String::from_utf8_lossy(text);
    let labels: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix(BEGIN)?.trim_end().strip_suffix("-----"))
        .take(SHOWN)
        .collect();
    if labels.is_empty() { "none".to_owned() } else { excerpt(&labels.join(", ")) }
}

/// In words of our own: those of the reader may quote lines of the file.
fn damaged(field: &'static str, expected: &'static str, error: &pem::Error) -> Error {
    let found = match error {
        pem::Error::MissingSectionEnd { .. } => "a section without an end",
        pem::Error::IllegalSectionStart { .. } => "a damaged BEGIN line",
        pem::Error::Base64Decode(_) => "a section that is no base64",
        pem::Error::SectionTooLarge => "a section that is too long",
        pem::Error::NoItemsFound => "none",
        _ => "a text that can't be read",
    };
    refused(field, expected, found)
}

fn refused(field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, field, expected, found)
}

#[cfg(test)]
mod tests;
