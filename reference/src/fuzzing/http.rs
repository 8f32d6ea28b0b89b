//! Bodies for what a server of the binding reads: hellos, text messages, chat completions, messages in pieces, tokens.

use std::mem::size_of;

use super::LIMITS;
use crate::error::{Error, ErrorClass};
use crate::session::{Hello, ModelIdentity, TextMessage, resolve};
use crate::transport::server::chat::{ChatRequest, MAX_STOP_BYTES, MAX_STOPS};
use crate::transport::tokens::{MAX_SECRET, MIN_SECRET, bearer};
use crate::transport::{Question, Received, Refusal, Tokens};
use crate::wire::{Decoder, Metadata, StreamDecoder};

/// Longest text of a refusal, in bytes: an excerpt and a few words, each of whose characters may be escaped.
const MAX_REFUSAL: usize = 2048;

/// What a peer is told when it is refused: a status that fits, and a short text.
fn check_refusal(error: Error) {
    let class = error.class;
    let refusal = Refusal::from(error);
    assert!((400..600).contains(&refusal.status) && refusal.code == class.code());
    assert!(refusal.message.len() <= MAX_REFUSAL, "{} bytes", refusal.message.len());
    assert!(!refusal.message.chars().any(char::is_control), "{:?}", refusal.message);
    assert!(refusal.to_json()["message"].is_string());
}

/// Reads a hello. What is accepted is the same when it is written and read again, and resolves to some mode.
pub fn hello(bytes: &[u8]) {
    let hello = match Hello::from_text(bytes) {
        Ok(hello) => hello,
        Err(error) => {
            assert!(matches!(error.class, ErrorClass::Handshake | ErrorClass::LimitExceeded));
            return check_refusal(error);
        }
    };
    let again = Hello::from_json(&hello.to_json()).expect("what was written can be read");
    assert_eq!(again, hello);
    let own = ModelIdentity { model_hash: "ab".repeat(32), hidden_dim: 8, ..ModelIdentity::default() };
    let remote = hello.identity.unwrap_or_default();
    if let Err(error) = resolve(&own, &remote, &(), None) {
        check_refusal(error);
    }
}

/// Reads a text message, and what it asks.
pub fn text_message(bytes: &[u8]) {
    let message = match TextMessage::from_text(bytes) {
        Ok(message) => message,
        Err(error) => return check_refusal(error),
    };
    let again = TextMessage::from_json(&message.to_json()).expect("what was written can be read");
    assert_eq!(again, message);
    match Question::of_text(message, None, None) {
        Ok(question) => check_question(&question),
        Err(error) => check_refusal(error),
    }
}

/// Reads a chat completion: the first line is the header that names a session, the rest the body.
pub fn chat(bytes: &[u8]) {
    let (header, body) = match bytes.iter().position(|&byte| byte == b'\n') {
        Some(end) => (std::str::from_utf8(&bytes[..end]).ok(), &bytes[end + 1..]),
        None => (None, bytes),
    };
    for header in [None, header] {
        match ChatRequest::parse(body, header) {
            Ok(request) => {
                assert!(!request.messages.is_empty());
                if let Err(error) = request.check_model(&["served"]) {
                    assert!(error.status == 404 && error.message.len() <= MAX_REFUSAL);
                }
                check_question(&request.into_question(None, None));
            }
            Err(error) => {
                assert!((400..500).contains(&error.status), "{}", error.status);
                assert!(error.message.len() <= MAX_REFUSAL, "{} bytes", error.message.len());
                assert!(error.to_json()["error"]["message"].is_string());
            }
        }
    }
}

fn check_question(question: &Question) {
    assert!(question.max_tokens != Some(0));
    assert!(question.temperature.is_none_or(|number| number.is_finite() && number >= 0.0));
    assert!(question.top_p.is_none_or(|number| number > 0.0 && number <= 1.0));
    assert!(question.stop.len() <= MAX_STOPS);
    assert!(question.stop.iter().all(|stop| (1..=MAX_STOP_BYTES).contains(&stop.len())));
}

/// Takes a message in as a server does, in pieces whose sizes come from the bytes: it is the message that the decoder sees
/// in the whole, or refused for the same reason, and what it says it holds is no less than what it does.
pub fn intake(bytes: &[u8]) {
    let decoder = Decoder::new().limits(LIMITS);
    let expected = decoder.decode(bytes);
    let mut stream = StreamDecoder::new(decoder);
    let mut rest = bytes;
    let whole = loop {
        if rest.is_empty() {
            // Cut: the decoder says no more than that, unless it saw a fault before.
            assert!(stream.finish().is_err() || bytes.is_empty());
            assert!(expected.is_err());
            return;
        }
        let (mut piece, behind) = rest.split_at((usize::from(rest[0]) % 97 + 1).min(rest.len()));
        match stream.gather(&mut piece) {
            Ok(Some(whole)) => break whole,
            Ok(None) => rest = behind,
            Err(error) => {
                let expected = expected.expect_err("the stream refused it");
                // The stream judges what has come before it knows whether the rest will.
                assert!(error == expected || expected.field == "message", "{error} / {expected}");
                assert_eq!(stream.gather(&mut &b"x"[..]).expect_err("it stays refused"), error);
                return check_refusal(error);
            }
        }
        assert!(stream.held() as u64 <= LIMITS.max_message);
    };
    assert_eq!(whole.bytes[..], bytes[..whole.bytes.len()]);
    // What follows is refused by the server, and an oddity to the decoder.
    let expected = decoder.decode(&bytes[..whole.bytes.len()]);
    if let Ok(bound) = crate::wire::inflated_bound(&whole.bytes, LIMITS) {
        assert!(bound <= LIMITS.max_payload);
    }
    match (Received::gathered(whole, LIMITS), expected) {
        (Ok(received), Ok(message)) => {
            assert_eq!((received.header, received.dialect), (message.header, message.dialect));
            assert_eq!(received.payload(), &*message.payload);
            assert_eq!(received.diagnostics, message.diagnostics);
            assert!(super::same_metadata(&received.metadata, &message.metadata));
            assert_eq!(received.len, message.consumed);
            let held = received.payload().len() + heap(&received.metadata);
            assert!(received.held() >= held as u64, "{} < {held}", received.held());
        }
        (Err(error), Err(expected)) => {
            assert_eq!(error, expected);
            check_refusal(error);
        }
        (received, expected) => panic!("{:?} / {expected:?}", received.map(drop)),
    }
}

/// Bytes on the heap, as allocators and maps commonly have them: texts in steps of 16 bytes, and nodes of a map that are half
/// full.
fn heap(metadata: &Metadata) -> usize {
    let text = |text: &String| if text.is_empty() { 0 } else { text.capacity().next_multiple_of(16) };
    let Metadata { session_id, source_agent_id, target_agent_id, model_id, avp_map_id, .. } = metadata;
    let names = [session_id, source_agent_id, target_agent_id, model_id, avp_map_id];
    let entry = |(key, value): (&String, &String)| 2 * (2 * size_of::<String>()) + text(key) + text(value);
    names.into_iter().map(text).sum::<usize>()
        + metadata.tensor_shape.capacity() * size_of::<u32>()
        + metadata.extra.iter().map(entry).sum::<usize>()
}

/// Reads a file of tokens. Every secret of one that is accepted opens, under its own name; no error repeats one.
pub fn tokens(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let words = || text.split_whitespace();
    match Tokens::from_text(text) {
        Ok(tokens) => {
            assert!(!tokens.is_empty() && tokens.name_of("").is_none());
            let shown = format!("{tokens:?}");
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                let secret = line.split_whitespace().last().expect("a line that is not empty");
                assert!((MIN_SECRET..=MAX_SECRET).contains(&secret.len()));
                let name = tokens.name_of(secret).expect("a secret that was taken");
                assert!(shown.contains(&format!("{name:?}")));
            }
        }
        Err(error) => {
            assert_eq!(error.class, ErrorClass::Configuration);
            let told = error.to_string();
            assert!(
                words().filter(|word| word.len() >= MIN_SECRET).all(|word| !told.contains(word)),
                "{told}"
            );
        }
    }
}

/// Reads the value of an `Authorization` header. What it gives is part of it, without spaces around it.
pub fn authorization(bytes: &[u8]) {
    let Ok(value) = std::str::from_utf8(bytes) else { return };
    let Some(secret) = bearer(value) else { return };
    assert!(!secret.is_empty() && value.contains(secret));
    assert!(!secret.starts_with(' ') && !secret.ends_with(' '));
    assert!(value[..6].eq_ignore_ascii_case("bearer"));
    assert_eq!(bearer(&format!("BEARER  {secret} ")), Some(secret));
    let known = Tokens::one("peer", "a-secret-of-the-fuzz-body").expect("a good secret");
    assert_eq!(known.name_of(secret).is_some(), secret == "a-secret-of-the-fuzz-body");
}
