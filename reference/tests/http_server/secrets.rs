//! What peers send stays out of logs, errors and headers (AVP-SEC-006).

use avp::transport::client::blocking::Client;
use avp::transport::client::{ClientOptions, Token};
use avp::transport::{ServerOptions, ServerTls, Tokens};
use avp::{Encoder, Metadata};
use serde_json::json;

use crate::frames::Http2;
use crate::logs;
use crate::numbers::{limited, numbers};
use crate::peers::{Echo, Raw, ask, message, start};

const TOKEN: &str = "a-token-that-nobody-logs-4711";
const WRONG: &str = "a-guess-that-nobody-logs-4712";
const WORDS: &str = "words-that-nobody-logs-4713";
/// Payload bytes, which as text would be these.
const PAYLOAD: &[u8] = b"\x00\xffpayload-that-nobody-logs-4714\xfe\x00";

/// Every form in which somebody could have logged bytes.
fn forms(bytes: &[u8]) -> Vec<String> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{bytes:?}");
    let text = String::from_utf8_lossy(bytes).into_owned();
    let ascii = bytes.escape_ascii().to_string();
    let mut forms = vec![hex.to_uppercase(), hex, list[1..list.len() - 1].to_owned(), text, ascii];
    // The start of a text in base 64 is the start of its base 64.
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let of_three = |three: &[u8]| {
        let number = three.iter().fold(0u32, |number, &byte| number << 8 | u32::from(byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[(number >> shift) as usize & 63]))
    };
    forms.push(bytes.chunks_exact(3).flat_map(of_three).collect());
    forms
}

fn assert_silent(what: &str, text: &str, secrets: &[&[u8]]) {
    for secret in secrets {
        for form in forms(secret) {
            let found = text.lines().find(|line| line.contains(&form));
            assert!(found.is_none(), "{what} shows {form}: {}", found.unwrap());
        }
    }
}

/// Asks everything that can be asked, rightly and wrongly, over both versions of HTTP. All answers, and the session.
fn everything(server: &avp::transport::Running) -> (String, String) {
    let mut answers = String::new();
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let mut ask = |path: &str, headers: &str, body: &[u8]| {
        let got = Raw::to(server).ask("POST", path, headers, body).unwrap();
        let text = String::from_utf8_lossy(&got.body).into_owned();
        answers.push_str(&format!("{}{text}\n", got.head));
        text
    };
    let hello = ask("/avp/v2/handshake", &token, json!({"agent_id": "peer"}).to_string().as_bytes());
    let hello: serde_json::Value = serde_json::from_str(&hello).unwrap();
    let session = hello["session_id"].as_str().unwrap().to_owned();
    let bytes = message(&session, PAYLOAD);
    ask("/avp/v2/transmit", &token, &bytes);
    for end in [20, bytes.len() - 3] {
        ask("/avp/v2/transmit", &token, &bytes[..end]);
    }
    let mut spoilt = bytes.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    ask("/avp/v2/transmit", &token, &spoilt);
    ask("/avp/v2/transmit", &token, PAYLOAD);
    for model_id in ["refuse", "panic"] {
        let metadata = Metadata { model_id: model_id.into(), ..Metadata::default() };
        ask("/avp/v2/transmit", &token, &Encoder::new().encode(&metadata, PAYLOAD).unwrap());
    }
    for wrong in [
        format!("{{\"content\": \"{WORDS}"),
        format!("{{\"content\": [\"{WORDS}\"]}}"),
        format!("{{\"content\": \"x\", \"extra\": {{\"stop\": {{\"a\": \"{WORDS}\"}}}}}}"),
        format!("{{\"messages\": \"{WORDS}\", \"model\": \"echo-1\"}}"),
        WORDS.to_owned(),
    ] {
        for path in ["/avp/v2/text", "/avp/v2/handshake", "/v1/chat/completions"] {
            ask(path, &token, wrong.as_bytes());
        }
    }
    for wrong in [format!("Bearer {WRONG}"), format!("Basic {WRONG}"), WRONG.to_owned()] {
        ask("/avp/v2/handshake", &format!("authorization: {wrong}\r\n"), b"{}");
    }
    ask(&format!("/{WORDS}"), &token, b"{}");

    // What is answered in words may hold them; it is not among what is searched.
    let text = json!({"session_id": session, "content": WORDS}).to_string();
    let told = Raw::to(server).ask("POST", "/avp/v2/text", &token, text.as_bytes()).unwrap();
    assert!(told.json()["content"].as_str().unwrap().contains(WORDS));
    let mut http2 = Http2::to(server);
    let headers = [("authorization", &*format!("Bearer {TOKEN}")), ("x-words", WORDS)];
    for (id, path, body) in [
        (1, "/avp/v2/transmit", &bytes[..]),
        (3, "/avp/v2/transmit", &spoilt),
        (5, "/avp/v2/text", text.as_bytes()),
    ] {
        http2.open(id, "POST", path, &headers);
        http2.finish(id, body);
        let answer = http2.ended(id);
        if id < 5 {
            answers.push_str(&format!("{}\n", answer.json()));
        }
    }
    // Headers that are not well formed, and a path that is none.
    http2.open(7, "POST", WORDS, &[("te", "x"), ("Upper", WORDS)]);
    http2.ended(7);
    (answers, session)
}

#[test]
fn logs_errors_and_numbers_hold_nothing_that_was_sent() {
    let mut options = limited(|_| {});
    options.tokens = Tokens::one("peer", TOKEN).unwrap();
    let server = start(options);
    let (mut answers, mut session) = (String::new(), String::new());
    let logged = logs::during(|| (answers, session) = everything(&server));
    let options = ClientOptions {
        identity: Some(Echo::new().identity),
        token: Some(Token::new(TOKEN).unwrap()),
        insecure_loopback: true,
        ..ClientOptions::default()
    };
    let mut of_client = String::new();
    let of_clients = logs::during(|| {
        let client = Client::new(&format!("http://{}", server.address()), options).unwrap();
        of_client = client.handshake().unwrap().session_id().to_string();
    });
    assert_silent("the log", &of_clients, &[TOKEN.as_bytes(), of_client.as_bytes()]);
    assert!(of_clients.contains("avp::transport::client"));
    let secrets = [TOKEN.as_bytes(), WRONG.as_bytes(), WORDS.as_bytes(), PAYLOAD];
    assert_silent("an answer", &answers, &secrets);
    assert_silent("the numbers", &numbers(&server), &secrets);
    assert_silent("the log", &logged, &secrets);
    assert_silent("the log", &logged, &[session.as_bytes()]);
    // It does log: what was asked, by its own name, and how it ended.
    for expected in ["route=transmit", "status=200", "status=401", "bytes=", "avp::transport"] {
        assert!(logged.contains(expected), "{expected}");
    }
    // All crates were heard, not ours alone.
    assert!(logged.contains("h2::"));
    let crates: std::collections::BTreeSet<&str> =
        logged.lines().filter_map(|line| line.split([':', ' ']).next()).collect();
    println!("logged: {crates:?}");
}

#[test]
fn what_holds_secrets_does_not_show_them() {
    let tls = ServerTls::development(&[]).unwrap().0;
    let tokens = Tokens::one("peer", TOKEN).unwrap();
    let options = ServerOptions { tls: Some(tls), tokens, ..ServerOptions::default() };
    let shown = format!("{options:?} {options:#?}");
    assert_silent("the debug form", &shown, &[TOKEN.as_bytes()]);
    assert!(!shown.contains("PRIVATE"));
}

/// Names of peers are texts: they are compared and kept, never opened, run or put into a header.
#[test]
fn names_that_mean_something_elsewhere() {
    let server = start(ServerOptions::default());
    let long = "x".repeat(1 << 20);
    let names = [
        "../../etc/passwd",
        "/dev/zero",
        "a\0b",
        "a\r\nset-cookie: b=c\r\n\r\n",
        "%2e%2e%2f",
        "$(touch x)",
        "'; drop table sessions; --",
        "\u{202e}\u{feff}\u{1b}[2J",
        &long,
    ];
    for name in names {
        let identity =
            json!({"model_hash": name, "model_id": name, "model_family": name, "tokenizer_hash": name});
        let hello = json!({"agent_id": name, "identity": identity, "capabilities": {name: name}}).to_string();
        let got = ask(&server, "POST", "/avp/v2/handshake", hello.as_bytes());
        // One that is too long to be kept for an hour is refused; all others are names like any other.
        let expected = if name.len() > 1024 { [400, 413].as_slice() } else { &[200] };
        assert!(expected.contains(&got.status), "{got:?}");

        let bytes = {
            let metadata = Metadata {
                session_id: name[..name.len().min(60_000)].into(),
                source_agent_id: name[..name.len().min(60_000)].into(),
                ..Metadata::default()
            };
            Encoder::new().encode(&metadata, b"x").unwrap()
        };
        let told = ask(&server, "POST", "/avp/v2/transmit", &bytes);
        assert_eq!((told.status, &told.json()["kept"]), (200, &json!(false)), "{told:?}");
        let text = json!({"session_id": name, "source_agent_id": name, "content": "x"}).to_string();
        let told = ask(&server, "POST", "/avp/v2/text", text.as_bytes());
        assert_eq!(told.json()["content"], "x behind None");
        let chat = json!({"model": name, "messages": [{"role": "user", "content": "x"}], "avp": {"session_id": name}});
        let told = ask(&server, "POST", "/v1/chat/completions", chat.to_string().as_bytes());
        assert!([400, 404].contains(&told.status), "{told:?}");
        for got in [got, told] {
            assert!(!got.head.contains("set-cookie"), "{}", got.head);
            assert!(got.body.len() < 1000, "a refusal as long as what it refuses");
            assert!(!String::from_utf8_lossy(&got.body).contains(['\u{1b}', '\r', '\n', '\0']));
        }
    }
}

#[test]
fn a_web_page_may_not_ask_a_server_without_tokens() {
    let server = start(ServerOptions::default());
    for path in ["/avp/v2/handshake", "/avp/v2/transmit", "/avp/v2/text", "/v1/chat/completions"] {
        for origin in ["https://evil.example", "http://127.0.0.1:1", "null", ""] {
            let headers = format!("origin: {origin}\r\ncontent-type: text/plain\r\n");
            let got = Raw::to(&server).ask("POST", path, &headers, b"{}").unwrap();
            assert_eq!(got.status, 403, "{path} {origin}");
            assert!(!got.head.contains("access-control"));
        }
    }
    let preflight = "origin: https://evil.example\r\naccess-control-request-method: POST\r\n";
    let got = Raw::to(&server).ask("OPTIONS", "/avp/v2/text", preflight, b"").unwrap();
    assert!(got.status == 405 && !got.head.contains("access-control"), "{}", got.head);
    // A page can't know the token: where there is one, it may come from anywhere.
    let options = ServerOptions { tokens: Tokens::one("peer", TOKEN).unwrap(), ..ServerOptions::default() };
    let server = start(options);
    let headers = format!("origin: https://good.example\r\nauthorization: Bearer {TOKEN}\r\n");
    assert_eq!(Raw::to(&server).ask("POST", "/avp/v2/handshake", &headers, b"{}").unwrap().status, 200);
}

#[test]
fn two_tokens_are_none() {
    let options = ServerOptions { tokens: Tokens::one("peer", TOKEN).unwrap(), ..ServerOptions::default() };
    let server = start(options);
    for (first, second) in [(TOKEN, WRONG), (WRONG, TOKEN), (TOKEN, TOKEN)] {
        let headers = format!("authorization: Bearer {first}\r\nauthorization: Bearer {second}\r\n");
        assert_eq!(Raw::to(&server).ask("POST", "/avp/v2/handshake", &headers, b"{}").unwrap().status, 401);
    }
}

#[test]
fn a_session_header_that_is_no_single_text_is_refused() {
    let server = start(ServerOptions::default());
    let chat = json!({"model": "echo-1", "messages": [{"role": "user", "content": "x"}]}).to_string();
    for headers in ["avp-session-id: \u{e9}\r\n", "avp-session-id: a\r\navp-session-id: b\r\n"] {
        let got = Raw::to(&server).ask("POST", "/v1/chat/completions", headers, chat.as_bytes()).unwrap();
        assert_eq!((got.status, &got.json()["error"]["param"]), (400, &json!("avp.session_id")), "{got:?}");
    }
}
