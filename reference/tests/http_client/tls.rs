//! Certificates, versions of TLS, versions of HTTP.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use avp::ErrorClass;
use avp::transport::ServerTls;
use avp::transport::client::blocking::Client;
use avp::transport::client::{ClientOptions, HttpVersion};
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, Version, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use crate::options;
use crate::server::{self, Server};

fn healthy(tls: ServerTls) -> Server {
    Server::with(Some(tls), 0, |_, _| server::json(200, &json!({"status": "ok"})))
}

fn trusting(pem: &str) -> ClientOptions {
    ClientOptions { roots: vec![pem.as_bytes().to_vec()], insecure_loopback: false, ..options() }
}

#[test]
fn certificates_are_verified() {
    let (tls, pem) = ServerTls::development(&[]).unwrap();
    let server = healthy(tls);
    Client::new(&server.url(), trusting(&pem)).unwrap().health().unwrap();
    let (_, other) = ServerTls::development(&[]).unwrap();
    let before = server.connections();
    for options in [ClientOptions { roots: Vec::new(), ..trusting("") }, trusting(&other)] {
        let error = match Client::new(&server.url(), options) {
            Ok(client) => client.health().unwrap_err(),
            // A machine without any roots has nothing to verify by.
            Err(error) => {
                assert_eq!((error.class, error.field), (ErrorClass::Configuration, "tls.roots"));
                continue;
            }
        };
        assert_eq!(error.class, ErrorClass::Transport, "AVP-SEC-004");
        assert!(error.found.contains("TLS refused"), "{error}");
    }
    assert!(server.connections() <= before + 2, "the same certificate is not asked for again");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn certificates_hold_for_their_names() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["other.example".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let server = healthy(ServerTls::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap());
    let error = Client::new(&server.url(), trusting(&pem)).unwrap().health().unwrap_err();
    assert!(error.found.contains("TLS refused"), "{error}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn roots_that_are_none_are_refused() {
    for pem in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = Client::new("https://a.example", trusting(pem)).unwrap_err();
        assert_eq!(error.class, ErrorClass::Configuration, "{error}");
    }
}

/// A server that answers every hello with one of TLS in that version, and gives back the hello.
fn old_server(version: u8) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let hello = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&hello);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut record = [0; 5];
            stream.read_exact(&mut record).unwrap();
            let mut body = vec![0; usize::from(u16::from_be_bytes([record[3], record[4]]))];
            stream.read_exact(&mut body).unwrap();
            *seen.lock().unwrap() = body;
            // Version, 32 random bytes, no session, AES-128-CBC with ECDHE-RSA, no compression.
            let mut answer = vec![3, version];
            answer.extend([5; 32]);
            answer.extend([0, 0xc0, 0x13, 0]);
            let mut message = vec![2, 0, 0, answer.len() as u8];
            message.extend(answer);
            let mut record = vec![22, 3, version, 0, message.len() as u8];
            record.extend(message);
            let _ = stream.write_all(&record);
        }
    });
    (url, hello)
}

#[test]
fn versions_below_1_2_are_refused() {
    for version in [0, 1, 2] {
        let (url, hello) = old_server(version);
        let (_, pem) = ServerTls::development(&[]).unwrap();
        let error = Client::new(&url, trusting(&pem)).unwrap().health().unwrap_err();
        assert_eq!(error.class, ErrorClass::Transport, "AVP-SEC-002");
        assert!(error.found.contains("TLS refused"), "{error}");
        // Nor are they offered: the list of versions has 1.3 and 1.2 alone, 1.3 first (AVP-SEC-003).
        let hello = hello.lock().unwrap();
        let offered = [0, 43, 0, 5, 4, 3, 4, 3, 3];
        assert!(hello.windows(offered.len()).any(|bytes| bytes == offered));
    }
}

/// A server of HTTP/1.1 and HTTP/2 that says in which it was asked.
fn two_versions(runtime: &tokio::runtime::Runtime, tls: Option<ServerTls>) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    None => {
                        // Clients with prior knowledge start like this.
                        let mut start = [0; 3];
                        stream.peek(&mut start).await.unwrap();
                        answer(stream, start == *b"PRI").await;
                    }
                    Some(tls) => {
                        let stream = TlsAcceptor::from(tls.config()).accept(stream).await.unwrap();
                        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        answer(stream, http2).await;
                    }
                }
            });
        }
    });
    format!("{scheme}://{address}")
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let version = if request.version() == Version::HTTP_2 { "2" } else { "1.1" };
        let body = format!(r#"{{"data":[{{"id":"{version}"}}]}}"#);
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
    });
    let stream = TokioIo::new(stream);
    // The client may hang up as it likes.
    let _ = match http2 {
        true => http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await,
        false => http1::Builder::new().serve_connection(stream, service).await,
    };
}

#[test]
fn http_2_by_alpn_and_by_prior_knowledge() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (tls, pem) = ServerTls::development(&[]).unwrap();
    let (encrypted, clear) = (two_versions(&runtime, Some(tls)), two_versions(&runtime, None));
    for (url, version, spoken) in [
        (&encrypted, HttpVersion::Auto, "2"),
        (&encrypted, HttpVersion::Http1, "1.1"),
        (&encrypted, HttpVersion::Http2, "2"),
        (&clear, HttpVersion::Auto, "1.1"),
        (&clear, HttpVersion::Http1, "1.1"),
        (&clear, HttpVersion::Http2, "2"),
    ] {
        let options = ClientOptions { version, insecure_loopback: true, ..trusting(&pem) };
        assert_eq!(
            Client::new(url, options).unwrap().models().unwrap(),
            [spoken],
            "{url} {version:?}: AVP-HTTP-023"
        );
    }
}
