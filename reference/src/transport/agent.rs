//! Who answers behind the binding.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::received::Received;
use crate::error::{Error, ErrorClass, Result};
use crate::session::{Hello, ModelIdentity, Session, TextMessage};

/// What a server puts behind its paths. All calls but the first three may take long: they are made on threads for blocking work.
pub trait Agent: Send + Sync + 'static {
    /// The agent's own name.
    fn agent_id(&self) -> &str;

    /// The agent's own model, never the peer's (AVP-HTTP-001, A-036).
    fn identity(&self) -> &ModelIdentity;

    /// Whether text messages are answered; without, the server says 501 (AVP-HTTP-010).
    fn answers(&self) -> bool;

    /// Resolves a peer's hello; by the six rules, unless there is something better to go by.
    ///
    /// # Errors
    /// As [`crate::session::resolve()`].
    fn resolve(&self, hello: &Hello) -> Result<crate::session::Resolution> {
        let remote = hello.identity.clone().unwrap_or_default();
        crate::session::resolve(&remote, self.identity(), &(), None)
    }

    /// Judges a message before it is acknowledged. What is returned stands beside `success` in the answer
    /// (AVP-HTTP-025). The session, where the message names one that is open, keeps the message if it holds a context.
    ///
    /// Messages up to 64 KiB are judged where they came in, on a thread that serves other peers too: for these it is not to
    /// wait for anything.
    ///
    /// # Errors
    /// A class with which the message is refused: nothing of it is kept.
    fn receive(&self, message: &Received, session: Option<&Session>) -> Result<Map<String, Value>>;

    /// Answers a question. Each piece of text is told to `on_text` as it comes; an empty one only asks whether to go on.
    ///
    /// # Errors
    /// A class with which the question is refused.
    fn answer(&self, question: Question, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<Answer> {
        let _ = (question, on_text);
        Err(Error::new(ErrorClass::EngineUnavailable, "text", "an agent that answers text", "one without"))
    }
}

/// What a text message or a chat completion asks.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// What is asked.
    pub prompt: Prompt,
    /// What the question stands behind: the last context that its session received.
    pub context: Option<Arc<Received>>,
    /// The session, where there is one.
    pub session: Option<Arc<Session>>,
    /// Tokens to write at most; the agent's own default without.
    pub max_tokens: Option<u64>,
    /// Divides the logits; 0 is greedy.
    pub temperature: Option<f32>,
    /// Only the most likely tokens that together reach this probability.
    pub top_p: Option<f32>,
    /// The same seed gives the same text.
    pub seed: Option<u64>,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// Latent steps to take before the answer.
    pub latent_steps: u32,
    /// Whether the context that stands behind the answer is to be kept in the session.
    pub keep: bool,
}

/// The words of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// A text message of the binding.
    Text(TextMessage),
    /// A conversation: role and content of each message, oldest first.
    Chat(Vec<(String, String)>),
}

impl Default for Prompt {
    fn default() -> Self {
        Self::Chat(Vec::new())
    }
}

/// What was answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The text.
    pub content: String,
    /// `stop` or `length`.
    pub finish: &'static str,
    /// Tokens that were read, without those of the context.
    pub prompt_tokens: u64,
    /// Tokens that were written.
    pub completion_tokens: u64,
    /// Tokens of the context that the answer stands behind.
    pub context_tokens: u64,
    /// A message with the context behind the answer, when [`Question::keep`] asked for it.
    pub context: Option<Vec<u8>>,
    /// What else the agent has to say; stands beside `content` in the answer.
    pub extra: Map<String, Value>,
}
