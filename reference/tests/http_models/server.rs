//! Through real sockets: contexts and text by the crate's own client.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use avp::ErrorClass;
use avp::model::{Connector as _, Context, Runtime};
use avp::session::{SessionMode, TextMessage, Ttl};
use avp::transport::Question;
use avp::transport::client::{ClientOptions, Delivered, Token, Upload, WhyText, blocking::Client};
use avp::transport::server::{Running, ServerOptions};
use avp::transport::tls::ServerTls;
use avp::transport::tokens::Tokens;
use serde_json::json;

use super::{
    ANSWER, FACTS, Outcome, QUESTION, agent, ask, message, pocket, projected, received, session, think,
};

/// A free port of this machine.
const ANYWHERE: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// A server with TLS, and what its clients need.
fn serve(model: &str, options: ServerOptions) -> avp::Result<(Running, ClientOptions)> {
    let (tls, certificate) = ServerTls::development(&[])?;
    let server =
        Running::start(ANYWHERE, ServerOptions { tls: Some(tls), ..options }, Arc::new(agent(model)?))?;
    let roots = vec![certificate.into_bytes()];
    Ok((server, ClientOptions { agent_id: "reader".into(), roots, ..ClientOptions::default() }))
}

fn client(server: &Running, options: &ClientOptions, model: &Runtime) -> avp::Result<Client> {
    let identity = Some(model.identity().clone());
    Client::new(&format!("https://{}", server.address()), ClientOptions { identity, ..options.clone() })
}

fn upload(context: &Context) -> avp::Result<Upload> {
    message(context, "").map(Upload::from)
}

fn no_text(_: &avp::transport::client::Handshake) -> avp::Result<String> {
    Err(avp::Error::new(ErrorClass::InvalidArgument, "test", "a context that is taken", "a wish for text"))
}

#[test]
fn an_answer_stands_on_what_was_handed_over() -> Outcome {
    let reader = pocket("pocket-a")?;
    let (server, options) = serve("pocket-a", ServerOptions::default())?;
    let client = client(&server, &options, &reader)?;
    client.health()?;
    assert_eq!(client.models()?, ["pocket-a"]);
    let context = think(&reader, 1, 1)?;
    let handed = client.hand_over(|_| upload(&context), no_text)?;
    assert_eq!(handed.delivered, Delivered::Context);
    assert_eq!(
        (handed.handshake.mode(), handed.handshake.server_mode),
        (SessionMode::Latent, Some(SessionMode::Latent))
    );
    assert_eq!((handed.reply.kept(), &handed.reply.body["seq_len"]), (Some(true), &json!(context.seq_len())));
    // Twice, since an answer does not use the context up.
    for _ in 0..2 {
        let answer = client.ask(QUESTION)?;
        assert!(answer.content().is_some_and(|text| text.ends_with(ANSWER)), "{answer:?}");
        assert_eq!(answer.body["usage"]["context_tokens"], json!(context.seq_len()));
    }
    let stranger = client_of_nobody(&server, &options)?;
    let alone = stranger.text(&TextMessage { content: QUESTION.into(), ..TextMessage::default() })?;
    assert!(alone.content().is_some_and(|text| !text.ends_with(ANSWER)), "{alone:?}");
    // The last context counts.
    let other = "Ann visits Oslo. Oslo sells tea. Take a note.";
    let other =
        reader.think(&other.into(), avp::model::ThinkOptions { steps: 0, ..Default::default() })?.context;
    client.hand_over(|_| upload(&other), no_text)?;
    let answer = client.ask(QUESTION)?;
    assert!(answer.content().is_some_and(|text| text.ends_with("tea")), "{answer:?}");
    Ok(server.stop()?)
}

fn client_of_nobody(server: &Running, options: &ClientOptions) -> avp::Result<Client> {
    Client::new(&format!("https://{}", server.address()), options.clone())
}

#[test]
fn another_models_states_come_projected() -> Outcome {
    let (reader, writer) = (pocket("pocket-a")?, pocket("pocket-b")?);
    let (server, options) = serve("pocket-b", ServerOptions::default())?;
    let client = client(&server, &options, &reader)?;
    let handed = client
        .hand_over(|agreed| upload(&projected(&reader, &writer, &agreed.resolution.avp_map_id)?), no_text)?;
    assert_eq!(handed.delivered, Delivered::Context);
    assert!(handed.handshake.resolution.avp_map_id.starts_with("vocab:"));
    let answer = client.ask(QUESTION)?;
    // What the same model says in this process to the same states.
    let local = agent("pocket-b")?;
    let session = session(&local, Some(reader.identity()))?;
    let context = Some(received(&projected(&reader, &writer, &session.avp_map_id)?)?);
    let text = TextMessage { content: QUESTION.into(), ..TextMessage::default() };
    let question = Question { context, ..Question::of_text(text.clone(), Some(session), None)? };
    let expected = ask(&local, question)?.0;
    assert_eq!(answer.content(), Some(&*expected.content));
    assert_eq!(answer.body["usage"]["context_tokens"], 5);
    assert_ne!(client_of_nobody(&server, &options)?.text(&text)?.content(), answer.content());

    // The reader's own cache, which was not projected, is refused with 422, and the text goes in its place.
    let cache = think(&reader, 0, 1)?;
    let handed = client.hand_over(|_| upload(&cache), |_| Ok(format!("{FACTS} {QUESTION}")))?;
    let Delivered::Text { why: WhyText::Refused(error) } = &handed.delivered else {
        return Err(format!("{:?}", handed.delivered).into());
    };
    assert_eq!((error.status, error.peer), (Some(422), Some(ErrorClass::IncompatibleModels)));
    assert!(handed.reply.content().is_some_and(|text| text.ends_with(ANSWER)), "{:?}", handed.reply);
    Ok(server.stop()?)
}

#[test]
fn models_with_nothing_in_common_talk_in_text() -> Outcome {
    let reader = pocket("pocket-a")?;
    let (server, options) = serve("pocket-c", ServerOptions::default())?;
    let client = client(&server, &options, &reader)?;
    let no_context = |_: &_| {
        Err(avp::Error::new(ErrorClass::InvalidArgument, "test", "a wish for text", "one for a context"))
    };
    let handed = client.hand_over(no_context, |_| Ok(format!("{FACTS} {QUESTION}")))?;
    assert_eq!(handed.delivered, Delivered::Text { why: WhyText::Mode });
    assert!(handed.reply.content().is_some_and(|text| text.ends_with(ANSWER)), "{:?}", handed.reply);
    Ok(server.stop()?)
}

#[test]
fn text_messages_say_how_they_want_to_be_answered() -> Outcome {
    let reader = pocket("pocket-a")?;
    let (server, options) = serve("pocket-a", ServerOptions::default())?;
    let client = client(&server, &options, &reader)?;
    let session_id = client.session()?.session_id().to_string();
    let text = |content: &str, extra: serde_json::Value| {
        let extra = extra.as_object().cloned().unwrap_or_default();
        let message = TextMessage {
            session_id: session_id.clone(),
            content: content.into(),
            extra,
            ..TextMessage::default()
        };
        client.text(&message)
    };
    // The facts by text: what was read stays in the session.
    let noted = text(FACTS, json!({"keep": true, "max_tokens": 4}))?;
    assert_eq!(noted.kept(), Some(true));
    let answer = text(QUESTION, json!({"max_tokens": 12}))?;
    assert!(answer.content().is_some_and(|text| text.ends_with(ANSWER)), "{answer:?}");
    assert_eq!(text(QUESTION, json!({"max_tokens": 1}))?.body["finish"], "length");
    for (extra, status) in [
        (json!({"max_tokens": "many"}), 400),
        (json!({"latent_steps": 100_000}), 400),
        (json!({"latent_steps": 512}), 413),
    ] {
        assert_eq!(
            text(QUESTION, extra.clone()).err().and_then(|error| error.status),
            Some(status),
            "{extra}"
        );
    }
    Ok(server.stop()?)
}

#[test]
fn an_expired_session_is_told_as_such() -> Outcome {
    let reader = pocket("pocket-a")?;
    let expiring = ServerOptions { session_ttl: Ttl::from_seconds(0.0)?, ..ServerOptions::default() };
    let (server, options) = serve("pocket-a", expiring)?;
    let client = client(&server, &options, &reader)?;
    let session_id = client.session()?.session_id().to_string();
    let error = client.ask(QUESTION).err().ok_or("an answer")?;
    assert_eq!((error.status, error.peer), (Some(409), Some(ErrorClass::SessionExpired)));
    let error = client.transmit(message(&think(&reader, 0, 1)?, &session_id)?).err().ok_or("an answer")?;
    assert_eq!((error.status, error.peer), (Some(409), Some(ErrorClass::SessionExpired)));
    Ok(server.stop()?)
}

#[test]
fn a_server_that_was_started_anew_has_no_contexts() -> Outcome {
    let reader = pocket("pocket-a")?;
    let (tls, certificate) = ServerTls::development(&[])?;
    let start = |address| {
        let options = ServerOptions { tls: Some(tls.clone()), ..ServerOptions::default() };
        Running::start(address, options, Arc::new(agent("pocket-a")?))
    };
    let first = start(ANYWHERE)?;
    let address = first.address();
    let options = ClientOptions { roots: vec![certificate.into_bytes()], ..ClientOptions::default() };
    let client = client(&first, &options, &reader)?;
    let context = think(&reader, 0, 1)?;
    client.hand_over(|_| upload(&context), no_text)?;
    first.stop()?;
    let error = client.ask(QUESTION).err().ok_or("an answer by nobody")?;
    assert_eq!((error.class, error.status), (ErrorClass::Transport, None));
    let second = start(address)?;
    // An answer without the context would look like one with it.
    let error = client.ask(QUESTION).err().ok_or("an answer without the context")?;
    assert_eq!(error.class, ErrorClass::SessionExpired);
    client.hand_over(|_| upload(&context), no_text)?;
    let answer = client.ask(QUESTION)?;
    assert!(answer.content().is_some_and(|text| text.ends_with(ANSWER)), "{answer:?}");
    Ok(second.stop()?)
}

#[test]
fn a_session_is_its_holders() -> Outcome {
    let reader = pocket("pocket-a")?;
    let tokens = Tokens::from_text("alice 0123456789abcdef\nmallory fedcba9876543210")?;
    let (server, options) = serve("pocket-a", ServerOptions { tokens, ..ServerOptions::default() })?;
    let with = |secret: &str| {
        let token = Some(Token::new(secret)?);
        client(&server, &ClientOptions { token, ..options.clone() }, &reader)
    };
    let (alice, mallory) = (with("0123456789abcdef")?, with("fedcba9876543210")?);
    let handed = alice.hand_over(|_| upload(&think(&reader, 0, 1)?), no_text)?;
    let session_id = handed.handshake.session_id().to_string();
    let question = TextMessage { session_id, content: QUESTION.into(), ..TextMessage::default() };
    assert!(alice.text(&question)?.content().is_some_and(|text| text.ends_with(ANSWER)));
    assert!(mallory.text(&question)?.content().is_some_and(|text| !text.ends_with(ANSWER)));
    let error = client(&server, &options, &reader)?.handshake().err().ok_or("an answer")?;
    assert_eq!(error.status, Some(401));
    Ok(server.stop()?)
}

#[test]
fn the_example_does_what_it_says() -> Outcome {
    let same = super::example::talk("pocket-a", "pocket-a")?;
    assert_eq!((same.mode, &same.delivered), (["LATENT", "hash_match"], &Delivered::Context));
    assert_eq!(same.said["kept"], true);
    let other = super::example::talk("pocket-a", "pocket-c")?;
    let text = Delivered::Text { why: WhyText::Mode };
    assert_eq!((other.mode, &other.delivered), (["JSON", "json_fallback"], &text));
    for talk in [same, other] {
        assert!(talk.answer.ends_with(ANSWER) && !talk.alone.ends_with(ANSWER), "{talk:?}");
    }
    Ok(())
}
