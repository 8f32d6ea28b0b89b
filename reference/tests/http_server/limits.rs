//! What is too large or too much is refused, early, and what it took is given back.

use avp::transport::{ServerLimits, ServerOptions, Tokens};
use avp::{Compression, Encoder, Metadata};
use serde_json::{Value, json};

use crate::frames::{Ended, Http2};
use crate::numbers::{limited, number, until, until_nothing_is_in_flight};
use crate::peers::{Got, Raw, ask, handshake, message, start};

const POSTS: [&str; 4] = ["/avp/v2/transmit", "/avp/v2/handshake", "/avp/v2/text", "/v1/chat/completions"];

/// Messages and bodies of 1 MiB at most.
pub(crate) fn small(limits: &mut ServerLimits) {
    (limits.message.max_message, limits.message.max_payload) = (1 << 20, 1 << 20);
    (limits.message.max_metadata, limits.max_json) = (1 << 10, 1 << 20);
}

/// A request's head without its body.
fn head(path: &str, headers: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: h\r\n{headers}\r\n\r\n").into_bytes()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// The binding's code, or that of a chat completion.
fn code(told: &Value) -> &str {
    told["code"].as_str().or_else(|| told["error"]["code"].as_str()).unwrap_or_else(|| panic!("{told}"))
}

fn assert_busy(got: &Got) {
    assert_eq!((got.status, code(&got.json())), (503, "busy"), "{got:?}");
    assert!(got.head.contains("\r\nretry-after: "), "{}", got.head);
}

#[test]
fn a_body_is_refused_by_its_announced_length_before_a_byte_of_it() {
    let server = start(ServerOptions::default());
    for path in POSTS {
        for length in [ServerLimits::MAX_JSON + 1, 1 << 40, i64::MAX as u64] {
            let mut peer = Raw::to(&server);
            let got = peer.send(&head(path, &format!("content-length: {length}"))).read().unwrap();
            assert_eq!((got.status, code(&got.json())), (413, "limit_exceeded"), "{path} {got:?}");

            let mut peer = Http2::to(&server);
            peer.open(1, "POST", path, &[("content-length", &length.to_string())]);
            assert_eq!(code(&peer.ended(1).json()), "limit_exceeded", "{path}");
        }
    }
    // Whoever waits to be asked for the body is never asked.
    let mut peer = Raw::to(&server);
    let headers = "content-length: 99999999\r\nexpect: 100-continue";
    assert_eq!(peer.send(&head(POSTS[0], headers)).read().unwrap().status, 413);
}

#[test]
fn a_body_that_announces_nothing_is_stopped_at_the_limit() {
    let server = start(limited(|limits| limits.max_json = 1000));
    for path in &POSTS[1..] {
        let mut peer = Raw::to(&server);
        peer.send(&head(path, "transfer-encoding: chunked"));
        // The body goes on; the answer does not wait for its end.
        for _ in 0..11 {
            peer.send(&chunk(&[b' '; 100]));
        }
        let got = peer.read().unwrap();
        assert_eq!((got.status, code(&got.json())), (413, "limit_exceeded"), "{path}");

        let mut peer = Http2::to(&server);
        peer.open(1, "POST", path, &[]);
        for _ in 0..11 {
            peer.frame(crate::frames::DATA, 0, 1, &[b' '; 100]);
        }
        assert_eq!(code(&peer.ended(1).json()), "limit_exceeded", "{path}");
    }
}

#[test]
fn nothing_may_follow_a_message() {
    let server = start(limited(|_| {}));
    let good = message("", &[7; 64]);
    let mut peer = Raw::to(&server);
    // In a piece of its own, behind which more could come.
    peer.send(&head(POSTS[0], "transfer-encoding: chunked")).send(&chunk(&good)).send(&chunk(b"x"));
    let got = peer.read().unwrap();
    let told = got.json();
    assert_eq!((got.status, &told["code"], &told["offset"]), (400, &json!("decode"), &json!(good.len())));

    let mut peer = Http2::to(&server);
    peer.open(1, "POST", POSTS[0], &[]);
    peer.frame(crate::frames::DATA, 0, 1, &good);
    peer.frame(crate::frames::DATA, 0, 1, b"x");
    assert_eq!(peer.ended(1).json(), told);
    until_nothing_is_in_flight(&server);
}

#[test]
fn the_answer_reaches_who_sends_on_all_the_same() {
    let server = start(limited(|limits| limits.max_json = 1000));
    let body = vec![b' '; 8 << 20];
    for path in &POSTS[1..] {
        let got = Raw::to(&server).ask("POST", path, "", &body).unwrap();
        assert_eq!(got.status, 413, "{path}");
    }
}

#[test]
fn a_bad_start_is_answered_while_the_upload_stalls() {
    let server = start(limited(|_| {}));
    let good = message("", &[7; 64]);
    let with = |at: usize, bytes: &[u8]| {
        let mut message = good.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    let metadata_end = 12 + u32::from_le_bytes(good[8..12].try_into().unwrap()) as usize;
    let too_long = u32::try_from(ServerLimits::MAX_JSON).unwrap().to_le_bytes();
    let cases: [(&str, Vec<u8>, usize, u64, &str); 6] = [
        ("magic", with(0, b"X"), 12, 400, "invalid_magic"),
        ("version", with(2, &[9]), 12, 400, "unsupported_version"),
        ("length", with(4, &too_long), 12, 413, "limit_exceeded"),
        ("metadata's length", with(8, &[255; 4]), 12, 400, "decode"),
        ("metadata too long", with(4, &[0, 0, 64, 0, 1, 0, 48, 0]), 12, 413, "limit_exceeded"),
        ("metadata", with(12, &[255; 4]), metadata_end, 400, "decode"),
    ];
    for (name, bytes, sent, status, code) in cases {
        for headers in ["content-length: 9000", "transfer-encoding: chunked"] {
            let mut peer = Raw::to(&server);
            peer.send(&head(POSTS[0], headers));
            for byte in &bytes[..sent] {
                peer.send(&if headers.starts_with('c') { vec![*byte] } else { chunk(&[*byte]) });
            }
            let got = peer.read().unwrap();
            assert_eq!((u64::from(got.status), got.json()["code"].as_str()), (status, Some(code)), "{name}");
        }
        let mut peer = Http2::to(&server);
        peer.open(1, "POST", POSTS[0], &[]);
        peer.frame(crate::frames::DATA, 0, 1, &bytes[..sent]);
        assert_eq!(peer.ended(1).json()["code"], code, "{name}");
    }
    until_nothing_is_in_flight(&server);
}

#[test]
fn bombs_are_refused_without_inflating() {
    let server = start(limited(|_| {}));
    let of = |frame: &[u8]| {
        let seed = Encoder::new().compression(Compression::Fast);
        let seed = seed.encode(&Metadata::default(), &[0; 4096]).unwrap();
        let head = 12 + u32::from_le_bytes(seed[8..12].try_into().unwrap()) as usize;
        let mut bytes = [&seed[..head], frame].concat();
        let len = u32::try_from(bytes.len() - 12).unwrap();
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes
    };
    // A frame that says 2^62 bytes, an honest one of 64 MiB, and one of 64 MiB that does not say.
    let zeros = vec![0; 64 << 20];
    let claims = [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &(1u64 << 62).to_le_bytes(), &[1, 0, 0]].concat();
    let sized = zstd::bulk::compress(&zeros, 3).unwrap();
    let unsized_ = zstd::stream::encode_all(&zeros[..], 3).unwrap();
    drop(zeros);
    for (name, frame) in [("claims", claims), ("sized", sized), ("unsized", unsized_)] {
        assert!(frame.len() < 10_000);
        let got = ask(&server, "POST", POSTS[0], &of(&frame));
        let told = got.json();
        assert_eq!((got.status, &told["code"]), (413, &json!("limit_exceeded")), "{name}: {told}");
    }
    until_nothing_is_in_flight(&server);
    assert_eq!(number(&server, "avp_contexts_bytes"), 0.0);
}

#[test]
fn connections_are_counted_and_closed_beyond_the_limit() {
    let all = |limits: &mut ServerLimits| limits.max_connections = 2;
    let one = |limits: &mut ServerLimits| limits.max_connections_of_one = 2;
    for change in [all as fn(&mut ServerLimits), one] {
        let server = start(limited(change));
        let mut open: Vec<_> = (0..2).map(|_| Raw::to(&server)).collect();
        for peer in &mut open {
            assert_eq!(peer.ask("GET", "/health", "", b"").unwrap().status, 200);
        }
        assert!(Raw::to(&server).ask("GET", "/health", "", b"").is_none());
        assert!(number(&server, "avp_refusals_total{code=\"connections\"}") >= 1.0);
        // Those that are there go on, and one that goes makes room.
        assert_eq!(open[1].ask("GET", "/health", "", b"").unwrap().status, 200);
        open.remove(0);
        until("room is made", || Raw::to(&server).ask("GET", "/health", "", b"").is_some());
    }
}

#[test]
fn requests_beyond_the_limit_are_told_to_come_again() {
    let server = start(limited(|limits| limits.max_requests = 1));
    let mut first = Raw::to(&server);
    first.send(&head(POSTS[1], "content-length: 2")).send(b"{");
    until("the first request is worked on", || number(&server, "avp_in_flight_bytes") > 0.0);
    assert_busy(&ask(&server, "POST", POSTS[1], b"{}"));
    // However busy the server is, whether it lives can be asked.
    assert_eq!(ask(&server, "GET", "/health", b"").status, 200);
    assert_eq!(first.send(b"}").read().unwrap().status, 200);
    until("room is made", || ask(&server, "POST", POSTS[1], b"{}").status == 200);
}

#[test]
fn one_peer_alone_leaves_room_for_others() {
    let mut options = limited(|limits| limits.max_requests_of_one = 1);
    options.tokens = Tokens::from_text("alice 0123456789abcdef\nbob fedcba9876543210\n").unwrap();
    let server = start(options);
    let ask_as = |secret: &str| {
        let token = format!("authorization: Bearer {secret}\r\n");
        Raw::to(&server).ask("POST", POSTS[1], &token, b"{}").unwrap()
    };
    let mut slow = Raw::to(&server);
    slow.send(&head(POSTS[1], "authorization: Bearer 0123456789abcdef\r\ncontent-length: 2")).send(b"{");
    until("alice's first request is worked on", || number(&server, "avp_in_flight_bytes") > 0.0);
    let got = ask_as("0123456789abcdef");
    assert_eq!((got.status, code(&got.json())), (429, "rate_limited"));
    assert!(got.head.contains("\r\nretry-after: "), "{}", got.head);
    assert_eq!(ask_as("fedcba9876543210").status, 200);
    assert_eq!(slow.send(b"}").read().unwrap().status, 200);
    until("alice may ask again", || ask_as("0123456789abcdef").status == 200);
}

#[test]
fn memory_for_bodies_runs_out_and_is_given_back() {
    let server = start(limited(|limits| {
        small(limits);
        limits.max_in_flight = 3 << 20;
    }));
    let bytes = message("", &vec![7; 1_000_000]);
    let announced = format!("content-length: {}", bytes.len());
    let mut stalled: Vec<_> = (0..3)
        .map(|_| {
            let mut peer = Raw::to(&server);
            peer.send(&head(POSTS[0], &announced)).send(&bytes[..bytes.len() - 1]);
            peer
        })
        .collect();
    until("three uploads are held", || number(&server, "avp_in_flight_bytes") > 2.8 * f64::from(1 << 20));
    assert_busy(&ask(&server, "POST", POSTS[0], &bytes));
    // One goes away, one goes on, and a fresh one finds room.
    stalled.remove(0);
    until("room is made", || ask(&server, "POST", POSTS[0], &bytes).status == 200);
    let mut second = stalled.remove(0);
    assert_eq!(second.send(&bytes[bytes.len() - 1..]).read().unwrap().status, 200);
    drop(stalled);
    until_nothing_is_in_flight(&server);
}

#[test]
fn the_largest_message_that_is_allowed_fits() {
    let mut options = limited(|limits| {
        (limits.max_in_flight, limits.max_kept) = (0, 0);
        (limits.max_json, limits.message.max_metadata) = (1 << 20, 32 << 10);
    });
    options.limits = options.limits.with_max_message(2 << 20);
    let server = start(options);
    // Compressed as well: then it is there twice, and its metadata beside it.
    let extra = (0..1000).map(|n| (format!("key {n}"), "value".to_owned())).collect();
    let metadata = Metadata { session_id: handshake(&server), extra, ..Metadata::default() };
    let mut seed = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 56) as u8 & 0x7f
    })
    .take(2 << 20)
    .collect();
    let compressed = Encoder::new().compression(Compression::Fast).encode(&metadata, &noise).unwrap();
    assert!((1 << 20..2 << 20).contains(&compressed.len()), "{}", compressed.len());
    let got = ask(&server, "POST", POSTS[0], &compressed);
    assert_eq!((got.status, &got.json()["kept"]), (200, &json!(true)), "{got:?}");
    let beside = message("", &vec![7; 2 << 20]).len() - (2 << 20);
    let bytes = message("", &vec![7; (2 << 20) - beside]);
    assert_eq!(bytes.len(), 2 << 20);
    let got = ask(&server, "POST", POSTS[0], &bytes);
    assert_eq!(got.status, 200, "{got:?}");
    until_nothing_is_in_flight(&server);
}

#[test]
fn memory_for_contexts_runs_out_and_the_old_one_stays() {
    let server = start(limited(|limits| {
        limits.message.max_message = 12_000;
        limits.max_kept = 12_000;
    }));
    let (first, second) = (handshake(&server), handshake(&server));
    let transmit = |id: &str, len: usize| ask(&server, "POST", POSTS[0], &message(id, &vec![1; len]));
    let behind = |id: &str| {
        let text = json!({"session_id": id, "content": "x"}).to_string();
        ask(&server, "POST", POSTS[2], text.as_bytes()).json()["content"].as_str().unwrap().to_owned()
    };
    assert_eq!(transmit(&first, 5000).json()["kept"], true);
    assert_busy(&transmit(&second, 9000));
    assert_busy(&transmit(&first, 9000));
    assert_eq!((behind(&first), behind(&second)), ("x behind Some(5000)".into(), "x behind None".into()));
    assert_eq!(transmit(&second, 1000).json()["kept"], true);
    assert_eq!(behind(&second), "x behind Some(1000)");
    until_nothing_is_in_flight(&server);
}

#[test]
fn metadata_counts_as_what_it_takes_in_memory() {
    let server = start(limited(|limits| {
        limits.message.max_message = 1 << 20;
        limits.max_kept = 1 << 20;
    }));
    let session = handshake(&server);
    // 70 kB on the wire, over a megabyte as a map; and hardly a payload.
    let extra = (0..10_000).map(|n| (format!("{n:x}"), String::new())).collect();
    let metadata = Metadata { session_id: session, extra, ..Metadata::default() };
    let bytes = Encoder::new().encode(&metadata, b"x").unwrap();
    assert!(bytes.len() < 128 << 10);
    // Waiting would not help: it does not fit even alone.
    let got = ask(&server, "POST", POSTS[0], &bytes);
    assert_eq!((got.status, code(&got.json())), (413, "limit_exceeded"), "{got:?}");
    assert!(!got.head.contains("retry-after"), "{}", got.head);
    assert_eq!(number(&server, "avp_contexts_bytes"), 0.0);
}

#[test]
fn sessions_run_out_and_those_that_are_open_go_on() {
    let server = start(limited(|limits| limits.max_sessions = 2));
    let ids = [handshake(&server), handshake(&server)];
    let got = ask(&server, "POST", POSTS[1], b"{}");
    assert_busy(&got);
    assert!(got.json()["message"].as_str().unwrap().contains("sessions"));
    for id in ids {
        assert_eq!(ask(&server, "POST", POSTS[0], &message(&id, b"x")).json()["kept"], true);
    }
}

#[test]
fn one_peer_does_not_open_all_sessions() {
    let server = start(limited(|limits| limits.max_sessions_of_one = 2));
    for _ in 0..2 {
        handshake(&server);
    }
    let got = ask(&server, "POST", POSTS[1], b"{}");
    assert_eq!(got.status, 429);
    assert!(got.head.contains("\r\nretry-after: "), "{}", got.head);
}

#[test]
fn each_token_has_its_own_rate() {
    let mut options = limited(|limits| limits.rate = Some(0.01));
    options.tokens = Tokens::from_text("alice 0123456789abcdef\nbob fedcba9876543210\n").unwrap();
    let server = start(options);
    let ask_as = |secret: &str| {
        let token = format!("authorization: Bearer {secret}\r\n");
        Raw::to(&server).ask("POST", POSTS[1], &token, b"{}").unwrap()
    };
    for secret in ["0123456789abcdef", "fedcba9876543210"] {
        assert_eq!(ask_as(secret).status, 200);
        let got = ask_as(secret);
        assert_eq!((got.status, got.json()["code"].as_str()), (429, Some("rate_limited")));
        let wait = got.head.lines().find_map(|line| line.strip_prefix("retry-after: ")?.parse::<u64>().ok());
        assert!((90..=100).contains(&wait.unwrap()), "{}", got.head);
    }
    // A chat completion says it in its own way.
    let got = Raw::to(&server).ask("POST", POSTS[3], "authorization: Bearer 0123456789abcdef\r\n", b"{}");
    assert_eq!((got.as_ref().unwrap().status, got.unwrap().json()["error"].is_object()), (429, true));
}

#[test]
fn streams_beyond_the_maximum_are_refused_and_the_others_go_on() {
    let server = start(limited(|limits| limits.max_streams = 4));
    let mut peer = Http2::settled(&server);
    let ids: Vec<u32> = (0..10).map(|n| 3 + 2 * n).collect();
    for &id in &ids {
        peer.open(id, "POST", POSTS[1], &[]);
    }
    for &id in &ids[4..] {
        // REFUSED_STREAM: it was not worked on, and may be asked again.
        assert!(matches!(peer.ended(id), Ended::Reset(7)), "{id}");
    }
    for &id in &ids[..4] {
        peer.finish(id, b"{}");
        assert_eq!(peer.ended(id).json()["success"], true);
    }
}
