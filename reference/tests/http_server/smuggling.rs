//! Requests of HTTP/1.1 whose end two readers could see in two places. Never two answers for one, and never a hang.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use avp::transport::{Running, ServerOptions};

use crate::numbers::limited;
use crate::peers::{Raw, ask, start};

/// A server that soon gives up waiting for more, so that what comes of a request is known.
fn impatient() -> Running {
    start(limited(|limits| {
        limits.header_timeout = Duration::from_millis(500);
        limits.body_idle_timeout = Duration::from_millis(500);
    }))
}

/// The answers to each of those, all asked at once, on connections that stay open.
fn answers<'a, T: AsRef<[u8]> + Sync>(server: &Running, cases: &'a [T]) -> Vec<(&'a T, Vec<u16>)> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = cases
            .iter()
            .map(|case| {
                let mut peer = Raw::to(server);
                scope.spawn(move || {
                    peer.send(case.as_ref());
                    let mut all = Vec::new();
                    if let Err(error) = peer.0.read_to_end(&mut all) {
                        assert!(
                            !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                            "a hang"
                        );
                    }
                    (case, statuses(&all))
                })
            })
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    text.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}

/// What a proxy could have taken for part of the first request's body.
const HIDDEN: &str = "GET /health HTTP/1.1\r\nhost: h\r\n\r\n";

fn post(headers: &str, body: &str) -> String {
    format!("POST /avp/v2/handshake HTTP/1.1\r\nhost: h\r\n{headers}\r\n\r\n{body}")
}

#[test]
fn two_lengths_have_one_answer_at_most() {
    let chunked = format!("2\r\n{{}}\r\n0\r\n\r\n{HIDDEN}");
    let cases = [
        post("content-length: 4\r\ntransfer-encoding: chunked", &chunked),
        post("transfer-encoding: chunked\r\ncontent-length: 4", &chunked),
        post(&format!("content-length: {}\r\ntransfer-encoding: chunked", chunked.len()), &chunked),
        post("content-length: 2\r\ncontent-length: 40", &format!("{{}}{HIDDEN}")),
        post("content-length: 2, 40", &format!("{{}}{HIDDEN}")),
        post("transfer-encoding: chunked, gzip", &chunked),
        post("transfer-encoding: identity", &chunked),
        post("transfer-encoding: chunked\r\ntransfer-encoding: identity", &chunked),
        post("transfer-encoding: xchunked", &chunked),
        post("transfer-encoding : chunked", &chunked),
        post("content-length : 2", &format!("{{}}{HIDDEN}")),
        post("content-length: -1", &format!("{{}}{HIDDEN}")),
        post("content-length: +2", &format!("{{}}{HIDDEN}")),
        post("content-length: 0x2", &format!("{{}}{HIDDEN}")),
        post("content-length: 18446744073709551618", &format!("{{}}{HIDDEN}")),
        post("content-length:", &format!("{{}}{HIDDEN}")),
        post("content-length: 2\r\n 0", &format!("{{}}{HIDDEN}")),
        post("transfer-encoding:\r\n chunked", &chunked),
        post("transfer-encoding: chunked", &chunked).replacen("HTTP/1.1", "HTTP/1.0", 1),
    ];
    for (case, statuses) in answers(&impatient(), &cases) {
        assert!(statuses.len() <= 1, "{case}: {statuses:?}");
    }
}

/// A request whose length is clear, and one behind it that is as clear: both are answered, in their order.
#[test]
fn what_is_clear_is_answered_one_by_one() {
    let server = start(ServerOptions::default());
    let chunked = format!("2\r\n{{}}\r\n0\r\n\r\n{HIDDEN}");
    for bytes in [
        post("content-length: 2", &format!("{{}}{HIDDEN}")),
        post("content-length: 2\r\ncontent-length: 2", &format!("{{}}{HIDDEN}")),
        post("transfer-encoding: chunked", &chunked),
        post("Transfer-Encoding: Chunked", &chunked),
    ] {
        let mut peer = Raw::to(&server);
        peer.send(bytes.as_bytes());
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        while statuses(&all).len() < 2 {
            let len = peer.0.read(&mut piece).unwrap();
            assert!(len > 0, "{bytes}");
            all.extend_from_slice(&piece[..len]);
        }
        assert_eq!(statuses(&all), [200, 200], "{bytes}");
    }
}

#[test]
fn chunks_that_are_none() {
    let long = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(100_000));
    let bodies = [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}xx0\r\n\r\n",
        "\r\n2\r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "2",
        "2\r\n{",
        "2\r\n{}\r\n0\r\n",
        "",
        &long,
    ];
    let cases = bodies.map(|body| post("transfer-encoding: chunked", &format!("{body}{HIDDEN}")));
    for (case, statuses) in answers(&impatient(), &cases) {
        assert!(
            statuses.len() <= 1 && statuses.iter().all(|status| *status >= 400),
            "{case:.140}: {statuses:?}"
        );
    }
    // Trailers say nothing, however many there are.
    let trailers = "x: y\r\n".repeat(10_000);
    let many = post("transfer-encoding: chunked", &format!("2\r\n{{}}\r\n0\r\n{trailers}\r\n"));
    assert!(answers(&impatient(), &[many]).iter().all(|(_, statuses)| statuses.len() <= 1));
}

#[test]
fn request_lines_and_headers_that_are_none() {
    let cases: [&[u8]; 16] = [
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET  /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1 \r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\n: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nx\r\n\r\n",
        b"GET /health HTTP/1.1\r\nx: a\0b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nx: a\rb\r\n\r\n",
        b"GET /health HTTP/1.1\r\nx y: z\r\n\r\n",
        b"GET /health HTTP/1.1\r\n x: y\r\n\r\n",
        b"GET /hea\0lth HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /health HTTP/1.1\r\nx: \xff\xfe\r\n",
        &[0xff; 1000],
    ];
    let server = impatient();
    for (case, statuses) in answers(&server, &cases) {
        assert!(statuses.len() <= 1, "{}: {statuses:?}", case.escape_ascii());
        assert!(statuses.iter().all(|&status| status == 400), "{}: {statuses:?}", case.escape_ascii());
    }
    assert_eq!(ask(&server, "GET", "/health", b"").status, 200);
}

#[test]
fn requests_that_others_read_otherwise_have_one_answer() {
    let upgrade = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__";
    let cases = [
        // Lines that end in a line feed alone.
        "GET /health HTTP/1.1\nhost: h\n\n".to_owned(),
        // Switching to another protocol is not on offer.
        format!("GET /health HTTP/1.1\r\nhost: h\r\n{upgrade}\r\n\r\n"),
        // A whole address in place of a path names this server, whatever it says.
        "GET http://elsewhere.example/health HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(),
    ];
    for (case, statuses) in answers(&impatient(), &cases) {
        assert_eq!(statuses, [200], "{case}");
    }
    let connect = "CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n";
    for (_, statuses) in answers(&impatient(), &[connect]) {
        assert!(statuses.iter().all(|&status| status >= 400), "{statuses:?}");
    }
}
