//! An agent with a model.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer_text::AnswerText;
use super::fit::{Fit, facts_of_message, positions_of};
use super::vocabularies::KnownVocabularies;
use crate::error::{Error, ErrorClass, Result};
use crate::model::{
    Connector, ConnectorInfo, Context, DEFAULT_MAX_TOKENS, Finish, GenerateOptions, Prompt, Route, Sampling,
    ThinkOptions, Wish,
};
use crate::session::{Hello, MapLookup, ModelIdentity, Resolution, Session, SessionMode, Vocabulary};
use crate::text::ChatMessage;
use crate::transfer::MapRegistry;
use crate::transport::{Agent, Answer, Question, Received, agent};
use crate::wire::Encoder;

/// Tokens that one answer has at most, whatever is asked for: more would hold the model from others for minutes.
pub const MAX_ANSWER_TOKENS: usize = 4096;
/// Latent steps before one answer at most, and hidden states that a context may bring to be taken as such. The protocol's
/// default is 20 and published runs take up to 80.
pub const MAX_LATENT_STEPS: u32 = 512;

/// What the engine says when no logit is a number.
const NO_LOGITS: &str = "model.logits";

/// An agent over a model.
///
/// Text messages are answered greedily unless they ask for a temperature: agents repeat requests, and expect the same
/// answer. Chat completions are drawn as the model wants it unless they ask for something else, with a fresh seed each.
pub struct ModelAgent {
    connector: Arc<dyn Connector>,
    info: ConnectorInfo,
    agent_id: String,
    vocabulary: Option<Vocabulary<'static>>,
    known: KnownVocabularies,
    maps: Box<dyn MapLookup + Send + Sync>,
    accept_structural: bool,
}

impl ModelAgent {
    /// With the name of its model, this user's maps, and the vocabularies of the models inside this program. Without a folder
    /// that maps may lie in there are none, and a warning says so.
    ///
    /// # Errors
    /// Those of [`KnownVocabularies::of_pocket_models`].
    pub fn new(connector: Arc<dyn Connector>) -> Result<Self> {
        let maps = MapRegistry::from_env().unwrap_or_else(|error| {
            tracing::warn!(%error, "no maps: peers of other models are met without stored projections");
            MapRegistry::in_memory()
        });
        Ok(Self {
            info: connector.info(),
            agent_id: connector.identity().model_id.clone(),
            // Without, there are five rules.
            vocabulary: connector.vocabulary().ok(),
            known: KnownVocabularies::of_pocket_models()?,
            maps: Box::new(maps),
            accept_structural: false,
            connector,
        })
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, agent_id: impl Into<String>) -> Self {
        self.agent_id = agent_id.into();
        self
    }

    /// The same with other maps.
    #[must_use]
    pub fn with_maps(mut self, maps: impl MapLookup + Send + Sync + 'static) -> Self {
        self.maps = Box::new(maps);
        self
    }

    /// The same with other vocabularies of peers.
    #[must_use]
    pub fn with_vocabularies(mut self, known: KnownVocabularies) -> Self {
        self.known = known;
        self
    }

    /// The same, taking contexts of another model hash whose shape fits, or not.
    #[must_use]
    pub fn accept_structural(mut self, accept: bool) -> Self {
        self.accept_structural = accept;
        self
    }

    fn fit(&self) -> Fit<'_> {
        let accept_structural = self.accept_structural;
        Fit { identity: self.connector.identity(), info: &self.info, accept_structural }
    }

    /// The context that a question stands behind. One that this model can't use is left out where the session never
    /// promised anything else.
    fn context_of(&self, question: &Question, warnings: &mut Vec<String>) -> Result<Option<Context>> {
        let Some(message) = &question.context else { return Ok(None) };
        let session = question.session.as_deref();
        self.connector.require(Wish::Context)?;
        match self.fit().take(message, session) {
            Ok(context) => Ok(Some(context)),
            Err(error) if session.is_some_and(|session| session.mode == SessionMode::Json) => {
                warnings.push(format!("the session's context was left out: {error}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// How tokens are chosen.
    fn sampling(&self, question: &Question) -> Result<Sampling> {
        let wanted = self.connector.sampling();
        let repetition_penalty = wanted.repetition_penalty;
        let unasked = match question.prompt {
            agent::Prompt::Text(_) => 0.0,
            agent::Prompt::Chat(_) => wanted.temperature,
        };
        let temperature = question.temperature.unwrap_or(unasked);
        if temperature == 0.0 {
            return Ok(Sampling { repetition_penalty, ..Sampling::greedy() });
        }
        let seed = question.seed.map_or_else(fresh_seed, Ok)?;
        let top_p = question.top_p.unwrap_or(wanted.top_p);
        let sampling = Sampling { temperature, top_k: wanted.top_k, top_p, repetition_penalty, seed };
        sampling.check().map(|()| sampling)
    }

    /// Tokens that may be written behind so many positions.
    ///
    /// # Errors
    /// `limit_exceeded` when there is no room for one.
    fn room(&self, question: &Question, used: usize) -> Result<usize> {
        let window = self.fit().window();
        let room = window.saturating_sub(used);
        if room == 0 {
            let expected = format!("fewer positions than the model's window of {window}");
            let found = format!("{used} for context, prompt and latent steps");
            return Err(Error::new(ErrorClass::LimitExceeded, "prompt", expected, found));
        }
        let asked = question
            .max_tokens
            .map_or(DEFAULT_MAX_TOKENS, |asked| usize::try_from(asked).unwrap_or(usize::MAX));
        Ok(asked.min(MAX_ANSWER_TOKENS).min(room))
    }
}

impl Agent for ModelAgent {
    fn agent_id(&self) -> &str {
        &self.agent_id
    }

    fn identity(&self) -> &ModelIdentity {
        self.connector.identity()
    }

    fn answers(&self) -> bool {
        self.connector.capabilities().text
    }

    fn resolve(&self, hello: &Hello) -> Result<Resolution> {
        let remote = hello.identity.clone().unwrap_or_default();
        let theirs = self.known.get(&remote.tokenizer_hash);
        // The peer is the one who sends, so maps are looked for from its model to this one.
        let vocabularies = theirs.zip(self.vocabulary.as_ref());
        crate::session::resolve(&remote, self.identity(), &*self.maps, vocabularies)
    }

    /// A context for an open session in latent mode is refused unless this model can go on from it. Of any other message
    /// is said what it is.
    fn receive(&self, message: &Received, session: Option<&Session>) -> Result<Map<String, Value>> {
        if !message.is_context() {
            return Ok(facts_of_message(message));
        }
        let is_latent = session.is_some_and(|session| session.mode == SessionMode::Latent);
        let judged = self.connector.require(Wish::Context).and_then(|()| self.fit().judge(message, session));
        let usable = judged.is_ok();
        let mut facts = match judged {
            Err(error) if is_latent => return Err(error),
            Err(_) => facts_of_message(message),
            Ok(facts) => facts,
        };
        facts.insert("usable".to_owned(), json!(usable));
        Ok(facts)
    }

    fn answer(&self, question: Question, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<Answer> {
        let sampling = self.sampling(&question)?;
        let steps = question.latent_steps;
        if steps > MAX_LATENT_STEPS {
            let expected = format!("at most {MAX_LATENT_STEPS}");
            return Err(Error::new(ErrorClass::InvalidArgument, "latent_steps", expected, steps.to_string()));
        }
        let tokens = self.connector.tokens(&prompt_of(&question.prompt))?;
        let prompt_tokens = tokens.len();
        let mut warnings = Vec::new();
        let mut context = self.context_of(&question, &mut warnings)?;
        let context_tokens = context.as_ref().map_or(0, positions_of);
        // Whoever thinks reads the prompt twice: once to think about it, once to answer.
        let thinking = if steps == 0 { 0 } else { prompt_tokens + steps as usize };
        let max_tokens = self.room(&question, context_tokens + thinking + prompt_tokens)?;
        let (prompt, accept_structural) = (Prompt::Tokens(tokens), self.accept_structural);
        let behind = context.is_some();
        let blame = |error: Error| if behind && error.field == NO_LOGITS { no_numbers() } else { error };
        if steps > 0 {
            let options = ThinkOptions { steps, context, accept_structural, ..ThinkOptions::default() };
            let thought = self.connector.think(&prompt, options).map_err(blame)?;
            warnings.extend(thought.diagnostics.warnings);
            context = Some(thought.context);
        }
        let options = GenerateOptions {
            context,
            sampling,
            max_tokens,
            accept_structural,
            ..GenerateOptions::default()
        };
        let mut text = AnswerText::new(&question.stop);
        let generation = self
            .connector
            .generate(&prompt, options, &mut |piece| text.push(piece, on_text))
            .map_err(blame)?;
        warnings.extend(generation.diagnostics.warnings);
        let finish = if text.has_ended() { Finish::Stop } else { generation.finish };
        let kept = question.keep.then(|| {
            let session_id = question.session.as_ref().map(|session| session.id.to_string());
            let route = Route {
                session_id: session_id.unwrap_or_default(),
                source_agent_id: self.agent_id.clone(),
                ..Route::default()
            };
            generation.context.to_bytes(&Encoder::new(), &route)
        });
        let mut extra = Map::new();
        if !warnings.is_empty() {
            extra.insert("warnings".to_owned(), json!(warnings));
        }
        Ok(Answer {
            content: text.finish(on_text),
            finish: finish.as_str(),
            prompt_tokens: prompt_tokens as u64,
            completion_tokens: generation.token_ids.len() as u64,
            context_tokens: context_tokens as u64,
            context: kept.transpose()?,
            extra,
        })
    }
}

/// A text message is what a user says.
fn prompt_of(prompt: &agent::Prompt) -> Prompt {
    match prompt {
        agent::Prompt::Text(message) => Prompt::User(message.content.clone()),
        agent::Prompt::Chat(messages) => {
            Prompt::Messages(messages.iter().map(|(role, content)| ChatMessage::new(role, content)).collect())
        }
    }
}

/// Why a model that is in order computes nothing.
fn no_numbers() -> Error {
    let expected = "a context that the model can go on from";
    Error::new(ErrorClass::Projection, "context", expected, "one behind which no logit is a number")
}

/// A seed from the operating system.
fn fresh_seed() -> Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorClass::EngineUnavailable, "seed", "random bytes", error.to_string())
    })?;
    Ok(u64::from_le_bytes(bytes))
}
