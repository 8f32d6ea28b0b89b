//! What each path says.

use avp::transport::{ServerOptions, Tokens};
use avp::{Encoder, Metadata, PayloadType};
use serde_json::{Value, json};

use crate::peers::{Echo, Raw, ask, handshake, message, start, start_with};

#[test]
fn health_is_one_object() {
    let server = start(ServerOptions::default());
    let got = ask(&server, "GET", "/health", b"");
    assert_eq!((got.status, got.json()), (200, json!({"status": "ok"})));
}

#[test]
fn a_hello_is_answered_with_the_servers_own_identity() {
    let server = start(ServerOptions::default());
    let hello = json!({"agent_id": "a", "identity": {"model_hash": "ab".repeat(32), "hidden_dim": 8}});
    let got = ask(&server, "POST", "/avp/v2/handshake", hello.to_string().as_bytes());
    let body = got.json();
    assert_eq!(got.status, 200, "{body}");
    assert_eq!(body["identity"]["model_id"], "echo-1");
    assert_eq!(
        (&body["success"], &body["agent_id"], &body["mode"]),
        (&json!(true), &json!("echo"), &json!("LATENT"))
    );
    assert_eq!(body["session_id"].as_str().map(str::len), Some(32));
    assert_eq!(body["ttl_s"], 3600.0);
    // Without an identity there is nothing to share but text.
    assert_eq!(ask(&server, "POST", "/avp/v2/handshake", b"{}").json()["mode"], "JSON");
}

#[test]
fn what_is_no_hello_is_refused_with_its_reason() {
    let server = start(ServerOptions::default());
    let long = json!({"agent_id": "x".repeat(2000)}).to_string();
    for body in ["{", "[1]", "", r#"{"identity": 5}"#, r#"{"agent_id": 5}"#, &long] {
        let got = ask(&server, "POST", "/avp/v2/handshake", body.as_bytes());
        let told = got.json();
        assert_eq!(
            (got.status, &told["success"], &told["code"]),
            (400, &json!(false), &json!("handshake")),
            "{body}"
        );
        assert!(!told["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn wrong_paths_and_methods() {
    let server = start(ServerOptions::default());
    for (method, path, status) in [
        ("GET", "/avp/v2/transmit", 405),
        ("POST", "/health", 405),
        ("PUT", "/avp/v2/text", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/avp/v2/nope", 404),
        ("POST", "/avp/v1/transmit", 404),
        ("GET", "/", 404),
        ("BREW", "/health", 405),
    ] {
        let got = ask(&server, method, path, b"");
        assert_eq!(got.status, status, "{method} {path}");
        assert_eq!(got.head.contains("\r\nallow: "), status == 405);
        assert!(got.json().get("success").is_some() || path.starts_with("/v1"), "{got:?}");
    }
}

#[test]
fn messages_are_taken_in_and_kept_in_their_session() {
    let server = start(ServerOptions::default());
    let session = handshake(&server);
    let got = ask(&server, "POST", "/avp/v2/transmit", &message(&session, &[1; 100]));
    let told = got.json();
    assert_eq!((got.status, &told["success"], &told["kept"]), (200, &json!(true), &json!(true)), "{told}");
    assert_eq!((&told["payload_bytes"], &told["in_session"]), (&json!(100), &json!(true)));

    let text = json!({"session_id": session, "content": "hello"}).to_string();
    let told = ask(&server, "POST", "/avp/v2/text", text.as_bytes()).json();
    assert_eq!(told["content"], "hello behind Some(100)");
    assert_eq!(told["usage"], json!({"prompt_tokens": 3, "completion_tokens": 4, "context_tokens": 0}));

    // Without a session, and with one that nobody knows: taken in, and said to be let go.
    for (id, why) in [("", "no session was named"), ("nobody's", "the session is not known here")] {
        let told = ask(&server, "POST", "/avp/v2/transmit", &message(id, &[1; 100])).json();
        assert_eq!(
            (&told["success"], &told["kept"], &told["reason"]),
            (&json!(true), &json!(false), &json!(why))
        );
        let text = json!({"session_id": id, "content": "hello"}).to_string();
        assert_eq!(
            ask(&server, "POST", "/avp/v2/text", text.as_bytes()).json()["content"],
            "hello behind None"
        );
    }
}

#[test]
fn what_does_not_decode_is_refused_with_its_class() {
    let server = start(ServerOptions::default());
    let good = message("", &[7; 64]);
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("empty", Vec::new(), "decode"),
        ("junk", vec![9; 40], "invalid_magic"),
        ("magic", changed(0, b'B'), "invalid_magic"),
        ("version", changed(2, 9), "unsupported_version"),
        ("cut", good[..good.len() - 1].to_vec(), "decode"),
        ("checksum", changed(good.len() - 1, 8), "decode"),
        ("more", [&good[..], b"x"].concat(), "decode"),
    ];
    for (name, bytes, code) in cases {
        let got = ask(&server, "POST", "/avp/v2/transmit", &bytes);
        let told = got.json();
        assert_eq!(
            (got.status, &told["success"], &told["code"]),
            (400, &json!(false), &json!(code)),
            "{name}: {told}"
        );
        assert!(told["field"].is_string() && !told["message"].as_str().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn an_agent_that_refuses_or_fails_is_told_apart() {
    let server = start(ServerOptions::default());
    for (model_id, status, code) in [("refuse", 422, "incompatible_models"), ("panic", 500, "internal")] {
        let metadata = Metadata { model_id: model_id.into(), ..Metadata::default() };
        // Large enough to be judged on another thread, where a panic ends nothing else.
        let bytes = Encoder::new().encode(&metadata, &vec![0; 100_000]).unwrap();
        let got = ask(&server, "POST", "/avp/v2/transmit", &bytes);
        assert_eq!((got.status, &got.json()["code"]), (status, &json!(code)));
    }
    let got = ask(&server, "POST", "/avp/v2/text", br#"{"content": "panic"}"#);
    assert_eq!((got.status, &got.json()["success"]), (500, &json!(false)));
    assert!(!String::from_utf8_lossy(&got.body).contains("on purpose"));
    assert_eq!(ask(&server, "GET", "/health", b"").status, 200);
}

#[test]
fn without_answers_text_is_not_implemented() {
    let server = start_with(ServerOptions::default(), Echo { answers: false, ..Echo::new() });
    assert_eq!(ask(&server, "POST", "/avp/v2/text", b"{}").status, 501);
    let server = start(ServerOptions::default());
    for body in ["{", "[]", r#"{"content": 5}"#] {
        let got = ask(&server, "POST", "/avp/v2/text", body.as_bytes());
        assert_eq!((got.status, &got.json()["code"]), (400, &json!("decode")), "{body}");
    }
}

#[test]
fn a_protected_server_wants_its_token_everywhere_but_for_health() {
    let options = ServerOptions {
        tokens: Tokens::from_text("alice 0123456789abcdef\nbob fedcba9876543210\n").unwrap(),
        ..ServerOptions::default()
    };
    let server = start(options);
    assert_eq!(ask(&server, "GET", "/health", b"").status, 200);
    for path in ["/avp/v2/handshake", "/avp/v2/transmit", "/avp/v2/text", "/v1/chat/completions"] {
        for headers in
            ["", "authorization: Bearer 0123456789abcdeX\r\n", "authorization: Basic 0123456789abcdef\r\n"]
        {
            let got = Raw::to(&server).ask("POST", path, headers, b"{}").unwrap();
            assert_eq!(got.status, 401, "{path} {headers}");
            assert!(got.head.contains("www-authenticate: bearer"), "{}", got.head);
        }
    }
    let alice = "authorization: Bearer 0123456789abcdef\r\n";
    let bob = "authorization: bearer fedcba9876543210\r\n";
    let hello = Raw::to(&server).ask("POST", "/avp/v2/handshake", alice, b"{}").unwrap().json();
    let session = hello["session_id"].as_str().unwrap();
    // A session belongs to whoever opened it.
    let bytes = message(session, &[1; 10]);
    for (who, kept) in [(alice, true), (bob, false)] {
        let told = Raw::to(&server).ask("POST", "/avp/v2/transmit", who, &bytes).unwrap().json();
        assert_eq!(told["kept"], kept, "{told}");
        let text = json!({"session_id": session, "content": "x"}).to_string();
        let told = Raw::to(&server).ask("POST", "/avp/v2/text", who, text.as_bytes()).unwrap().json();
        assert_eq!(told["content"], if kept { "x behind Some(10)" } else { "x behind None" });
    }
}

#[test]
fn guessed_tokens_run_out_while_the_right_one_goes_on() {
    let options = ServerOptions {
        tokens: Tokens::one("alice", "0123456789abcdef").unwrap(),
        ..ServerOptions::default()
    };
    let server = start(options);
    let mut statuses = Vec::new();
    for n in 0..30 {
        let guess = format!("authorization: Bearer {n:016}\r\n");
        statuses.push(Raw::to(&server).ask("POST", "/avp/v2/handshake", &guess, b"{}").unwrap());
    }
    let refused = statuses.iter().filter(|got| got.status == 429).count();
    assert!(refused >= 10, "{refused}");
    assert!(statuses.iter().any(|got| got.head.contains("retry-after: ")));
    let right = "authorization: Bearer 0123456789abcdef\r\n";
    assert_eq!(Raw::to(&server).ask("POST", "/avp/v2/handshake", right, b"{}").unwrap().status, 200);
}

#[test]
fn a_strict_server_wants_headers_and_sessions_that_it_knows() {
    let server = start(ServerOptions { strict: true, ..ServerOptions::default() });
    let headers = |kind: &str, version: &str| {
        format!("content-type: {kind}\r\navp-version: {version}\r\navp-agent-id: a\r\n")
    };
    let good = headers("application/json; charset=utf-8", "0.4");
    let cases = [
        (good.clone(), 200),
        (headers("application/json", "0.9"), 200),
        (headers("text/plain", "0.4"), 415),
        (headers("application/json", "9.9"), 426),
        (headers("application/json", "soon"), 426),
        ("content-type: application/json\r\navp-version: 0.4\r\n".to_owned(), 400),
        ("content-type: application/json\r\navp-agent-id: a\r\n".to_owned(), 400),
        (String::new(), 415),
    ];
    for (headers, status) in cases {
        let got = Raw::to(&server).ask("POST", "/avp/v2/handshake", &headers, b"{}").unwrap();
        assert_eq!(got.status, status, "{headers}");
    }
    let text = json!({"session_id": "nobody's", "content": "x"}).to_string();
    let got = Raw::to(&server).ask("POST", "/avp/v2/text", &good, text.as_bytes()).unwrap();
    assert_eq!((got.status, &got.json()["code"]), (409, &json!("session")));
}

#[test]
fn an_expired_session_is_named() {
    let ttl = avp::session::Ttl::from_seconds(0.0).unwrap();
    let server = start(ServerOptions { session_ttl: ttl, ..ServerOptions::default() });
    let session = handshake(&server);
    let text = json!({"session_id": session, "content": "x"}).to_string();
    for (path, body) in [("/avp/v2/text", text.into_bytes()), ("/avp/v2/transmit", message(&session, b"x"))] {
        let got = ask(&server, "POST", path, &body);
        let told = got.json();
        assert_eq!((got.status, &told["code"]), (409, &json!("session_expired")), "{told}");
        assert!(told["message"].as_str().unwrap().contains(&session));
    }
}

#[test]
fn the_answer_as_protobuf_when_asked_for() {
    let server = start(ServerOptions::default());
    let metadata = Metadata { payload_type: PayloadType::HiddenState, ..Metadata::default() };
    let bytes = Encoder::new().encode(&metadata, &[1; 8]).unwrap();
    let wants = "accept: application/x-protobuf\r\n";
    let got = Raw::to(&server).ask("POST", "/avp/v2/transmit", wants, &bytes).unwrap();
    assert!(got.head.contains("content-type: application/x-protobuf"));
    // Field 1, a varint: success.
    assert_eq!(got.body[..2], [0x08, 0x01]);
    let json: Value = ask(&server, "POST", "/avp/v2/transmit", &bytes).json();
    assert_eq!(json["success"], true);
}

#[test]
fn a_stream_has_a_piece_for_what_is_said_and_none_for_what_is_not() {
    let server = start(ServerOptions::default());
    let asked =
        json!({"model": "echo-1", "stream": true, "messages": [{"role": "user", "content": "one two"}]});
    let got = Raw::to(&server)
        .ask("POST", "/v1/chat/completions", "connection: close\r\n", asked.to_string().as_bytes())
        .unwrap();
    assert!(got.head.contains("content-type: text/event-stream"), "{}", got.head);
    let text = String::from_utf8(got.body).unwrap();
    let events: Vec<Value> = text
        .lines()
        // Chunks of HTTP/1.1 and the end mark are no JSON.
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let deltas: Vec<&str> =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(deltas, ["", "one ", "two ", "behind ", "None"], "{text}");
    assert!(text.contains("data: [DONE]"));
}
