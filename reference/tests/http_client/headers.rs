//! What every request says, and where it goes.

use avp::ErrorClass;
use avp::transport::client::blocking::Client;
use avp::transport::client::{ClientOptions, Token};
use serde_json::json;

use crate::server::{self, Server};
use crate::{identity, message, options, text, welcome};

/// Answers each path as it should be.
fn server() -> Server {
    Server::start(|_, request| match &*request.path {
        "/avp/v2/handshake" | "/x/avp/v2/handshake" => server::json(200, &welcome(&identity())),
        "/health" | "/x/health" => server::json(200, &json!({"status": "ok"})),
        "/v1/models" => server::json(200, &json!({"object": "list", "data": [{"id": "m-1"}, {"id": "m-2"}]})),
        _ => server::json(200, &json!({"success": true, "content": "hi", "request_id": "r-1"})),
    })
}

#[test]
fn each_call_has_its_headers() {
    let server = server();
    let token = Some(Token::new("s3cret").unwrap());
    let client = Client::new(&server.url(), ClientOptions { token, ..options() }).unwrap();
    client.handshake().unwrap();
    assert_eq!(client.transmit(message(10)).unwrap().request_id(), Some("r-1"));
    assert_eq!(client.text(&text("hello")).unwrap().content(), Some("hi"));
    client.health().unwrap();
    assert_eq!(client.models().unwrap(), ["m-1", "m-2"]);
    let expected = [
        ("POST", "/avp/v2/handshake", Some("application/json")),
        ("POST", "/avp/v2/transmit", Some("application/avp+binary")),
        ("POST", "/avp/v2/text", Some("application/json")),
        ("GET", "/health", None),
        ("GET", "/v1/models", None),
    ];
    let requests = server.requests();
    assert_eq!(requests.len(), expected.len());
    for (request, (method, path, content_type)) in requests.iter().zip(expected) {
        assert_eq!((&*request.method, &*request.path), (method, path));
        assert_eq!(request.header("content-type"), content_type, "AVP-HTTP-014");
        assert_eq!(request.header("avp-version"), Some("0.4"), "AVP-HTTP-015");
        assert_eq!(request.header("avp-agent-id"), Some("a-1"), "AVP-HTTP-016");
        assert_eq!(request.header("authorization"), Some("Bearer s3cret"), "AVP-HTTP-019");
    }
    assert_eq!(requests[0].json()["identity"]["model_hash"], json!("11".repeat(32)));
    assert_eq!(requests[1].body, message(10));
    assert_eq!(requests[2].json()["content"], "hello");
}

#[test]
fn without_a_token_none_is_sent() {
    let server = server();
    let client = Client::new(&server.url(), options()).unwrap();
    client.handshake().unwrap();
    assert_eq!(server.requests()[0].header("authorization"), None);
}

#[test]
fn slashes_and_paths_of_the_url_are_kept_apart_from_those_of_the_binding() {
    let server = server();
    for (url, path) in [
        (format!("{}/", server.url()), "/health"),
        (format!("{}///", server.url()), "/health"),
        (format!("{}/x/", server.url()), "/x/health"),
        (format!("http://localhost:{}", server.port()), "/health"),
    ] {
        Client::new(&url, options()).unwrap().health().unwrap();
        assert_eq!(server.paths().last().unwrap(), path, "{url}");
    }
}

#[test]
fn cleartext_is_refused_before_anything_is_sent() {
    let server = server();
    for (url, insecure_loopback) in [
        (server.url(), false),
        ("http://example.test".into(), true),
        (format!("http://a.localhost:{}", server.port()), true),
        (format!("http://user:pass@127.0.0.1:{}", server.port()), true),
    ] {
        let error = Client::new(&url, ClientOptions { insecure_loopback, ..options() }).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Configuration, "url"), "{url}: AVP-SEC-001");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn agent_ids_that_no_header_holds_are_refused() {
    for agent_id in ["a\r\nx: y", "a\0", "\u{1b}"] {
        let error =
            Client::new("https://a.example", ClientOptions { agent_id: agent_id.into(), ..options() })
                .unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Configuration, "agent_id"));
    }
    Client::new("http://127.0.0.1", ClientOptions { agent_id: "é".into(), ..options() }).unwrap();
}
