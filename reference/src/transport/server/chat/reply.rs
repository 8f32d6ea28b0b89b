//! ANSWER → BODY, or → EVENTS.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::error::ChatError;
use crate::error::Result;
use crate::session::SessionId;
use crate::transport::{Agent, Answer};

/// Content type of a stream.
pub const EVENT_STREAM_CONTENT_TYPE: &str = "text/event-stream";
/// Who owns the models, as their list has it.
const OWNER: &str = "avp";

/// What all parts of one answer say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// `chatcmpl-` and 32 hex digits.
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The model, by the name that was asked for.
    pub model: String,
}

/// The field `avp` of an answer, beside what the agent adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvpReply {
    /// The session, where there is one.
    pub session_id: Option<SessionId>,
    /// Whether the context behind the answer is in the session now.
    pub kept: bool,
    /// Why it is not, though there was one to keep.
    pub reason: Option<&'static str>,
}

impl Completion {
    /// A fresh one.
    ///
    /// # Errors
    /// `session` when the operating system gives no random bytes for the id.
    pub fn new(model: impl Into<String>) -> Result<Self> {
        let id = format!("chatcmpl-{}", SessionId::random()?);
        Ok(Self { id, created: unix_time(), model: model.into() })
    }

    /// The whole answer.
    #[must_use]
    pub fn body(&self, answer: &Answer, avp: &AvpReply) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": answer.content, "refusal": null},
                "logprobs": null,
                "finish_reason": answer.finish,
            }],
            "usage": usage(answer),
            "avp": avp.to_json(answer),
        })
    }

    fn chunk(&self, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

impl AvpReply {
    /// The object. What the agent adds never takes the place of what stands here.
    fn to_json(&self, answer: &Answer) -> Value {
        let mut object: Map<String, Value> = answer.extra.clone();
        object.insert("session_id".to_owned(), json!(self.session_id.as_ref().map(SessionId::as_str)));
        object.insert("context_tokens".to_owned(), json!(answer.context_tokens));
        object.insert("kept".to_owned(), json!(self.kept));
        if let Some(reason) = self.reason {
            object.insert("reason".to_owned(), json!(reason));
        }
        Value::Object(object)
    }
}

/// Writes an answer as server-sent events. Each function gives the bytes of whole events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventStream {
    completion: Completion,
    include_usage: bool,
}

impl EventStream {
    /// Of an answer, with its usage at the end or without.
    #[must_use]
    pub fn new(completion: Completion, include_usage: bool) -> Self {
        Self { completion, include_usage }
    }

    /// The first event: who speaks.
    #[must_use]
    pub fn begin(&self) -> String {
        self.choice(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null, None)
    }

    /// A piece of the text.
    #[must_use]
    pub fn piece(&self, text: &str) -> String {
        self.choice(json!({"content": text}), Value::Null, None)
    }

    /// The last events: why the text ended, the usage if it was asked for, and that it is over.
    #[must_use]
    pub fn end(&self, answer: &Answer, avp: &AvpReply) -> String {
        let mut events = self.choice(json!({}), json!(answer.finish), Some(avp.to_json(answer)));
        if self.include_usage {
            let mut chunk = self.completion.chunk(json!([]));
            chunk["usage"] = usage(answer);
            events.push_str(&event(&chunk));
        }
        events.push_str(DONE);
        events
    }

    /// The last events of an answer that failed on its way.
    #[must_use]
    pub fn error(&self, error: &ChatError) -> String {
        event(&error.to_json()) + DONE
    }

    fn choice(&self, delta: Value, finish: Value, avp: Option<Value>) -> String {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        let mut chunk = self.completion.chunk(json!([choice]));
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        if let Some(avp) = avp {
            chunk["avp"] = avp;
        }
        event(&chunk)
    }
}

/// What says that a stream is over.
const DONE: &str = "data: [DONE]\n\n";

/// One event. JSON text has no line ends of its own, so a text cannot end an event or begin another one.
fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// Tokens of the context are not among those of the prompt: they were read elsewhere.
fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens.saturating_add(answer.completion_tokens),
    })
}

/// The names that a completion may ask for: the model's, and the agent's.
#[must_use]
pub fn model_names(agent: &dyn Agent) -> Vec<&str> {
    let mut names = vec![&*agent.identity().model_id, agent.agent_id()];
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}

/// The list of models. `created` is when the server began, in seconds since 1970.
#[must_use]
pub fn models(agent: &dyn Agent, created: u64) -> Value {
    let model = |name| json!({"id": name, "object": "model", "created": created, "owned_by": OWNER});
    json!({"object": "list", "data": model_names(agent).into_iter().map(model).collect::<Vec<_>>()})
}

/// Seconds since 1970; 0 under a clock that stands before.
#[must_use]
pub fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
