//! Servers that refuse, break off, stall, or answer what can't be believed.

use std::time::Duration;

use avp::ErrorClass;
use avp::transport::client::ClientOptions;
use avp::transport::client::blocking::Client;
use serde_json::json;

use crate::server::{self, Reaction, Server};
use crate::{message, options, text};

fn client(server: &Server) -> Client {
    Client::new(&server.url(), options()).unwrap()
}

#[test]
fn refusals_carry_status_and_class() {
    for (status, code, peer) in [
        (400, "decode", Some(ErrorClass::Decode)),
        (401, "unauthorized", None),
        (409, "session_expired", Some(ErrorClass::SessionExpired)),
        (500, "configuration", Some(ErrorClass::Configuration)),
        (503, "busy", None),
        (599, "x", None),
        (201, "x", None),
    ] {
        let body = json!({"success": false, "message": "no\u{1b}[2J", "code": code});
        let server = Server::start(move |_, _| server::json(status, &body));
        let client = client(&server);
        for error in [client.transmit(message(9)).unwrap_err(), client.text(&text("t")).unwrap_err()] {
            assert_eq!((error.class, error.status), (ErrorClass::Transport, Some(status)), "AVP-HTTP-020");
            assert_eq!(error.peer, peer);
            assert!(error.found.contains("no\\u{1b}"), "{error}");
        }
        assert_eq!(client.health().unwrap_err().status, Some(status));
        assert_eq!(server.requests().len(), 3, "none is sent twice");
    }
}

#[test]
fn other_peoples_error_pages_are_measured_not_shown() {
    let server = Server::always(500, "content-type: text/plain\r\n", b"s3cret traceback");
    let error = client(&server).text(&text("t")).unwrap_err();
    assert_eq!(error.found, "status 500 with 16 bytes of \"text/plain\"");
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Server::always(200, "content-type: application/json\r\n", b"{}");
    for status in [301, 302, 303, 307, 308] {
        let head =
            format!("HTTP/1.1 {status} X\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
        let server = Server::start(move |_, _| Reaction::Raw(head.clone().into_bytes()));
        let client = client(&server);
        for error in [
            client.transmit(message(9)).unwrap_err(),
            client.health().unwrap_err(),
            client.handshake().unwrap_err(),
        ] {
            assert_eq!(error.status, Some(status));
            assert!(error.expected.contains("redirects are not followed"), "{error}");
        }
    }
    assert_eq!(elsewhere.connections(), 0, "a token goes nowhere else");
}

#[test]
fn a_server_that_stalls_is_left_when_the_time_is_over() {
    let stalls: [fn() -> Reaction; 2] = [
        || Reaction::Stall,
        // Or says that more is coming than comes. The test's server closes, so this one ends earlier.
        || Reaction::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_vec()),
    ];
    for stall in stalls {
        let server = Server::start(move |_, _| stall());
        let timeout = Duration::from_millis(200);
        let client = Client::new(&server.url(), ClientOptions { timeout, ..options() }).unwrap();
        for error in [client.transmit(message(9)).unwrap_err(), client.health().unwrap_err()] {
            assert_eq!((error.class, error.status), (ErrorClass::Transport, None), "AVP-HTTP-022: {error}");
        }
    }
    let server = Server::start(|_, _| Reaction::Stall);
    let timeout = Duration::from_millis(200);
    let client = Client::new(&server.url(), ClientOptions { timeout, ..options() }).unwrap();
    assert_eq!(client.health().unwrap_err().found, "none within 200ms");
    assert_eq!(ClientOptions::default().timeout, Duration::from_secs(30), "AVP-HTTP-022");
}

#[test]
fn answers_that_break_off_are_errors() {
    for raw in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"success\":true",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a\":",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}   ",
        b"\x16\x03\x01\x00\x02\x02\x28",
    ] {
        let bytes = raw.to_vec();
        let server = Server::start(move |_, _| Reaction::Raw(bytes.clone()));
        let error = client(&server).transmit(message(9)).unwrap_err();
        assert_eq!((error.class, error.status), (ErrorClass::Transport, None), "{:?}", raw.escape_ascii());
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn giant_answers_are_given_up() {
    /// More than the client reads, less than it would take to see memory grow.
    const GIANT: usize = 11 << 20;
    let announced = Server::start(|_, _| {
        Reaction::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec())
    });
    let sent = Server::start(|_, _| Reaction::Answer(200, "", vec![b' '; GIANT]));
    let chunked = Server::start(|_, _| {
        let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        bytes.extend(format!("{GIANT:x}\r\n").into_bytes());
        bytes.resize(bytes.len() + GIANT, b' ');
        Reaction::Raw(bytes)
    });
    for server in [announced, sent, chunked] {
        let error = client(&server).health().unwrap_err();
        assert_eq!(error.class, ErrorClass::LimitExceeded, "{error}");
    }
    // The words of a refusal may be long too; its status is enough.
    let refusing = Server::start(|_, _| Reaction::Answer(500, "", vec![b' '; GIANT]));
    assert_eq!(client(&refusing).health().unwrap_err().status, Some(500));
}

#[test]
fn answers_that_are_no_json_objects_are_errors() {
    let json = "content-type: application/json\r\n";
    let deep = [vec![b'['; 5000], vec![b']'; 5000]].concat();
    for (headers, body) in [
        ("content-type: text/html\r\n", &b"{}"[..]),
        (json, b"<html>"),
        (json, b""),
        (json, b"[1]"),
        (json, b"{\"a\":\xff}"),
        (json, b"{\"success\":false,\"message\":\"no\"}"),
        (json, &deep),
    ] {
        let server = Server::always(200, headers, body);
        let error = client(&server).text(&text("t")).unwrap_err();
        assert_eq!((error.class, error.status), (ErrorClass::Transport, Some(200)), "{error}");
    }
    let server = Server::always(200, json, b"{\"status\":\"down\",\"data\":[{}]}");
    assert_eq!(client(&server).health().unwrap_err().field, "health.status");
    assert_eq!(client(&server).models().unwrap_err().field, "models.data");
}

#[test]
fn texts_that_no_peer_reads_are_not_sent() {
    let server = Server::always(200, "", b"{}");
    let error = client(&server).text(&text(&"x".repeat(11 << 20))).unwrap_err();
    assert_eq!(error.class, ErrorClass::LimitExceeded);
    assert_eq!(server.connections(), 0);
}

#[test]
fn times_that_the_clock_has_no_number_for_are_refused() {
    let beyond = ClientOptions::MAX_TIMEOUT + Duration::from_nanos(1);
    for time in [Duration::MAX, Duration::from_secs(10_000_000_000_000_000_000), beyond] {
        for (field, options) in [
            ("timeout", ClientOptions { timeout: time, ..options() }),
            ("connect_timeout", ClientOptions { connect_timeout: time, ..options() }),
        ] {
            let error = Client::new("http://127.0.0.1:9", options).unwrap_err();
            assert_eq!((error.class, error.field), (ErrorClass::Configuration, field), "{time:?}");
        }
    }
    let server = Server::always(200, "", b"{\"status\": \"ok\"}");
    let most = ClientOptions::MAX_TIMEOUT;
    let longest = ClientOptions { timeout: most, connect_timeout: most, ..options() };
    Client::new(&server.url(), longest).unwrap().health().unwrap();
}
