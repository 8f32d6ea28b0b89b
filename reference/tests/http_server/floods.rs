//! More of everything than anybody needs. The server goes on, for others too.

use std::time::Instant;

use avp::transport::Running;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, Ended, GOAWAY, HEADERS, Http2, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, literal, request,
};
use crate::numbers::{limited, number, until, until_nothing_is_in_flight};
use crate::peers::{PATIENCE, Raw, ask, start};

/// Code of GOAWAY for a peer that does what costs it nothing.
const ENHANCE_YOUR_CALM: u32 = 11;

fn lives(server: &Running) {
    assert_eq!(ask(server, "GET", "/health", b"").status, 200);
    assert_eq!(ask(server, "POST", "/avp/v2/handshake", b"{}").status, 200);
    until_nothing_is_in_flight(server);
}

#[test]
fn too_many_or_too_long_headers_over_http1() {
    let server = start(limited(|_| {}));
    let many: String = (0..100).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(20 << 10));
    let endless = format!("GET /{} HTTP/1.1\r\n", "y".repeat(20 << 10));
    for headers in [many, long] {
        let got = Raw::to(&server).ask("GET", "/health", &headers, b"").unwrap();
        assert_eq!(got.status, 431, "{got:?}");
    }
    let got = Raw::to(&server).send(endless.as_bytes()).read();
    assert!(got.is_none_or(|got| (400..500).contains(&got.status)));
    // Never a line's end: what is held of it is bounded, and so is how long it is listened to.
    let mut peer = Raw::to(&server);
    peer.send(b"GET /health HTTP/1.1\r\nx: ");
    let more = [b'y'; 64 << 10];
    let begun = Instant::now();
    while std::io::Write::write_all(&mut peer.0, &more).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "an endless header is listened to for ever");
    }
    lives(&server);
}

#[test]
fn too_many_or_too_long_headers_over_http2() {
    let server = start(limited(|_| {}));
    let long = "y".repeat(20 << 10);
    let mut peer = Http2::to(&server);
    // In frames of the size that every peer takes.
    let block = [request("GET", "/health", &[]), literal("x", &long)].concat();
    let pieces: Vec<_> = block.chunks(10 << 10).collect();
    peer.frame(HEADERS, 1, 1, pieces[0]);
    for (at, piece) in pieces.iter().enumerate().skip(1) {
        peer.frame(CONTINUATION, if at + 1 == pieces.len() { END_HEADERS } else { 0 }, 1, piece);
    }
    match peer.ended(1) {
        // 431, and no body.
        Ended::Answered(body) => assert!(body.is_empty()),
        Ended::Reset(_) | Ended::Closed => {}
    }
    // Names that the peer's table holds once and the block names often: large only once decoded.
    let mut peer = Http2::to(&server);
    let kept = [&[0x40][..], &literal("x", &"y".repeat(3000))[1..]].concat();
    let block = [request("GET", "/health", &[]), kept, vec![0xbe; 4000]].concat();
    peer.frame(HEADERS, END_HEADERS | 1, 1, &block);
    match peer.ended(1) {
        Ended::Answered(body) => assert!(body.is_empty()),
        Ended::Reset(_) | Ended::Closed => {}
    }
    lives(&server);
}

#[test]
fn continuations_without_end() {
    let server = start(limited(|_| {}));
    for piece in [&b""[..], &literal("x", "y"), &literal("x", &"y".repeat(1000))] {
        let mut peer = Http2::to(&server);
        peer.frame(HEADERS, 0, 1, &request("GET", "/health", &[]));
        let continuation = frame(CONTINUATION, 0, 1, piece);
        let begun = Instant::now();
        while peer.send(&continuation.repeat(100)) {
            assert!(begun.elapsed() < PATIENCE, "an endless block is listened to for ever");
        }
        peer.closed();
    }
    lives(&server);
}

#[test]
fn streams_that_are_reset_as_fast_as_they_are_opened() {
    let server = start(limited(|_| {}));
    for path in ["/health", "/avp/v2/handshake", "/avp/v2/transmit", "/v1/chat/completions"] {
        let mut peer = Http2::to(&server);
        let begun = Instant::now();
        let mut ids = (1..).step_by(2);
        loop {
            // Many at once: the server sees most of them reset before it could begin to answer.
            let burst: Vec<u8> = ids
                .by_ref()
                .take(500)
                .flat_map(|id| {
                    let headers = frame(HEADERS, END_HEADERS, id, &request("POST", path, &[]));
                    [headers, frame(RST_STREAM, 0, id, &8u32.to_be_bytes())].concat()
                })
                .collect();
            if !peer.send(&burst) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{path}: it may go on for ever");
        }
        let codes = peer.closed();
        assert!(codes.iter().all(|&code| code == ENHANCE_YOUR_CALM), "{codes:?}");
        drop(peer);
        lives(&server);
    }
    until("nothing is left of them", || number(&server, "avp_connections") <= 1.0);
}

#[test]
fn whole_uploads_that_are_reset_at_their_end() {
    // The budget is too small for two of them, were it not given back.
    let server = start(limited(|limits| {
        crate::limits::small(limits);
        limits.max_in_flight = (2 << 20) + (64 << 10);
        limits.max_requests = 4;
    }));
    let zeros = avp::Encoder::new().compression(avp::Compression::Fast);
    let bytes = zeros.encode(&avp::Metadata::default(), &vec![0; 1_000_000]).unwrap();
    assert!(bytes.len() < 1000);
    let mut peer = Http2::to(&server);
    for n in 0..40 {
        let id = 1 + 2 * n;
        peer.open(id, "POST", "/avp/v2/transmit", &[]);
        peer.frame(DATA, 1, id, &bytes);
        peer.frame(RST_STREAM, 0, id, &8u32.to_be_bytes());
    }
    drop(peer);
    until_nothing_is_in_flight(&server);
    assert_eq!(ask(&server, "POST", "/avp/v2/transmit", &bytes).status, 200);
    lives(&server);
}

#[test]
fn control_frames_without_end() {
    let server = start(limited(|limits| limits.send_timeout = std::time::Duration::from_millis(200)));
    let window = [&4u16.to_be_bytes()[..], &65_535u32.to_be_bytes()].concat();
    let floods = [
        ("ping", frame(PING, 0, 0, &[7; 8])),
        ("settings", frame(SETTINGS, 0, 0, &window)),
        ("window", frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes())),
        ("empty data", frame(DATA, 0, 1, b"")),
        ("unknown", frame(0xfa, 0, 0, &[0; 100])),
        ("priority", frame(2, 0, 3, &[0, 0, 0, 5, 1])),
    ];
    for (name, one) in floods {
        let mut peer = Http2::to(&server);
        peer.open(1, "POST", "/avp/v2/text", &[]);
        let many = one.repeat(1000);
        // None of its answers is read: the server may stop to listen, or throw it out.
        peer.stream.set_write_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
        for _ in 0..100 {
            if !peer.send(&many) {
                break;
            }
        }
        lives(&server);
        println!("{name}: dealt with");
    }
    until("nothing is left of them", || number(&server, "avp_connections") <= 1.0);
}

#[test]
fn frames_that_no_peer_may_send() {
    let server = start(limited(|_| {}));
    let wrong = [
        ("too large", frame(DATA, 0, 1, &[0; 100 << 10])),
        ("data of nothing", frame(DATA, 0, 1, b"x")),
        ("headers on stream 0", frame(HEADERS, END_HEADERS, 0, &request("GET", "/health", &[]))),
        ("an even stream", frame(HEADERS, END_HEADERS, 2, &request("GET", "/health", &[]))),
        ("window of 0", frame(WINDOW_UPDATE, 0, 0, &0u32.to_be_bytes())),
        ("window beyond", frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffffu32.to_be_bytes()).repeat(2)),
        ("half a ping", frame(PING, 0, 0, &[0; 4])),
        ("bad compression", frame(HEADERS, END_HEADERS, 1, &[0xff; 20])),
        ("a lone continuation", frame(CONTINUATION, END_HEADERS, 1, b"")),
        ("a push", frame(5, END_HEADERS, 1, &[0, 0, 0, 2])),
    ];
    for (name, bytes) in wrong {
        let mut peer = Http2::to(&server);
        peer.send(&bytes);
        let mut frames = std::iter::from_fn(|| peer.next());
        assert!(frames.any(|frame| frame.kind == GOAWAY && frame.code() != 0), "{name}");
        drop(peer);
    }
    lives(&server);
}
