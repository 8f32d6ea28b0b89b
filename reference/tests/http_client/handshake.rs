//! The handshake, and what it is read from.

use std::collections::HashSet;
use std::sync::Arc;

use avp::ErrorClass;
use avp::session::{ResolutionPath, SessionMode, Vocabulary};
use avp::transport::client::ClientOptions;
use avp::transport::client::blocking::Client;
use serde_json::{Value, json};

use crate::server::{self, Server};
use crate::{identity, options, other_identity, welcome};

fn answer(body: Value) -> (Server, Client) {
    let server = Server::start(move |_, _| server::json(200, &body));
    let client = Client::new(&server.url(), options()).unwrap();
    (server, client)
}

#[test]
fn the_mode_follows_from_the_servers_identity() {
    let (_server, client) = answer(welcome(&identity()));
    let same = client.handshake().unwrap();
    assert_eq!((same.mode(), same.resolution.path), (SessionMode::Latent, ResolutionPath::HashMatch));
    assert_eq!((same.session_id().as_str(), same.server_session), ("sess-7", true), "AVP-HTTP-002");
    assert_eq!((&*same.agent_id, same.echoed), ("b-1", false));
    assert_eq!((same.server_mode, same.ttl.map(|ttl| ttl.as_secs())), (Some(SessionMode::Latent), Some(60)));
    // Whatever mode the server names.
    let (_server, client) = answer(welcome(&other_identity()));
    assert_eq!(client.handshake().unwrap().mode(), SessionMode::Json, "AVP-HTTP-003");
}

#[test]
fn maps_and_vocabularies_of_the_caller_count() {
    let server = Server::start(|_, _| server::json(200, &welcome(&other_identity())));
    let maps: HashSet<_> = [("11".repeat(32), "22".repeat(32))].into();
    let options_with = ClientOptions { maps: Some(Arc::new(maps)), ..options() };
    let mapped = Client::new(&server.url(), options_with).unwrap().handshake().unwrap();
    assert_eq!(mapped.resolution.path, ResolutionPath::AvpMapFile);
    assert_eq!(mapped.resolution.avp_map_id, format!("{}_{}", "1".repeat(16), "2".repeat(16)));
    let words: Vec<_> = (0..120).map(|at| format!("t{at}")).collect();
    let words =
        || Vocabulary::new(words.iter().zip(0..).map(|(word, id)| (word.clone().into(), id))).into_owned();
    let vocabularies = Some(Arc::new((words(), words())));
    let client = Client::new(&server.url(), ClientOptions { vocabularies, ..options() }).unwrap();
    assert_eq!(client.handshake().unwrap().resolution.path, ResolutionPath::VocabOverlap);
}

#[test]
fn a_server_without_session_or_identity_is_read() {
    let (_server, client) = answer(json!({"success": true}));
    let handshake = client.handshake().unwrap();
    assert_eq!((handshake.mode(), handshake.server_session), (SessionMode::Json, false));
    assert_eq!(handshake.session_id().as_str().len(), 32);
    for body in
        [json!({"identity": {}, "session_id": null}), json!({"identity": null, "mode": null, "x": [1]})]
    {
        assert!(!answer(body).1.handshake().unwrap().server_session);
    }
}

#[test]
fn an_echo_of_the_own_identity_is_seen() {
    let server = Server::start(|_, request| {
        let hello = request.json();
        server::json(
            200,
            &json!({"success": true, "agent_id": hello["agent_id"], "identity": hello["identity"]}),
        )
    });
    let handshake = Client::new(&server.url(), options()).unwrap().handshake().unwrap();
    assert!(handshake.echoed, "A-036");
    // Another agent with the same model is none.
    assert!(!answer(welcome(&identity())).1.handshake().unwrap().echoed);
}

#[test]
fn without_an_own_identity_nothing_is_sent() {
    let server = Server::start(|_, _| server::json(200, &welcome(&identity())));
    let client = Client::new(&server.url(), ClientOptions { identity: None, ..options() }).unwrap();
    assert_eq!(client.handshake().unwrap_err().class, ErrorClass::Handshake, "AVP-HTTP-021");
    assert_eq!(server.connections(), 0);
}

#[test]
fn refusals_are_of_class_handshake_and_carry_their_status() {
    for status in [400, 401, 404, 409, 500, 503] {
        let body = json!({"success": false, "message": "no", "code": "incompatible_models"});
        let server = Server::start(move |_, _| server::json(status, &body));
        let error = Client::new(&server.url(), options()).unwrap().handshake().unwrap_err();
        assert_eq!((error.class, error.status), (ErrorClass::Handshake, Some(status)), "AVP-HTTP-020");
        assert_eq!(error.peer, Some(ErrorClass::IncompatibleModels));
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn malformed_answers_are_refused() {
    for (body, class) in [
        (json!([]), ErrorClass::Handshake),
        (json!({"success": false}), ErrorClass::Handshake),
        (json!({"identity": 5}), ErrorClass::Handshake),
        (json!({"identity": {"hidden_dim": -1}}), ErrorClass::Handshake),
        (json!({"identity": {"model_hash": 7}}), ErrorClass::Handshake),
        (json!({"agent_id": {}}), ErrorClass::Handshake),
        (json!({"session_id": 7}), ErrorClass::Handshake),
        (json!({"session_id": ""}), ErrorClass::Session),
        (json!({"session_id": "x".repeat(2000)}), ErrorClass::Session),
        (json!({"mode": "BOTH"}), ErrorClass::Handshake),
        (json!({"mode": 1}), ErrorClass::Handshake),
        (json!({"many": vec![0; 70_000]}), ErrorClass::LimitExceeded),
    ] {
        let shown = body.to_string();
        let error = answer(body).1.handshake().unwrap_err();
        assert_eq!(error.class, class, "{}", &shown[..shown.len().min(60)]);
    }
    // A time to live that no clock has is not believed, and no reason to refuse.
    for ttl in [json!(-1), json!("x"), json!(1e300)] {
        assert_eq!(answer(json!({"ttl_s": ttl})).1.handshake().unwrap().ttl, None);
    }
}
