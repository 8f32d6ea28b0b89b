//! Negotiate once, transmit or fall back.

use std::sync::atomic::{AtomicUsize, Ordering};

use avp::ErrorClass;
use avp::session::ModelIdentity;
use avp::transport::client::blocking::Client;
use avp::transport::client::{Delivered, HandedOver, Upload, WhyText};
use avp::wire::Decoder;
use serde_json::json;

use crate::server::{self, Reaction, Request, Server};
use crate::{identity, message, options, other_identity, welcome};

/// A server with that model. Sessions are numbered; what it says to transmits and texts, the test says.
fn server(model: ModelIdentity, react: impl Fn(&Request) -> Reaction + Send + Sync + 'static) -> Server {
    let sessions = AtomicUsize::new(0);
    Server::start(move |_, request| match &*request.path {
        "/avp/v2/handshake" => {
            let mut answer = welcome(&model);
            answer["session_id"] = json!(format!("s{}", sessions.fetch_add(1, Ordering::SeqCst)));
            server::json(200, &answer)
        }
        _ => react(request),
    })
}

fn kept(_: &Request) -> Reaction {
    server::json(200, &json!({"success": true, "kept": true, "content": "hi", "context": {"tokens": 3}}))
}

fn hand_over(client: &Client) -> avp::Result<HandedOver> {
    client.hand_over(|_| Ok(Upload::from(message(9))), |_| Ok("in words".to_owned()))
}

fn session_of(request: &Request) -> String {
    match &*request.path {
        "/avp/v2/transmit" => Decoder::new().decode(&request.body).unwrap().metadata.session_id,
        _ => request.json()["session_id"].as_str().unwrap().to_owned(),
    }
}

fn short(server: &Server) -> Vec<String> {
    server.paths().iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn contexts_go_out_in_one_negotiated_session() {
    let server = server(identity(), kept);
    let client = Client::new(&server.url(), options()).unwrap();
    for _ in 0..2 {
        let handed = hand_over(&client).unwrap();
        assert_eq!((handed.delivered, handed.handshake.session_id().as_str()), (Delivered::Context, "s0"));
    }
    assert_eq!(client.ask("and?").unwrap().content(), Some("hi"));
    assert_eq!(short(&server), ["handshake", "transmit", "transmit", "text"]);
    let requests = server.requests();
    assert!(requests[1..].iter().all(|request| session_of(request) == "s0"));
    let asked = requests[3].json();
    assert_eq!((&asked["source_agent_id"], &asked["target_agent_id"]), (&json!("a-1"), &json!("b-1")));
    assert_eq!(asked["content"], "and?");
}

#[test]
fn the_closures_are_told_the_session() {
    let server = server(identity(), kept);
    let client = Client::new(&server.url(), options()).unwrap();
    let mut told = None;
    client
        .hand_over(
            |handshake| {
                told = Some(handshake.session_id().clone());
                Ok(message(9).into())
            },
            |_| panic!("no text is needed"),
        )
        .unwrap();
    assert_eq!(told.unwrap().as_str(), "s0");
}

#[test]
fn in_json_mode_text_goes_out() {
    let server = server(other_identity(), kept);
    let client = Client::new(&server.url(), options()).unwrap();
    let handed = client.hand_over(|_| panic!("no context is needed"), |_| Ok("in words".to_owned())).unwrap();
    assert_eq!(handed.delivered, Delivered::Text { why: WhyText::Mode });
    assert_eq!(handed.reply.content(), Some("hi"));
    assert_eq!(short(&server), ["handshake", "text"]);
    assert_eq!(server.requests()[1].json()["content"], "in words");
}

#[test]
fn text_takes_the_place_of_a_refused_context() {
    for status in [413, 415, 422, 501] {
        let server = server(identity(), move |request| match &*request.path {
            "/avp/v2/transmit" => server::json(status, &json!({"success": false, "message": "no"})),
            _ => kept(request),
        });
        let client = Client::new(&server.url(), options()).unwrap();
        match hand_over(&client).unwrap().delivered {
            Delivered::Text { why: WhyText::Refused(error) } => assert_eq!(error.status, Some(status)),
            other => panic!("{other:?}"),
        }
        assert_eq!(short(&server), ["handshake", "transmit", "text"]);
    }
}

#[test]
fn other_refusals_are_errors() {
    for status in [400, 401, 500, 503] {
        let server = server(identity(), move |_| server::json(status, &json!({"success": false})));
        let error = hand_over(&Client::new(&server.url(), options()).unwrap()).unwrap_err();
        assert_eq!((error.class, error.status), (ErrorClass::Transport, Some(status)));
        assert_eq!(short(&server), ["handshake", "transmit"]);
    }
}

/// Knows session `s0` up to its first message, and those after it for ever.
fn forgetful(refused: Reaction) -> impl Fn(&Request) -> Reaction + Send + Sync {
    let seen = AtomicUsize::new(0);
    let refused = std::sync::Mutex::new(Some(refused));
    move |request| match session_of(request) == "s0" && seen.fetch_add(1, Ordering::SeqCst) > 0 {
        true => refused.lock().unwrap().take().unwrap(),
        false => kept(request),
    }
}

#[test]
fn a_lost_session_is_negotiated_anew() {
    for refused in [
        server::json(409, &json!({"success": false, "code": "session_expired"})),
        server::json(409, &json!({"success": false, "code": "session"})),
        server::json(200, &json!({"success": true, "kept": false, "reason": "unknown session"})),
    ] {
        let server = server(identity(), forgetful(refused));
        let client = Client::new(&server.url(), options()).unwrap();
        hand_over(&client).unwrap();
        let handed = hand_over(&client).unwrap();
        assert_eq!((handed.delivered, handed.handshake.session_id().as_str()), (Delivered::Context, "s1"));
        assert_eq!(short(&server), ["handshake", "transmit", "transmit", "handshake", "transmit"]);
    }
}

#[test]
fn and_so_it_is_for_text() {
    let server = server(other_identity(), forgetful(server::json(409, &json!({"success": false}))));
    let client = Client::new(&server.url(), options()).unwrap();
    hand_over(&client).unwrap();
    assert_eq!(hand_over(&client).unwrap().handshake.session_id().as_str(), "s1");
}

#[test]
fn but_not_for_ever() {
    let never = server(identity(), |_| server::json(409, &json!({"success": false})));
    let client = Client::new(&never.url(), options()).unwrap();
    assert_eq!(hand_over(&client).unwrap_err().status, Some(409));
    assert_eq!(short(&never), ["handshake", "transmit"], "a fresh session is no better");
    assert_eq!(hand_over(&client).unwrap_err().status, Some(409));
    assert_eq!(never.requests().len(), 5, "an old one may be");
}

#[test]
fn a_context_that_is_not_kept_is_followed_by_text() {
    let server = server(identity(), |request| match &*request.path {
        "/avp/v2/transmit" => server::json(200, &json!({"success": true, "kept": false, "reason": "full"})),
        _ => kept(request),
    });
    let client = Client::new(&server.url(), options()).unwrap();
    let handed = hand_over(&client).unwrap();
    assert_eq!(handed.delivered, Delivered::Text { why: WhyText::NotKept("full".to_owned()) });
}

#[test]
fn a_context_that_the_model_cannot_use_is_followed_by_text() {
    let server = server(identity(), |request| match &*request.path {
        "/avp/v2/transmit" => server::json(200, &json!({"success": true, "kept": true, "usable": false})),
        _ => server::json(200, &json!({"success": true, "content": "hi", "context": null})),
    });
    let client = Client::new(&server.url(), options()).unwrap();
    let handed = hand_over(&client).unwrap();
    assert_eq!(handed.delivered, Delivered::Text { why: WhyText::NotUsable });
    assert_eq!(handed.reply.content(), Some("hi"));
    assert_eq!(short(&server), ["handshake", "transmit", "text"]);
    assert_eq!(server.requests()[2].json()["content"], "in words");
    // No context was delivered, so none is missing.
    assert_eq!(client.ask("?").unwrap().content(), Some("hi"));
}

#[test]
fn a_server_that_finds_nothing_in_common_is_told_in_words() {
    let server = Server::start(move |_, request| match &*request.path {
        "/avp/v2/handshake" => {
            let mut answer = welcome(&identity());
            answer["mode"] = json!("JSON");
            server::json(200, &answer)
        }
        _ => kept(request),
    });
    let client = Client::new(&server.url(), options()).unwrap();
    let handed = client.hand_over(|_| panic!("no context is needed"), |_| Ok("in words".to_owned())).unwrap();
    assert_eq!(handed.delivered, Delivered::Text { why: WhyText::Mode });
    assert_eq!(short(&server), ["handshake", "text"]);
}

#[test]
fn an_answer_without_the_context_is_not_taken_for_one_with() {
    for lost in ["context", "session_id"] {
        let server = server(identity(), move |request| match &*request.path {
            "/avp/v2/transmit" => kept(request),
            _ => server::json(200, &json!({"success": true, "content": "guess", lost: null})),
        });
        let client = Client::new(&server.url(), options()).unwrap();
        // Nothing was handed over: nothing is missing.
        assert_eq!(client.ask("?").unwrap().content(), Some("guess"));
        hand_over(&client).unwrap();
        assert_eq!(client.ask("?").unwrap_err().class, ErrorClass::SessionExpired);
        hand_over(&client).unwrap();
        assert_eq!(short(&server), ["handshake", "text", "transmit", "text", "handshake", "transmit"]);
    }
}

#[test]
fn a_question_in_an_expired_session_is_an_error() {
    let refused = server::json(409, &json!({"success": false, "code": "session_expired"}));
    let server = server(identity(), forgetful(refused));
    let client = Client::new(&server.url(), options()).unwrap();
    hand_over(&client).unwrap();
    let error = client.ask("?").unwrap_err();
    assert_eq!((error.status, error.peer), (Some(409), Some(ErrorClass::SessionExpired)));
    assert_eq!(client.session().unwrap().session_id().as_str(), "s1");
}

#[test]
fn many_callers_share_one_handshake() {
    let server = server(identity(), kept);
    let client = Client::new(&server.url(), options()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| hand_over(&client).unwrap());
        }
    });
    assert_eq!(short(&server).iter().filter(|path| *path == "handshake").count(), 1);
}

#[test]
fn what_the_closures_fail_with_is_the_error() {
    let server = server(identity(), kept);
    let client = Client::new(&server.url(), options()).unwrap();
    let refused = || avp::Error::new(ErrorClass::EngineUnavailable, "engine", "one", "none");
    let error = client.hand_over(|_| Err(refused()), |_| Ok(String::new())).unwrap_err();
    assert_eq!(error.class, ErrorClass::EngineUnavailable);
    let junk = client.hand_over(|_| Ok(Upload::from(b"junk".to_vec())), |_| Ok(String::new())).unwrap_err();
    assert_eq!(junk.class, ErrorClass::Decode);
    assert_eq!(short(&server), ["handshake"], "no junk goes out");
}
