//! MODEL behind the binding: what a server answers that has a language model.
//!
//! ```text
//!  Agent::resolve ─▶ six rules, with this user's maps and the vocabularies that are known here
//!  Agent::receive ─▶ ContextMessage::read ─▶ Fit: model, map, shape, window ─▶ facts, or a refusal
//!  Agent::answer  ─▶ Context::from_parts ─▶ think ─▶ generate ─▶ AnswerText: white space, stop texts ─▶ pieces, Answer
//! ```

mod agent;
mod answer_text;
mod fit;
mod vocabularies;

pub use agent::{MAX_ANSWER_TOKENS, MAX_LATENT_STEPS, ModelAgent};
pub use vocabularies::KnownVocabularies;
