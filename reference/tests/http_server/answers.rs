//! What becomes of an answer, and of its session, when something around it fails.

use std::time::Duration;

use avp::session::Ttl;
use avp::transport::{ServerOptions, Tokens};
use serde_json::{Value, json};

use crate::agents::{Event, held};
use crate::frames::Http2;
use crate::numbers::{limited, number, until, until_nothing_is_in_flight};
use crate::peers::{PATIENCE, Raw, ask, handshake, start, start_with};

const TEXT: &str = "/avp/v2/text";
const CHAT: &str = "/v1/chat/completions";
const ALICE: &str = "authorization: Bearer 0123456789abcdef\r\n";
const BOB: &str = "authorization: Bearer fedcba9876543210\r\n";

fn tokens() -> Tokens {
    Tokens::from_text("alice 0123456789abcdef\nbob fedcba9876543210\n").unwrap()
}

fn chat(content: &str, avp: &Value, stream: bool) -> Vec<u8> {
    let messages = json!([{"role": "user", "content": content}]);
    json!({"model": "echo-1", "messages": messages, "avp": avp, "stream": stream}).to_string().into_bytes()
}

#[test]
fn an_answer_is_given_though_its_context_is_not_kept() {
    let server = start(limited(|limits| {
        limits.message.max_message = 12_000;
        limits.max_kept = 12_000;
    }));
    let session = handshake(&server);
    // The echo's context is as long as what it was asked.
    let (long, short) = ("x".repeat(20_000), "x".repeat(100));
    for (content, kept) in [(&long, false), (&short, true)] {
        let text = json!({"session_id": session, "content": content, "extra": {"keep": true}});
        let got = ask(&server, "POST", TEXT, text.to_string().as_bytes());
        let told = got.json();
        assert_eq!((got.status, &told["kept"]), (200, &json!(kept)), "{told}");
        assert_eq!(told["reason"].is_string(), !kept, "{told}");
        assert!(told["content"].as_str().unwrap().starts_with(content));

        let got =
            ask(&server, "POST", CHAT, &chat(content, &json!({"session_id": session, "keep": true}), false));
        let told = got.json();
        assert_eq!((got.status, &told["avp"]["kept"]), (200, &json!(kept)), "{told}");
        assert_eq!(told["avp"]["reason"].is_string(), !kept, "{told}");

        let body = chat(content, &json!({"session_id": session, "keep": true}), true);
        let streamed = Http2::to(&server).ask(1, "POST", CHAT, &body);
        let streamed = streamed.text();
        assert!(streamed.contains(&format!("\"kept\":{kept}")) && streamed.ends_with("[DONE]\n\n"));
        assert_eq!(streamed.contains("\"reason\":"), !kept);
    }
    until_nothing_is_in_flight(&server);
}

#[test]
fn work_that_was_begun_is_not_to_be_begun_anew() {
    let (agent, holder) = held();
    let server = start_with(limited(|limits| limits.answer_timeout = Duration::from_millis(200)), agent);
    for (content, status) in [("endless", 503), ("panic", 500)] {
        let got = ask(&server, "POST", CHAT, &chat(content, &json!({}), false));
        assert_eq!(got.status, status);
        assert!(got.head.contains("\r\nx-should-retry: false"), "{}", got.head);
    }
    holder.wait_for(Event::GivenUp);
}

#[test]
fn a_conversation_that_fails_leaves_no_session() {
    let server = start(limited(|limits| (limits.max_sessions, limits.max_sessions_of_one) = (2, 2)));
    for stream in [false, true] {
        for _ in 0..3 {
            let body = chat("panic", &json!({"keep": true}), stream);
            let ended = Http2::to(&server).ask(1, "POST", CHAT, &body);
            let told = ended.text();
            assert!(told.contains("\"internal\""), "{told}");
        }
    }
    // One that succeeds keeps its session, and there is room for one more.
    let got = ask(&server, "POST", CHAT, &chat("x", &json!({"keep": true}), false));
    assert_eq!(got.json()["avp"]["kept"], true);
    handshake(&server);
    assert_eq!(ask(&server, "POST", "/avp/v2/handshake", b"{}").status, 429);
}

#[test]
fn a_session_that_is_not_opened_does_not_count() {
    let limits = limited(|limits| (limits.max_sessions, limits.max_sessions_of_one) = (1, 1));
    let server = start(ServerOptions { tokens: tokens(), ..limits });
    let open = |token| Raw::to(&server).ask("POST", "/avp/v2/handshake", token, b"{}").unwrap().status;
    assert_eq!(open(ALICE), 200);
    // There is no room for all, and that is not held against bob.
    assert_eq!((open(BOB), open(BOB), open(ALICE)), (503, 503, 429));
}

#[test]
fn an_expired_session_of_somebody_else_is_not_known() {
    let ttl = Ttl::from_seconds(0.05).unwrap();
    let server = start(ServerOptions { tokens: tokens(), session_ttl: ttl, ..ServerOptions::default() });
    let ask_as = |token, path, body: &Value| {
        Raw::to(&server).ask("POST", path, token, body.to_string().as_bytes()).unwrap()
    };
    let session = ask_as(ALICE, "/avp/v2/handshake", &json!({})).json()["session_id"].clone();
    let text = json!({"session_id": session, "content": "x"});
    until("it expires", || ask_as(ALICE, TEXT, &text).status == 409);
    assert_eq!(ask_as(ALICE, TEXT, &text).json()["code"], "session_expired");
    let of_another = ask_as(BOB, TEXT, &text);
    let of_none = ask_as(BOB, TEXT, &json!({"session_id": "ab".repeat(16), "content": "x"}));
    assert_eq!((of_another.status, of_another.json()), (of_none.status, of_none.json()));
    assert_eq!(of_another.status, 200);
}

#[test]
fn a_reader_that_does_not_read_does_not_hold_the_model() {
    let (agent, holder) = held();
    let server = start_with(limited(|limits| limits.send_timeout = 4 * PATIENCE), agent);
    let mut slow = Http2::with_window(&server, 100);
    slow.open(1, "POST", CHAT, &[]);
    slow.finish(1, &chat("long", &json!({}), true));
    holder.wait_for(Event::Asked);
    // The model goes on with the next one, while what the first one does not read is counted.
    let text = json!({"content": "x"}).to_string();
    assert_eq!(ask(&server, "POST", TEXT, text.as_bytes()).json()["content"], "x behind None");
    assert!(number(&server, "avp_in_flight_bytes") > 1e6);
    drop(slow);
    until_nothing_is_in_flight(&server);
}
