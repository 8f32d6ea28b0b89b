//! Peers that break off, ask in the wrong order or all at once, and agents that fail.

use std::net::Shutdown;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use avp::session::Ttl;
use avp::transport::ServerOptions;
use avp::{Encoder, Metadata};
use serde_json::{Value, json};

use crate::agents::{Event, held};
use crate::frames::{DATA, END_STREAM, Http2};
use crate::numbers::{limited, number, until, until_nothing_is_in_flight};
use crate::peers::{PATIENCE, Raw, ask, handshake, message, start, start_with};

const TRANSMIT: &str = "/avp/v2/transmit";
const TEXT: &str = "/avp/v2/text";
/// Short for whoever waits for it, long for what has to be answered within it on a machine that is busy.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(2);

fn text(session: &str, content: &str) -> Vec<u8> {
    json!({"session_id": session, "content": content}).to_string().into_bytes()
}

#[test]
fn a_peer_that_breaks_off_leaves_nothing_behind() {
    let server = start(limited(|_| {}));
    let session = handshake(&server);
    let bytes = message(&session, &vec![7; 256 << 10]);
    for sent in (0..bytes.len()).step_by(4 << 10) {
        let mut peer = Raw::to(&server);
        let head = format!("POST {TRANSMIT} HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", bytes.len());
        peer.send(head.as_bytes()).send(&bytes[..sent]);
        if sent % (8 << 10) == 0 {
            drop(peer);
        } else {
            // Half closed: it would still read what is wrong.
            peer.0.shutdown(Shutdown::Write).unwrap();
            assert!(peer.read().is_none_or(|got| got.status == 400));
        }

        let mut peer = Http2::settled(&server);
        peer.open(3, "POST", TRANSMIT, &[]);
        for piece in bytes[..sent].chunks(16 << 10) {
            peer.frame(DATA, 0, 3, piece);
        }
        if sent % (8 << 10) == 0 {
            drop(peer);
        } else {
            peer.frame(DATA, END_STREAM, 3, b"");
            assert_eq!(peer.ended(3).json()["code"], "decode");
        }
    }
    until("all are gone", || number(&server, "avp_connections") == 0.0);
    until_nothing_is_in_flight(&server);
    assert_eq!((number(&server, "avp_messages_total"), number(&server, "avp_contexts_bytes")), (0.0, 0.0));
    assert_eq!(ask(&server, "POST", TEXT, &text(&session, "x")).json()["content"], "x behind None");
    assert_eq!(ask(&server, "POST", TRANSMIT, &bytes).json()["kept"], true);
}

#[test]
fn any_order_and_twice() {
    let server = start(ServerOptions::default());
    let bytes = message("", &[1; 10]);
    assert_eq!(ask(&server, "POST", TRANSMIT, &bytes).json()["kept"], false);
    let session = handshake(&server);
    assert_eq!(ask(&server, "POST", TEXT, &text(&session, "x")).json()["content"], "x behind None");
    let bytes = message(&session, &[1; 10]);
    let names: Vec<Value> = (0..2)
        .map(|_| {
            let told = ask(&server, "POST", TRANSMIT, &bytes).json();
            assert_eq!(told["kept"], true);
            told["request_id"].clone()
        })
        .collect();
    assert_ne!(names[0], names[1]);
    for _ in 0..2 {
        assert_eq!(ask(&server, "POST", TEXT, &text(&session, "x")).json()["content"], "x behind Some(10)");
    }
    // The last one counts.
    assert_eq!(ask(&server, "POST", TRANSMIT, &message(&session, &[1; 5])).json()["kept"], true);
    assert_eq!(ask(&server, "POST", TEXT, &text(&session, "x")).json()["content"], "x behind Some(5)");
}

#[test]
fn two_sessions_that_take_turns_on_one_connection() {
    let server = start(ServerOptions::default());
    let mut peer = Http2::to(&server);
    let open = |peer: &mut Http2, id| {
        peer.ask(id, "POST", "/avp/v2/handshake", b"{}").json()["session_id"].as_str().unwrap().to_owned()
    };
    let sessions = [open(&mut peer, 1), open(&mut peer, 3)];
    let bodies = [message(&sessions[0], &[1; 3000]), message(&sessions[1], &[2; 5000])];
    for id in [5, 7] {
        peer.open(id, "POST", TRANSMIT, &[]);
    }
    // A few bytes of one, a few of the other.
    for at in (0..bodies[1].len()).step_by(100) {
        for (id, body) in [5, 7].into_iter().zip(&bodies) {
            if let Some(piece) = body.get(at..) {
                peer.frame(DATA, 0, id, &piece[..piece.len().min(100)]);
            }
        }
    }
    for (id, len) in [(7, 5000), (5, 3000)] {
        peer.frame(DATA, END_STREAM, id, b"");
        let told = peer.ended(id).json();
        assert_eq!((&told["payload_bytes"], &told["kept"]), (&json!(len), &json!(true)));
    }
    for (id, (session, len)) in [9, 11].into_iter().zip(sessions.iter().zip([3000, 5000])) {
        let told = peer.ask(id, "POST", TEXT, &text(session, "x")).json();
        assert_eq!(told["content"], format!("x behind Some({len})"));
    }
}

/// AVP-HTTP-029.
#[test]
fn parallel_requests_get_their_own_answers() {
    let server = start(limited(|_| {}));
    std::thread::scope(|scope| {
        for n in 1..=32usize {
            let server = &server;
            scope.spawn(move || {
                let session = handshake(server);
                // Small ones are decoded where they came in, large ones on other threads.
                let len = n * n * 300;
                let told = ask(server, "POST", TRANSMIT, &message(&session, &vec![n as u8; len])).json();
                assert_eq!((&told["payload_bytes"], &told["kept"]), (&json!(len), &json!(true)));
                let told = ask(server, "POST", TEXT, &text(&session, &format!("n{n}"))).json();
                assert_eq!(told["content"], format!("n{n} behind Some({len})"));
            });
        }
    });
    until_nothing_is_in_flight(&server);
}

#[test]
fn a_session_that_expires_between_a_context_and_its_question() {
    let begun = Instant::now();
    let ttl = Ttl::from_seconds(0.5).unwrap();
    let server = start(ServerOptions { session_ttl: ttl, ..limited(|_| {}) });
    // On a machine that is busy it may be over before the context has come: that is told as well.
    let session = loop {
        assert!(begun.elapsed() < PATIENCE);
        let session = handshake(&server);
        let got = ask(&server, "POST", TRANSMIT, &message(&session, &[1; 100]));
        match got.status {
            200 => break session,
            409 => assert_eq!(got.json()["code"], "session_expired"),
            _ => panic!("{got:?}"),
        }
    };
    until("it expires", || {
        let got = ask(&server, "POST", TEXT, &text(&session, "x"));
        let told = got.json();
        assert!((got.status, &told["content"]) == (200, &json!("x behind Some(100)")) || got.status == 409);
        got.status == 409 && told["code"] == "session_expired"
    });
    // What it kept goes with the next clean-up, or as soon as the room is needed.
    assert_eq!(ask(&server, "POST", TRANSMIT, &message(&session, &[1; 100])).status, 409);
}

#[test]
fn an_agent_that_panics_costs_one_request() {
    let server = start(limited(|_| {}));
    let bytes = |len: usize| {
        let metadata = Metadata { model_id: "panic".into(), ..Metadata::default() };
        Encoder::new().encode(&metadata, &vec![0; len]).unwrap()
    };
    // Small messages are judged where they came in, beside those of others.
    let mut http2 = Http2::to(&server);
    http2.open(1, "POST", TRANSMIT, &[]);
    let mut http1 = Raw::to(&server);
    for (n, len) in [10, 100_000].into_iter().enumerate() {
        let got = http1.ask("POST", TRANSMIT, "", &bytes(len)).unwrap();
        assert_eq!((got.status, &got.json()["code"]), (500, &json!("internal")));
        let id = 3 + 2 * n as u32;
        assert_eq!(http2.ask(id, "POST", TRANSMIT, &bytes(len)).json()["code"], "internal");
    }
    assert_eq!(http1.ask("GET", "/health", "", b"").unwrap().status, 200);
    http2.finish(1, &message("", b"x"));
    assert_eq!(http2.ended(1).json()["success"], true);
    until_nothing_is_in_flight(&server);
}

#[test]
fn a_question_whose_peer_has_gone_is_given_up() {
    let (agent, holder) = held();
    let server = start_with(limited(|_| {}), agent);
    let question = text("", "endless");
    let chat =
        json!({"model": "echo-1", "stream": true, "messages": [{"role": "user", "content": "endless"}]});
    for (path, body) in [(TEXT, question), ("/v1/chat/completions", chat.to_string().into_bytes())] {
        let mut peer = Raw::to(&server);
        let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", body.len());
        peer.send(head.as_bytes()).send(&body);
        holder.wait_for(Event::Asked);
        drop(peer);
        holder.wait_for(Event::GivenUp);

        let mut peer = Http2::to(&server);
        peer.open(1, "POST", path, &[]);
        peer.finish(1, &body);
        holder.wait_for(Event::Asked);
        // The stream alone; the connection stays.
        peer.frame(crate::frames::RST_STREAM, 0, 1, &8u32.to_be_bytes());
        holder.wait_for(Event::GivenUp);
        // What came of a streamed answer has used up what may be sent on the connection, and is not given back.
        peer.frame(crate::frames::WINDOW_UPDATE, 0, 0, &(1u32 << 20).to_be_bytes());
        assert_eq!(peer.ask(3, "GET", "/health", b"").json()["status"], "ok");
    }
    assert_eq!(ask(&server, "POST", TEXT, &text("", "x")).json()["content"], "x behind None");
}

#[test]
fn an_answer_that_takes_too_long_is_given_up() {
    let (agent, holder) = held();
    let limits = |limits: &mut avp::transport::ServerLimits| {
        limits.answer_timeout = GIVEN_UP_AFTER;
    };
    let server = start_with(limited(limits), agent);
    let got = ask(&server, "POST", TEXT, &text("", "endless"));
    assert_eq!((got.status, &got.json()["code"]), (503, &json!("timeout")));
    holder.wait_for(Event::GivenUp);
    assert_eq!(ask(&server, "POST", TEXT, &text("", "x")).status, 200);
}

#[test]
fn a_message_that_is_judged_for_too_long_is_given_up_and_its_memory_stays_counted() {
    let (agent, holder) = held();
    let limits = |limits: &mut avp::transport::ServerLimits| {
        limits.answer_timeout = GIVEN_UP_AFTER;
    };
    let server = start_with(limited(limits), agent);
    let metadata = Metadata { model_id: "wait".into(), ..Metadata::default() };
    let bytes = Encoder::new().encode(&metadata, &[0; 100_000]).unwrap();
    let got = ask(&server, "POST", TRANSMIT, &bytes);
    assert_eq!((got.status, &got.json()["code"]), (503, &json!("timeout")));
    holder.wait_for(Event::Asked);
    // The agent still has it.
    assert!(number(&server, "avp_in_flight_bytes") >= 100_000.0);
    holder.let_one_go();
    until_nothing_is_in_flight(&server);
}

#[test]
fn a_question_counts_for_as_long_as_it_waits() {
    let (agent, holder) = held();
    let server = start_with(limited(|_| {}), agent);
    let chat = json!({"model": "echo-1", "messages": [{"role": "user", "content": "wait"}], "user": "x".repeat(100_000)});
    let text = json!({"content": "wait", "extra": {"x": "x".repeat(100_000)}});
    std::thread::scope(|scope| {
        for (path, body) in [(TEXT, text.to_string()), ("/v1/chat/completions", chat.to_string())] {
            let server = &server;
            let asking = scope.spawn(move || ask(server, "POST", path, body.as_bytes()).status);
            holder.wait_for(Event::Asked);
            assert!(number(server, "avp_in_flight_bytes") >= 100_000.0, "{path}");
            holder.let_one_go();
            assert_eq!(asking.join().unwrap(), 200);
            until_nothing_is_in_flight(server);
        }
    });
}

#[test]
fn questions_wait_their_turn_and_no_more_than_may() {
    let (agent, holder) = held();
    let server = start_with(limited(|limits| limits.max_waiting = 1), agent);
    let (told, statuses) = channel();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (told, server) = (told.clone(), &server);
            scope.spawn(move || told.send(ask(server, "POST", TEXT, &text("", "wait"))).unwrap());
        }
        // One runs, one waits, and the one that comes last is turned away.
        let next = || statuses.recv_timeout(PATIENCE).unwrap();
        let got = next();
        assert_eq!((got.status, &got.json()["code"]), (429, &json!("busy")));
        assert!(got.head.contains("\r\nretry-after: "), "{}", got.head);
        for _ in 0..2 {
            holder.let_one_go();
            assert_eq!(next().status, 200);
        }
    });
}
