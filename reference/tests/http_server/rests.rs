//! What a refused peer still sends, and answers without a body.

use std::time::Duration;

use avp::transport::ServerOptions;

use crate::frames::{END_STREAM, Ended, Http2, RST_STREAM};
use crate::numbers::limited;
use crate::peers::{PATIENCE, Raw, start};

const PATH: &str = "/avp/v2/transmit";
const BODY: usize = 256 << 10;
/// No message begins like this: it is refused by its first bytes.
const BAD_START: &[u8] = b"this is no message";

#[test]
fn a_head_has_the_headers_alone() {
    let server = start(ServerOptions::default());
    let mut peer = Http2::to(&server);
    for (stream, path) in [(1, "/health"), (3, "/v1/models"), (5, "/nowhere")] {
        let ended = peer.ask(stream, "HEAD", path, b"");
        assert!(matches!(&ended, Ended::Answered(body) if body.is_empty()), "{path} {ended:?}");
    }
    let mut peer = Raw::to(&server);
    for path in ["/health", "/nowhere"] {
        peer.send(format!("HEAD {path} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes());
    }
    // A body between the two would be taken for the second one's head.
    let mut all = String::new();
    peer.send(b"GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    std::io::Read::read_to_string(&mut peer.0, &mut all).unwrap();
    let heads: Vec<_> = all.split("\r\n\r\n").collect();
    assert_eq!(heads.len(), 4, "{all}");
    assert!(heads[0].contains("content-length: 15") && heads[1].starts_with("HTTP/1.1 404"), "{all}");
}

#[test]
fn who_sends_on_after_a_refusal_is_not_cut_off() {
    let server = start(ServerOptions::default());
    let mut peer = Http2::to(&server);
    peer.open(1, "POST", PATH, &[]);
    peer.frame(crate::frames::DATA, 0, 1, BAD_START);
    assert_eq!(peer.ended(1).json()["code"], "invalid_magic");
    peer.finish(1, &[0; BODY]);
    peer.open(3, "GET", "/health", &[]);
    peer.finish(3, b"");
    loop {
        let frame = peer.next().unwrap();
        assert!((frame.kind, frame.stream) != (RST_STREAM, 1), "{frame:?}");
        if frame.stream == 3 && frame.flags & END_STREAM != 0 {
            break;
        }
    }

    let head = |more: &str| {
        let len = BAD_START.len() + BODY;
        format!("POST {PATH} HTTP/1.1\r\nhost: h\r\ncontent-length: {len}\r\n{more}\r\n").into_bytes()
    };
    let mut peer = Raw::to(&server);
    assert_eq!(peer.send(&head("")).send(BAD_START).read().unwrap().status, 400);
    assert_eq!(peer.send(&[0; BODY]).ask("GET", "/health", "", b"").unwrap().status, 200);

    // Nor who was asked to go on.
    let mut peer = Raw::to(&server);
    let mut told = [0; 25];
    peer.send(&head("expect: 100-continue\r\n"));
    std::io::Read::read_exact(&mut peer.0, &mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(peer.send(BAD_START).read().unwrap().status, 400);
    assert_eq!(peer.send(&[0; BODY]).ask("GET", "/health", "", b"").unwrap().status, 200);
}

#[test]
fn who_waits_to_be_asked_for_a_body_is_not_waited_for() {
    let server = start(limited(|limits| limits.body_idle_timeout = 2 * PATIENCE));
    let mut peer = Raw::to(&server);
    let headers = "content-length: 99999999\r\nexpect: 100-continue";
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: h\r\n{headers}\r\n\r\n");
    assert_eq!(peer.send(head.as_bytes()).read().unwrap().status, 413);
    // Whether the body comes nobody knows: the connection is closed.
    assert_eq!(std::io::Read::read(&mut peer.0, &mut [0]).unwrap(), 0);
}

#[test]
fn who_may_not_ask_is_not_read_on() {
    let server = start(limited(|limits| limits.body_idle_timeout = 2 * PATIENCE));
    let cases = [
        ("POST", "/nowhere", "", 404),
        ("PUT", PATH, "", 405),
        ("POST", PATH, "origin: http://elsewhere\r\n", 403),
    ];
    for (method, path, header, status) in cases {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 99999999\r\n{header}\r\n");
        let mut peer = Raw::to(&server);
        assert_eq!(peer.send(head.as_bytes()).send(BAD_START).read().unwrap().status, status);
        // Closed at once: the end may be told as a reset, since bytes were not read.
        match std::io::Read::read(&mut peer.0, &mut [0]) {
            Ok(read) => assert_eq!(read, 0, "{status}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{status}"),
        }
    }
}

#[test]
fn a_rest_that_does_not_come_is_given_up() {
    let server = start(limited(|limits| limits.body_idle_timeout = Duration::from_millis(200)));
    let mut peer = Http2::to(&server);
    peer.open(1, "POST", PATH, &[]);
    peer.frame(crate::frames::DATA, 0, 1, BAD_START);
    assert_eq!(peer.ended(1).json()["code"], "invalid_magic");
    let ended = peer.ended(1);
    assert!(matches!(ended, Ended::Reset(0)), "{ended:?}");

    let mut peer = Raw::to(&server);
    peer.send(format!("POST {PATH} HTTP/1.1\r\nhost: h\r\ncontent-length: {BODY}\r\n\r\n").as_bytes());
    assert_eq!(peer.send(BAD_START).read().unwrap().status, 400);
    assert!(peer.read().is_none(), "the connection is closed");
}
