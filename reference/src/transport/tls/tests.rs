use std::io::Cursor;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, ServerConnection};

use super::*;

fn pair(names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Connects in memory: which version and which protocol two ends agree on.
fn connect(
    tls: &ServerTls,
    trusted: &str,
    name: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
    protocols: &[&str],
) -> Result<(ProtocolVersion, Option<Vec<u8>>), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(tls.config()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = Cursor::new(bytes);
        while server.read_tls(&mut rest).unwrap() > 0 {
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = Cursor::new(bytes);
        while client.read_tls(&mut rest).unwrap() > 0 {
            client.process_new_packets()?;
        }
    }
    Ok((client.protocol_version().unwrap(), client.alpn_protocol().map(<[u8]>::to_vec)))
}

#[test]
fn the_newest_version_and_http2_are_chosen() {
    let (tls, pem) = ServerTls::development(&[]).unwrap();
    let both = &[&version::TLS12, &version::TLS13];
    let chosen = connect(&tls, &pem, "localhost", both, &["http/1.1", "h2"]).unwrap();
    assert_eq!(chosen, (ProtocolVersion::TLSv1_3, Some(b"h2".to_vec())));
    let chosen = connect(&tls, &pem, "localhost", &[&version::TLS12], &["http/1.1"]).unwrap();
    assert_eq!(chosen, (ProtocolVersion::TLSv1_2, Some(b"http/1.1".to_vec())));
    assert_eq!(connect(&tls, &pem, "localhost", both, &[]).unwrap().1, None);
}

/// The first message of a client that can do no more than the version with that number: 0x0301 is 1.0, 0x0302 1.1.
fn hello_of(version: u16) -> Vec<u8> {
    let mut hello = version.to_be_bytes().to_vec();
    hello.extend([7; 32]);
    // No session id; AES-128-CBC with ECDHE-RSA and with RSA, which such clients have; no compression.
    hello.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
    // Signatures of RSA with SHA-256: without a list of them the version is not even looked at.
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 1]);
    let mut message = vec![1, 0, 0, hello.len() as u8];
    message.extend(hello);
    let mut record = vec![22, 3, 1, 0, message.len() as u8];
    record.extend(message);
    record
}

#[test]
fn older_versions_are_refused_with_the_alert_for_it() {
    const ALERT: u8 = 21;
    const PROTOCOL_VERSION: u8 = 70;
    let (tls, _) = ServerTls::development(&[]).unwrap();
    for version in [0x0300, 0x0301, 0x0302] {
        let mut server = ServerConnection::new(tls.config()).unwrap();
        server.read_tls(&mut Cursor::new(hello_of(version))).unwrap();
        server.process_new_packets().unwrap_err();
        let mut answer = Vec::new();
        server.write_tls(&mut answer).unwrap();
        assert_eq!((answer[0], answer.last()), (ALERT, Some(&PROTOCOL_VERSION)), "{version:04x}");
    }
}

#[test]
fn development_certificates_hold_for_their_names_alone() {
    let (tls, pem) = ServerTls::development(&["box.lan".into(), "10.1.2.3".into()]).unwrap();
    let versions = &[&version::TLS13];
    for name in ["localhost", "127.0.0.1", "::1", "box.lan", "10.1.2.3"] {
        connect(&tls, &pem, name, versions, &[]).unwrap();
    }
    for name in ["other.lan", "10.1.2.4", "x.box.lan"] {
        connect(&tls, &pem, name, versions, &[]).unwrap_err();
    }
    // Another one with the same names is not trusted for it.
    let (_, other) = ServerTls::development(&[]).unwrap();
    connect(&tls, &other, "localhost", versions, &[]).unwrap_err();
}

#[test]
fn names_that_no_certificate_has_are_refused() {
    for name in ["", "*", "*.lan", "a b", "https://a", "ü.lan"] {
        let error = ServerTls::development(&[name.to_owned()]).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Configuration, "tls.names"), "{name:?}");
    }
}

#[test]
fn files_serve_when_they_fit() {
    let (certificate, key) = pair(&["a.test"]);
    let tls = ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    connect(&tls, &certificate, "a.test", &[&version::TLS13], &[]).unwrap();
    // Both in one file, as many tools write them, in any order.
    let both = format!("{key}{certificate}");
    ServerTls::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
}

#[test]
fn files_that_do_not_fit_are_named_with_their_problem() {
    let (certificate, key) = pair(&["a.test"]);
    let (_, other) = pair(&["a.test"]);
    let cut = &certificate[..certificate.len() / 2];
    let garbled = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let long = " ".repeat(MAX_PEM_BYTES + 1);
    for (chain, key, field, found) in [
        ("", &*key, "tls.certificate", "none"),
        (&*key, &*key, "tls.certificate", "PRIVATE KEY"),
        (cut, &*key, "tls.certificate", "without an end"),
        (garbled, &*key, "tls.certificate", "no base64"),
        (empty, &*key, "tls.certificate", "BadEncoding"),
        (&*long, &*key, "tls.certificate", "bytes"),
        (&*certificate, "", "tls.key", "none"),
        (&*certificate, &*certificate, "tls.key", "CERTIFICATE"),
        (&*certificate, encrypted, "tls.key", "ENCRYPTED PRIVATE KEY"),
        (&*certificate, no_key, "tls.key", ""),
        (&*certificate, &*long, "tls.key", "bytes"),
        (&*certificate, &*other, "tls.key", "another"),
    ] {
        let error = ServerTls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Configuration, field), "{error}");
        assert!(error.found.contains(found), "{error}");
    }
}

#[test]
fn keys_are_in_no_text() {
    let (certificate, key) = pair(&["a.test"]);
    let tls = ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(format!("{tls:?}"), "ServerTls { .. }");
    // A damaged key: what can be read of it stays out of the error.
    let secret = key.lines().nth(1).unwrap();
    let damaged = key.replace("-----END", "!!\n-----END");
    for key in [damaged, key.replace("-----END PRIVATE KEY-----", ""), key.replace("BEGIN", "BEGIN X")] {
        let error = ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&secret[..16]), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(bytes: Vec<u8>, text in "(-----(BEGIN|END) (CERTIFICATE|PRIVATE KEY)-----\n|[A-Za-z0-9+/=]{0,64}\n){0,6}") {
        for text in [&bytes[..], text.as_bytes()] {
            let _ = ServerTls::from_pem(text, text);
        }
    }
}
