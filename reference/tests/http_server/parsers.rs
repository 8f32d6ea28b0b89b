//! Bodies that are not what they are said to be. Each has one answer, which says why.

use avp::transport::ServerOptions;
use avp::{Encoder, Metadata};
use serde_json::json;

use crate::frames::Http2;
use crate::numbers::{limited, until_nothing_is_in_flight};
use crate::peers::{Raw, ask, message, start};

const JSON_PATHS: [&str; 3] = ["/avp/v2/handshake", "/avp/v2/text", "/v1/chat/completions"];

/// Texts that are no JSON, or more of it than anybody takes.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("empty", Vec::new()),
        ("space", b" \t\r\n".to_vec()),
        ("cut", br#"{"content": "#.to_vec()),
        ("behind it", b"{}{}".to_vec()),
        ("a comma", br#"{"content": "x",}"#.to_vec()),
        ("single quotes", b"{'content': 'x'}".to_vec()),
        ("a comment", b"{/* */}".to_vec()),
        ("NaN", br#"{"x": NaN}"#.to_vec()),
        ("a huge number", format!("{{\"x\": 1e{}}}", "9".repeat(400)).into_bytes()),
        ("a lone surrogate", br#"{"content": "\ud800"}"#.to_vec()),
        ("a turned pair", br#"{"content": "\udc00\ud800"}"#.to_vec()),
        ("a raw control", b"{\"content\": \"\0\"}".to_vec()),
        ("a raw line feed", b"{\"content\": \"\n\"}".to_vec()),
        ("no UTF-8", b"{\"content\": \"\xff\xfe\"}".to_vec()),
        ("overlong UTF-8", b"{\"content\": \"\xc0\xaf\"}".to_vec()),
        ("a surrogate in UTF-8", b"{\"content\": \"\xed\xa0\x80\"}".to_vec()),
        ("byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("UTF-16", utf16),
        ("deep arrays", [b"[".repeat(10_000), b"]".repeat(10_000)].concat()),
        ("deep objects", [br#"{"a":"#.repeat(10_000), b"1".to_vec(), b"}".repeat(10_000)].concat()),
        ("many values", [b"[0".to_vec(), b",0".repeat(100_000), b"]".to_vec()].concat()),
        ("an array", b"[]".to_vec()),
        ("a number", b"5".to_vec()),
        ("null", b"null".to_vec()),
        ("a message", message("", b"x")),
    ]
}

#[test]
fn broken_json_is_told_as_such() {
    let server = start(limited(|_| {}));
    for (name, body) in broken() {
        for path in JSON_PATHS {
            let got = ask(&server, "POST", path, &body);
            assert!([400, 413].contains(&got.status), "{name} {path}: {got:?}");
            let told = got.json();
            assert!(
                told["success"] == false || told["error"]["message"].is_string(),
                "{name} {path}: {told}"
            );
            assert!(got.body.len() < 500, "{name} {path}: {told}");
            let mut peer = Http2::settled(&server);
            assert_eq!(peer.ask(3, "POST", path, &body).json(), told, "{name} {path}");
        }
    }
    until_nothing_is_in_flight(&server);
}

#[test]
fn fields_of_other_kinds_are_told_by_name() {
    let server = start(ServerOptions::default());
    let cases = [
        ("/avp/v2/handshake", r#"{"agent_id": []}"#, "hello.agent_id"),
        ("/avp/v2/handshake", r#"{"identity": {"hidden_dim": "8"}}"#, "identity.hidden_dim"),
        ("/avp/v2/handshake", r#"{"identity": {"hidden_dim": 1e300}}"#, "identity.hidden_dim"),
        ("/avp/v2/handshake", r#"{"identity": {"head_dim": -1}}"#, "identity.head_dim"),
        ("/avp/v2/handshake", r#"{"identity": {"num_layers": 4294967296}}"#, "identity.num_layers"),
        ("/avp/v2/text", r#"{"content": {"a": 1}}"#, "message.content"),
        ("/avp/v2/text", r#"{"session_id": 5}"#, "message.session_id"),
        ("/avp/v2/text", r#"{"extra": "x"}"#, "message.extra"),
        ("/avp/v2/text", r#"{"content": "x", "extra": {"max_tokens": -1}}"#, "message.extra.max_tokens"),
        ("/avp/v2/text", r#"{"content": "x", "extra": {"temperature": 1e39}}"#, "message.extra.temperature"),
        ("/avp/v2/text", r#"{"content": "x", "extra": {"stop": ["", "a"]}}"#, "message.extra.stop"),
        (
            "/avp/v2/text",
            r#"{"content": "x", "extra": {"latent_steps": 4294967296}}"#,
            "message.extra.latent_steps",
        ),
    ];
    for (path, body, field) in cases {
        let got = ask(&server, "POST", path, body.as_bytes());
        assert_eq!((got.status, got.json()["field"].as_str()), (400, Some(field)), "{body}: {got:?}");
    }
    let chats = [
        (r#"{"messages": []}"#, "model"),
        (r#"{"model": "echo-1", "messages": []}"#, "messages"),
        (r#"{"model": "echo-1", "messages": [{"role": "root", "content": "x"}]}"#, "messages[0].role"),
        (r#"{"model": "echo-1", "messages": [{"role": "user", "content": 5}]}"#, "messages[0].content"),
        (r#"{"model": "echo-1", "avp": 5, "messages": [{"role": "user", "content": "x"}]}"#, "avp"),
        (
            r#"{"model": "echo-1", "avp": {"session_id": 5}, "messages": [{"role": "user", "content": "x"}]}"#,
            "avp.session_id",
        ),
        (
            r#"{"model": "echo-1", "avp": {"latent_steps": 1e9}, "messages": [{"role": "user", "content": "x"}]}"#,
            "avp.latent_steps",
        ),
        (
            r#"{"model": "echo-1", "avp": {"keep": "yes"}, "messages": [{"role": "user", "content": "x"}]}"#,
            "avp.keep",
        ),
        (r#"{"model": "echo-1", "n": 1000000, "messages": [{"role": "user", "content": "x"}]}"#, "n"),
    ];
    for (body, param) in chats {
        let got = ask(&server, "POST", JSON_PATHS[2], body.as_bytes());
        assert_eq!(
            (got.status, got.json()["error"]["param"].as_str()),
            (400, Some(param)),
            "{body}: {got:?}"
        );
    }
}

#[test]
fn odd_but_good_json_is_taken() {
    let server = start(ServerOptions::default());
    let cases = [
        // The last of two counts.
        (r#"{"content": "a", "content": "b"}"#, "b behind None"),
        (r#"{"content": "\ud83d\ude42\u0000\u2028"}"#, "🙂\0\u{2028} behind None"),
        ("\r\n\t {\"content\"\n:\t\"x\"} \n", "x behind None"),
        (r#"{"content": "x", "extra": {"anything": [1e-400, -0, {"": null}]}}"#, "x behind None"),
        (r#"{"c\u006fntent": "x"}"#, "x behind None"),
    ];
    for (body, content) in cases {
        let got = ask(&server, "POST", "/avp/v2/text", body.as_bytes());
        assert_eq!((got.status, &got.json()["content"]), (200, &json!(content)), "{body}");
    }
}

#[test]
fn content_types_that_are_wrong_change_nothing_or_are_refused() {
    let lenient = start(ServerOptions::default());
    let strict = start(ServerOptions { strict: true, ..ServerOptions::default() });
    let (json, binary) = (&b"{}"[..], message("", b"x"));
    for (path, body, right) in [
        ("/avp/v2/handshake", json, "application/json"),
        ("/avp/v2/transmit", &binary, "application/avp+binary"),
    ] {
        let wrong = [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json5",
            "application/octet-stream",
            "\u{e9}",
            "",
            ";",
        ];
        for kind in wrong {
            let headers = format!("content-type: {kind}\r\navp-version: 0.4\r\navp-agent-id: a\r\n");
            let status = |server| Raw::to(server).ask("POST", path, &headers, body).unwrap().status;
            assert_eq!((status(&lenient), status(&strict)), (200, 415), "{path} {kind}");
        }
        let headers = format!("content-type: {right}\r\navp-version: 0.4\r\navp-agent-id: a\r\n");
        assert_eq!(Raw::to(&strict).ask("POST", path, &headers, body).unwrap().status, 200);
        // What is compressed is no message; nothing is inflated on a peer's word.
        let headers = "content-encoding: gzip\r\n";
        let zipped = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Raw::to(&lenient).ask("POST", path, headers, &zipped).unwrap().status, 400);
    }
}

#[test]
fn metadata_that_is_no_protobuf() {
    let server = start(limited(|_| {}));
    let of = |metadata: &[u8], payload: &[u8]| {
        let body = u32::try_from(metadata.len() + payload.len()).unwrap().to_le_bytes();
        let len = u32::try_from(metadata.len()).unwrap().to_le_bytes();
        [&b"AV\x01\x00"[..], &body, &len, metadata, payload].concat()
    };
    let endless = [0xff; 11];
    let nested = b"\x0b".repeat(1000);
    let cases: [(&str, &[u8]); 8] = [
        ("an endless number", &endless),
        ("a wire type that is none", &[0x0f]),
        ("field 0", &[0x00, 0x01]),
        ("a length beyond the end", &[0x0a, 0x7f, b'x']),
        ("a length beyond 2^63", &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ("no UTF-8", &[0x0a, 2, 0xc3, 0x28]),
        ("groups in groups", &nested),
        ("cut", &[0x0a]),
    ];
    for (name, metadata) in cases {
        for payload in [&b""[..], b"payload"] {
            let got = ask(&server, "POST", "/avp/v2/transmit", &of(metadata, payload));
            let told = got.json();
            assert_eq!((got.status, &told["code"]), (400, &json!("decode")), "{name}: {told}");
        }
    }
    until_nothing_is_in_flight(&server);
}

/// Every byte of a small message, each bit of it: an answer, and no other one is harmed.
#[test]
fn every_flip_of_a_message_is_answered() {
    let server = start(limited(|_| {}));
    let metadata = Metadata { tensor_shape: vec![2, 2], model_id: "m".into(), ..Metadata::default() };
    let good = Encoder::new().encode(&metadata, &[7; 16]).unwrap();
    let mut peer = Raw::to(&server);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            // A connection ends when a refused body has not come in full.
            let got = match peer.ask("POST", "/avp/v2/transmit", "", &bytes) {
                Some(got) => got,
                None => {
                    peer = Raw::to(&server);
                    peer.ask("POST", "/avp/v2/transmit", "", &bytes).unwrap()
                }
            };
            assert!([200, 400, 413].contains(&got.status), "{at}.{bit}: {got:?}");
            assert_eq!(got.json()["success"], got.status == 200);
        }
    }
    until_nothing_is_in_flight(&server);
}
