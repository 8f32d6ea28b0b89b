//! TLS of a server as peers meet it on its port (AVP-SEC-001…004).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use avp::transport::{Running, ServerOptions, ServerTls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, version};

use crate::numbers::{limited, number, until};
use crate::peers::{PATIENCE, Raw, start};

fn protected() -> (Running, String) {
    let (tls, pem) = ServerTls::development(&[]).unwrap();
    (start(ServerOptions { tls: Some(tls), ..limited(|_| {}) }), pem)
}

fn config(
    trusted: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
    alpn: &[&str],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection whose handshake has ended.
fn connect(server: &Running, config: &Arc<ClientConfig>, name: &'static str) -> std::io::Result<Tls> {
    let client = ClientConnection::new(Arc::clone(config), ServerName::try_from(name).unwrap());
    let mut stream = StreamOwned::new(client.map_err(std::io::Error::other)?, Raw::to(server).0);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn health(stream: &mut Tls) -> String {
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

#[test]
fn the_newest_version_is_preferred_and_1_2_is_taken() {
    let (server, pem) = protected();
    for (versions, chosen) in
        [(BOTH, ProtocolVersion::TLSv1_3), (&[&version::TLS12][..], ProtocolVersion::TLSv1_2)]
    {
        let mut stream =
            connect(&server, &Arc::new(config(&pem, versions, &["http/1.1"])), "localhost").unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(chosen));
        assert!(health(&mut stream).ends_with(r#"{"status":"ok"}"#));
    }
}

/// The first message of a client that can do no more than the version with that number.
fn hello_of(version: u16) -> Vec<u8> {
    let mut hello = version.to_be_bytes().to_vec();
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 1]);
    let message = [&[1, 0, 0, hello.len() as u8][..], &hello].concat();
    [&[22, 3, 1, 0, message.len() as u8][..], &message].concat()
}

#[test]
fn older_versions_are_refused() {
    let (server, _) = protected();
    // SSL 3.0, TLS 1.0 and 1.1.
    for version in [0x0300, 0x0301, 0x0302] {
        let mut peer = Raw::to(&server);
        peer.send(&hello_of(version));
        let mut answer = Vec::new();
        let _ = peer.0.read_to_end(&mut answer);
        // A fatal alert, protocol_version, and the end.
        assert_eq!((answer.len(), answer[0], &answer[5..]), (7, 21, &[2, 70][..]), "{version:04x}");
    }
    until("all three are told", || number(&server, "avp_refusals_total{code=\"tls\"}") == 3.0);
}

#[test]
fn both_versions_of_http_by_their_names_and_no_other_protocol() {
    let (server, pem) = protected();
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = connect(&server, &Arc::new(config(&pem, BOTH, offered)), "localhost").unwrap();
        assert_eq!(stream.conn.alpn_protocol(), chosen, "{offered:?}");
    }
    let error = connect(&server, &Arc::new(config(&pem, BOTH, &["smtp"])), "localhost").unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    // Who has agreed on HTTP/1.1 and speaks HTTP/2 has an answer of HTTP/1.1, or none.
    let mut stream = connect(&server, &Arc::new(config(&pem, BOTH, &["http/1.1"])), "localhost").unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
}

#[test]
fn cleartext_on_its_port_is_not_answered() {
    let (server, _) = protected();
    for bytes in
        [&b"GET /health HTTP/1.1\r\nhost: h\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0; 4096]]
    {
        let mut peer = Raw::to(&server);
        peer.send(bytes);
        let mut answer = Vec::new();
        let _ = peer.0.read_to_end(&mut answer);
        assert!(answer.len() < 16 && !answer.starts_with(b"HTTP"), "{answer:?}");
    }
}

#[test]
fn certificates_hold_for_their_names_and_for_who_trusts_them() {
    let (server, pem) = protected();
    let config = Arc::new(config(&pem, BOTH, &["http/1.1"]));
    for name in ["localhost", "127.0.0.1"] {
        assert!(health(&mut connect(&server, &config, name).unwrap()).contains("200 OK"));
    }
    let error = connect(&server, &config, "elsewhere.example").unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    // Another server of the same name.
    let (other, _) = protected();
    let error = connect(&other, &config, "localhost").unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    // The server goes on: those who break off harm nobody.
    assert!(health(&mut connect(&server, &config, "localhost").unwrap()).contains("200 OK"));
}

#[test]
fn nothing_is_taken_before_the_handshake_has_ended() {
    let (server, pem) = protected();
    let mut config = config(&pem, &[&version::TLS13], &["http/1.1"]);
    config.enable_early_data = true;
    let config = Arc::new(config);
    // A first connection, so that there is a ticket for the second.
    assert!(health(&mut connect(&server, &config, "localhost").unwrap()).contains("200 OK"));
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::clone(&config), name).unwrap();
    // Without early data nobody can send a request again that somebody else has sent.
    assert!(client.early_data().is_none());
    let mut socket = Raw::to(&server).0;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    while client.is_handshaking() {
        client.complete_io(&mut socket).unwrap();
    }
    assert!(!client.is_early_data_accepted());
}

#[test]
fn a_handshake_that_is_damaged_ends_the_connection_alone() {
    let (server, pem) = protected();
    let good = hello_of(0x0303);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        let mut peer = Raw::to(&server);
        peer.send(&bytes);
        // Damaged lengths wait for more, which never comes.
        peer.0.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = peer.0.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer[0] == 21 || answer[0] == 22, "{at}: {answer:?}");
    }
    let config = Arc::new(config(&pem, BOTH, &["http/1.1"]));
    assert!(health(&mut connect(&server, &config, "localhost").unwrap()).contains("200 OK"));
}
