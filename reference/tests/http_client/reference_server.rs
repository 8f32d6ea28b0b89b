//! The client against this crate's own server.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use avp::session::{ModelIdentity, Session};
use avp::transport::client::blocking::Client;
use avp::transport::client::{ClientOptions, Delivered, HandedOver, HttpVersion, Token, Upload, WhyText};
use avp::transport::{Agent, Answer, Question, Received, Running, ServerOptions, ServerTls, Tokens};
use avp::wire::PayloadType;
use avp::{ErrorClass, Result};
use serde_json::{Map, Value, json};

use crate::{identity, message, options};

/// Answers with the length of the context that it stands behind.
struct Counter {
    identity: ModelIdentity,
    answers: bool,
}

impl Agent for Counter {
    fn agent_id(&self) -> &str {
        "counter"
    }

    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn answers(&self) -> bool {
        self.answers
    }

    fn receive(&self, message: &Received, _: Option<&Session>) -> Result<Map<String, Value>> {
        if message.metadata.payload_type == PayloadType::KvCache {
            return Err(avp::Error::new(
                ErrorClass::IncompatibleModels,
                "message",
                "hidden states",
                "a cache",
            ));
        }
        Ok([("bytes".to_owned(), json!(message.payload().len()))].into_iter().collect())
    }

    fn answer(&self, question: Question, _: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<Answer> {
        let len = question.context.map_or(0, |context| context.payload().len());
        Ok(Answer {
            content: len.to_string(),
            finish: "stop",
            context_tokens: len as u64,
            ..Answer::default()
        })
    }
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn start(address: SocketAddr, options: ServerOptions) -> Running {
    Running::start(address, options, Arc::new(Counter { identity: identity(), answers: true })).unwrap()
}

/// Starts again where a server was. Another program may have the port for a moment: it is free for anybody meanwhile.
fn start_again(address: SocketAddr, options: &ServerOptions) -> Running {
    const PATIENCE: Duration = Duration::from_secs(60);
    let begun = Instant::now();
    loop {
        let agent = Arc::new(Counter { identity: identity(), answers: true });
        match Running::start(address, options.clone(), agent) {
            Ok(server) => return server,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn client(server: &Running, options: ClientOptions) -> Client {
    let scheme = if options.roots.is_empty() { "http" } else { "https" };
    Client::new(&format!("{scheme}://{}", server.address()), options).unwrap()
}

fn hand_over(client: &Client, bytes: Vec<u8>) -> Result<HandedOver> {
    client.hand_over(|_| Ok(Upload::from(bytes.clone())), |_| Ok("in words".to_owned()))
}

#[test]
fn a_context_is_handed_over_and_answered_behind() {
    let (tls, pem) = ServerTls::development(&[]).unwrap();
    for (tls, version) in [
        (None, HttpVersion::Http1),
        (None, HttpVersion::Http2),
        (Some(tls.clone()), HttpVersion::Http1),
        (Some(tls), HttpVersion::Auto),
    ] {
        let roots = if tls.is_some() { vec![pem.clone().into_bytes()] } else { Vec::new() };
        let server = start(ANY, ServerOptions { tls, ..ServerOptions::default() });
        let client = client(&server, ClientOptions { version, roots, ..options() });
        client.health().unwrap();
        assert_eq!(client.ask("how long?").unwrap().content(), Some("0"));
        let handed = hand_over(&client, message(5000)).unwrap();
        assert_eq!(
            (&handed.delivered, handed.reply.kept()),
            (&Delivered::Context, Some(true)),
            "{version:?}"
        );
        assert_eq!(handed.reply.body["bytes"], 5000);
        assert!(
            handed.handshake.server_session && !handed.handshake.echoed && handed.handshake.ttl.is_some()
        );
        assert_eq!(client.ask("how long?").unwrap().content(), Some("5000"));
        server.stop().unwrap();
    }
}

#[test]
fn what_is_too_large_or_does_not_fit_is_said_in_words() {
    let server = start(ANY, ServerOptions::default());
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let client = client(&server, ClientOptions { version, ..options() });
        let status = |handed: HandedOver| match handed.delivered {
            Delivered::Text { why: WhyText::Refused(error) } => error.status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status(hand_over(&client, message(30_000_000)).unwrap()), Some(413), "{version:?}");
        let metadata = avp::Metadata { payload_type: PayloadType::KvCache, ..avp::Metadata::default() };
        let cache = avp::Encoder::new().encode(&metadata, &[0; 10]).unwrap();
        assert_eq!(status(hand_over(&client, cache).unwrap()), Some(422), "{version:?}");
    }
}

#[test]
fn a_server_that_starts_anew_is_met_anew() {
    for strict in [true, false] {
        let options_of_server = ServerOptions { strict, ..ServerOptions::default() };
        let server = start(ANY, options_of_server.clone());
        let client = client(&server, options());
        let first = hand_over(&client, message(50)).unwrap();
        let address = server.address();
        server.stop().unwrap();
        let server = start_again(address, &options_of_server);
        let second = hand_over(&client, message(60)).unwrap();
        assert_eq!(second.delivered, Delivered::Context, "strict: {strict}");
        assert_ne!(first.handshake.session_id(), second.handshake.session_id());
        assert_eq!(client.ask("?").unwrap().content(), Some("60"));
        server.stop().unwrap();
        // What was handed over is gone with the server: no answer passes for one behind it.
        let server = start_again(address, &options_of_server);
        let error = client.ask("?").unwrap_err();
        assert!(error.status == Some(409) || error.class == ErrorClass::SessionExpired, "{error}");
        server.stop().unwrap();
    }
}

#[test]
fn tokens_open_the_door() {
    let secret = "s3cret-s3cret-s3cret-s3cret-s3cret";
    let tokens = Tokens::one("me", secret).unwrap();
    let server = start(ANY, ServerOptions { tokens, ..ServerOptions::default() });
    let error = client(&server, options()).handshake().unwrap_err();
    assert_eq!((error.class, error.status), (ErrorClass::Handshake, Some(401)));
    let token = Some(Token::new(secret).unwrap());
    client(&server, ClientOptions { token, ..options() }).handshake().unwrap();
}

#[test]
fn an_agent_without_text_says_so() {
    let agent = Counter { identity: identity(), answers: false };
    let server = Running::start(ANY, ServerOptions::default(), Arc::new(agent)).unwrap();
    let error = client(&server, options()).ask("?").unwrap_err();
    assert_eq!((error.status, error.peer), (Some(501), Some(ErrorClass::EngineUnavailable)));
}
