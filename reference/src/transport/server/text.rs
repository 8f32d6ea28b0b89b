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
    let keeping = keep(exchange, session.as_deref(), &mut answered).await;
    let mut body = to_json(session.as_deref(), &keeping, answered);
    if unknown {
        // Whoever named the session means something to stand behind the answer, and nothing does.
        body["context"] = Value::Null;
    }
    Ok(reply::json(200, &body))
}

/// Whether the context behind an answer is in its session now, and why it is not, though there was one to keep.
#[derive(Default)]
pub(super) struct Keeping {
    pub(super) kept: bool,
    pub(super) reason: Option<&'static str>,
}

/// Keeps the context behind an answer, where the agent gave one. The answer is given whether that works or not.
pub(super) async fn keep(
    exchange: &Arc<Exchange>,
    session: Option<&Session>,
    answer: &mut Answer,
) -> Keeping {
    let (Some(session), Some(bytes)) = (session, answer.context.take()) else { return Keeping::default() };
    match transmit::keep_own(exchange, session, bytes).await {
        Ok(()) => Keeping { kept: true, reason: None },
        Err(reason) => {
            tracing::warn!(reason, "the context behind an answer is not kept");
            Keeping { kept: false, reason: Some(reason) }
        }
    }
}

fn to_json(session: Option<&Session>, keeping: &Keeping, answer: Answer) -> Value {
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
    body.insert("kept".to_owned(), json!(keeping.kept));
    if let Some(reason) = keeping.reason {
        body.insert("reason".to_owned(), json!(reason));
    }
    for (key, value) in answer.extra {
        body.entry(key).or_insert(value);
    }
    Value::Object(body)
}
