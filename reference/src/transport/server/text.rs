//! `POST /avp/v2/text`.

use std::ops::ControlFlow;
use std::sync::Arc;

use hyper::HeaderMap;
use serde_json::{Map, Value, json};

use super::answering::{self, Place};
use super::exchange::Exchange;
use super::rate::Peer;
use super::reply::{self, Reply};
use super::request_body::RequestBody;
use super::{intake, transmit};
use crate::session::{Session, TextMessage};
use crate::transport::agent::{Answer, Question};
use crate::transport::refusal::Refusal;

/// Answers a text message, behind what its session keeps (AVP-HTTP-009…011).
pub(super) async fn answer(
    exchange: &Arc<Exchange>,
    peer: &Peer,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<Reply, Refusal> {
    let (text, _in_flight) = intake::json(exchange, headers, body).await?;
    if !exchange.agent.answers() {
        return Err(Refusal::new(501, "engine_unavailable", "this agent answers no text"));
    }
    let message = TextMessage::from_text(&text)?;
    drop(text);
    let session = exchange.session(&message.session_id, peer)?;
    let unknown = session.is_none() && !message.session_id.is_empty();
    // Before it waits: a question that makes no sense is told so at once.
    let mut question = Question::of_text(message, session.clone(), None)?;
    let place = Place::wait(exchange).await?;
    question.context = session.as_ref().and_then(|session| exchange.kept.of(&session.id));
    let mut answered = answering::ask(exchange, place, question, |_| ControlFlow::Continue(())).await?;
    let kept = keep(exchange, session.as_deref(), &mut answered)?;
    let mut body = to_json(session.as_deref(), kept, answered);
    if unknown {
        // Whoever named the session means something to stand behind the answer, and nothing does.
        body["context"] = Value::Null;
    }
    Ok(reply::json(200, &body))
}

/// Keeps the context behind an answer, where the agent gave one. Whether it is kept.
pub(super) fn keep(
    exchange: &Exchange,
    session: Option<&Session>,
    answer: &mut Answer,
) -> Result<bool, Refusal> {
    match (session, answer.context.take()) {
        (Some(session), Some(bytes)) => transmit::keep_own(exchange, session, bytes).map(|()| true),
        _ => Ok(false),
    }
}

fn to_json(session: Option<&Session>, kept: bool, answer: Answer) -> Value {
    let mut body = Map::new();
    body.insert("success".to_owned(), json!(true));
    body.insert("session_id".to_owned(), json!(session.map(|session| session.id.as_str())));
    body.insert("content".to_owned(), json!(answer.content));
    body.insert("finish".to_owned(), json!(answer.finish));
    body.insert(
        "usage".to_owned(),
        json!({
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "context_tokens": answer.context_tokens,
        }),
    );
    body.insert("kept".to_owned(), json!(kept));
    for (key, value) in answer.extra {
        body.entry(key).or_insert(value);
    }
    Value::Object(body)
}
