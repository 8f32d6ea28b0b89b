//! Peers that take their time: each phase of a connection ends within its own limit, all others being long.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use avp::transport::{Running, ServerLimits, ServerOptions, ServerTls};
use serde_json::json;

use crate::agents::{Event, held};
use crate::frames::{DATA, END_HEADERS, HEADERS, Http2, request};
use crate::numbers::{limited, number, until, until_nothing_is_in_flight};
use crate::peers::{PATIENCE, Raw, ask, handshake, start, start_with};

/// The limit that a test is about.
const SHORT: Duration = Duration::from_millis(200);
/// The same where something has to be asked and answered within it, on a machine that may be busy.
const UNHURRIED: Duration = Duration::from_secs(2);

/// All limits but the one that is set by `change` are too long to end anything here.
fn patient(change: impl FnOnce(&mut ServerLimits)) -> ServerOptions {
    limited(|limits| {
        let long = 10 * PATIENCE;
        (limits.tls_timeout, limits.header_timeout, limits.idle_timeout) = (long, long, long);
        (limits.body_idle_timeout, limits.answer_timeout, limits.send_timeout) = (long, long, long);
        change(limits);
    })
}

/// Reads until the server closes.
fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match stream.read_to_end(&mut all) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("still open after {PATIENCE:?}")
        }
        _ => all,
    }
}

/// Sends `bytes` over and over, one at a time, until something comes back or the server closes. What came back.
fn trickle(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    let begun = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut answer = [0; 4096];
    for byte in bytes.iter().cycle() {
        assert!(begun.elapsed() < PATIENCE, "a trickle is listened to for ever");
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        match stream.read(&mut answer) {
            Ok(len) => return answer[..len].to_vec(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    Vec::new()
}

fn head(headers: &str) -> Vec<u8> {
    format!("POST /avp/v2/transmit HTTP/1.1\r\nhost: h\r\n{headers}\r\n\r\n").into_bytes()
}

#[test]
fn a_tls_handshake_that_does_not_end() {
    let tls = ServerTls::development(&[]).unwrap().0;
    let server = start(ServerOptions { tls: Some(tls), ..patient(|limits| limits.tls_timeout = SHORT) });
    // Nothing at all, and the first bytes of a hello that goes on for 512.
    for sent in [&b""[..], &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]] {
        let mut peer = Raw::to(&server);
        peer.send(sent);
        assert!(closed(&mut peer.0).is_empty());
    }
    assert!(number(&server, "avp_refusals_total{code=\"tls_timeout\"}") >= 2.0);
}

#[test]
fn headers_that_do_not_end() {
    let server = start(patient(|limits| limits.header_timeout = SHORT));
    for sent in ["", "PRI * HTT", "G", "GET / HTTP/1.1\r\nhost: h\r\n"] {
        let mut peer = Raw::to(&server);
        peer.send(sent.as_bytes());
        closed(&mut peer.0);
    }
    let mut peer = Raw::to(&server);
    peer.send(b"GET /health HTTP/1.1\r\nx: ");
    trickle(&mut peer.0, b"a");

    // HTTP/2: after the preface, and in the midst of a header block.
    assert!(Http2::to(&server).closed().iter().all(|&code| code == 0));
    let mut peer = Http2::to(&server);
    peer.frame(HEADERS, 0, 1, &request("GET", "/health", &[]));
    peer.closed();
    until("all are gone", || number(&server, "avp_connections") == 0.0);
}

#[test]
fn a_connection_on_which_nothing_more_is_asked() {
    let server = start(patient(|limits| limits.header_timeout = UNHURRIED));
    let mut peer = Raw::to(&server);
    assert_eq!(peer.ask("GET", "/health", "", b"").unwrap().status, 200);
    closed(&mut peer.0);

    let server = start(patient(|limits| limits.idle_timeout = UNHURRIED));
    let mut peer = Http2::to(&server);
    assert_eq!(peer.ask(1, "GET", "/health", b"").json()["status"], "ok");
    // It says goodbye: nothing was wrong.
    assert!(peer.closed().iter().all(|&code| code == 0));
}

#[test]
fn a_body_that_stalls() {
    let server = start(patient(|limits| limits.body_idle_timeout = SHORT));
    for headers in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut peer = Raw::to(&server);
        let got = peer.send(&head(headers)).read().unwrap();
        assert_eq!((got.status, &got.json()["code"]), (408, &json!("timeout")), "{headers}");
    }
    let mut peer = Http2::to(&server);
    peer.open(1, "POST", "/avp/v2/text", &[]);
    peer.frame(DATA, 0, 1, b"{");
    assert_eq!(peer.ended(1).json()["code"], "timeout");
    until_nothing_is_in_flight(&server);
}

#[test]
fn a_body_that_trickles() {
    let server = start(patient(|limits| {
        limits.body_idle_timeout = SHORT;
        limits.min_body_rate = 1 << 20;
    }));
    let mut peer = Raw::to(&server);
    // The start of a good message, so that nothing but its pace is wrong.
    let bytes = crate::peers::message("", &[7; 5000]);
    peer.send(&head("content-length: 5100")).send(&bytes[..200]);
    let told = String::from_utf8(trickle(&mut peer.0, &[7])).unwrap();
    assert!(told.starts_with("HTTP/1.1 408") && told.contains("too slowly"), "{told}");
    until_nothing_is_in_flight(&server);
}

/// Whoever asks and asks and reads no answer is given up once nothing more goes into the connection.
#[test]
fn answers_that_are_never_read() {
    let server = start(patient(|limits| limits.send_timeout = SHORT));
    let mut peer = Raw::to(&server);
    peer.0.set_write_timeout(Some(PATIENCE)).unwrap();
    let questions = b"GET /health HTTP/1.1\r\nhost: h\r\n\r\n".repeat(1000);
    let error = loop {
        if let Err(error) = peer.0.write_all(&questions) {
            break error;
        }
    };
    assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    until("it is gone", || number(&server, "avp_connections") == 0.0);
}

/// HTTP/2 lets a peer forbid the server to send: nothing stalls on the socket then.
#[test]
fn answers_that_the_peer_does_not_allow_to_be_sent() {
    let server = start(patient(|limits| limits.send_timeout = SHORT));
    let mut peer = Http2::with_window(&server, 0);
    peer.open(1, "GET", "/v1/models", &[]);
    peer.open(3, "POST", "/avp/v2/handshake", &[]);
    peer.finish(3, b"{}");
    peer.closed();
    until("it is told", || number(&server, "avp_refusals_total{code=\"slow_reader\"}") == 1.0);
    until("it is gone", || number(&server, "avp_connections") == 0.0);
}

#[test]
fn answers_that_nobody_takes_take_up_no_place_of_others() {
    let server = start(patient(|limits| limits.max_requests = 2));
    let mut peer = Http2::with_window(&server, 0);
    for n in 0..20 {
        peer.open(1 + 2 * n, "POST", "/avp/v2/handshake", &[]);
        peer.finish(1 + 2 * n, b"{}");
    }
    until("all of them are answered", || {
        number(&server, "avp_requests_total{route=\"handshake\",status=\"200\"}") > 0.0
            && number(&server, "avp_request_seconds_count{route=\"handshake\"}") == 20.0
    });
    handshake(&server);
}

/// The model stands still for a reader that does not read, but not for long.
#[test]
fn a_stream_whose_reader_stops() {
    let (agent, holder) = held();
    let server = start_with(patient(|limits| limits.send_timeout = SHORT), agent);
    let body =
        json!({"model": "echo-1", "stream": true, "messages": [{"role": "user", "content": "endless"}]})
            .to_string();
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut first = Raw::to(&server);
    first.send(head.as_bytes()).send(body.as_bytes());
    first.0.read_exact(&mut [0; 100]).unwrap();
    holder.wait_for(Event::GivenUp);
    let mut second = Http2::with_window(&server, 100);
    second.open(1, "POST", "/v1/chat/completions", &[]);
    second.finish(1, body.as_bytes());
    holder.wait_for(Event::GivenUp);
    second.closed();
    // The model is free again.
    let got = ask_text(&server, "x");
    assert!(got.contains("x behind None"), "{got}");
}

fn ask_text(server: &Running, content: &str) -> String {
    let text = json!({"content": content}).to_string();
    String::from_utf8(ask(server, "POST", "/avp/v2/text", text.as_bytes()).body).unwrap()
}

#[test]
fn a_header_block_that_trickles_beside_an_upload_ends_with_the_upload() {
    let server = start(patient(|limits| {
        limits.body_idle_timeout = SHORT;
        limits.idle_timeout = SHORT;
    }));
    let mut peer = Http2::to(&server);
    peer.open(1, "POST", "/avp/v2/text", &[]);
    peer.frame(HEADERS, 0, 3, &request("GET", "/health", &[]));
    peer.closed();
    let mut whole = Http2::to(&server);
    whole.frame(HEADERS, END_HEADERS | 1, 1, &request("GET", "/health", &[]));
    assert_eq!(whole.ended(1).json()["status"], "ok");
}
