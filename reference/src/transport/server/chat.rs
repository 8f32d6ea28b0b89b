//! OpenAI's form of questions and answers: what `POST /v1/chat/completions` and `GET /v1/models` say, without any HTTP.
//!
//! ```text
//!  body ─▶ ChatRequest::parse ─▶ check_model ─▶ session, its context ─▶ into_question ─▶ Agent::answer ─┬▶ Completion::body
//!              │ChatError                                                     on_text: every piece ─────┴▶ EventStream
//! ```
//!
//! A handler reads the body (within [`ServerLimits::max_json`](crate::transport::ServerLimits)) and calls
//! [`ChatRequest::parse`] with it and the header [`SESSION_HEADER`](crate::transport::binding::SESSION_HEADER); then
//! [`ChatRequest::check_model`]. When [`AvpRequest::session_id`] is set it looks the session up and takes the last context
//! that the session received; when it is not and [`AvpRequest::keep`] is, it opens a session. [`ChatRequest::into_question`]
//! makes the [`Question`](crate::transport::Question). If the answer brings a context and `keep` was asked for, the handler
//! puts it into the session and says so in [`AvpReply::kept`].
//!
//! Without `stream` the body is [`Completion::body`]. With it the answer is `text/event-stream`: [`EventStream::begin`] at
//! once, [`EventStream::piece`] for whatever `on_text` is told, then [`EventStream::end`], or [`EventStream::error`] when the
//! agent fails on the way. Before the first event an error is an ordinary one: [`ChatError::status`],
//! [`ChatError::to_json`], `Retry-After` where [`ChatError::retry_after`] says so, and
//! [`SHOULD_RETRY_HEADER`]`: false` where [`ChatError::is_final`] holds, since OpenAI's clients repeat a 409 by themselves.
//!
//! # The extension
//! The field `avp` of a request, which OpenAI's own client sends from `extra_body`:
//!
//! | key | meaning |
//! |---|---|
//! | `session_id` | the session whose context the question stands behind; the header `AVP-Session-ID` says the same |
//! | `latent_steps` | latent steps before the answer |
//! | `keep` | the context behind the answer stays in the session, a new one when none is named |
//!
//! The answer has `avp` too, in a stream its last chunk with a choice: `session_id`, `context_tokens` (those that the answer
//! stood behind), `kept`, and what else the agent says; the header `AVP-Session-ID` names the session as well, for frameworks
//! that drop fields which they do not know. A client that names a session sends new messages alone: what was said before
//! stands in the context. So two agents with stock clients hand over: one asks with
//! `keep`, the other one names the session.

mod error;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use error::{ChatError, SHOULD_RETRY_HEADER};
pub use reply::{
    AvpReply, Completion, EVENT_STREAM_CONTENT_TYPE, EventStream, model_names, models, unix_time,
};
pub use request::{AvpRequest, ChatRequest, MAX_STOP_BYTES, MAX_STOPS};
