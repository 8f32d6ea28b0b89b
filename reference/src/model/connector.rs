//! What every engine that agents think with looks like from outside (AVP-API).

use std::ops::ControlFlow;
use std::sync::Arc;

use super::backend::Tensor;
use super::context::Context;
use super::cross_model::Transfer;
use super::device::Device;
use super::sampling::Sampling;
use crate::error::{Error, ErrorClass, Result};
use crate::session::quality::QualityGate;
use crate::session::{ModelIdentity, Vocabulary};
use crate::text::ChatMessage;
use crate::transfer::diagnostics::TransferDiagnostics;
use crate::transfer::metrics::{GenerateMetrics, ThinkMetrics};
use crate::wire::DataType;

/// Latent steps of a `think` that says nothing else (AVP-API-001).
pub const DEFAULT_STEPS: u32 = 20;

/// Tokens that a `generate` writes at most when it says nothing else.
pub const DEFAULT_MAX_TOKENS: usize = 512;

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// A user's message; goes through the chat template.
    User(String),
    /// A conversation; goes through the chat template.
    Messages(Vec<ChatMessage>),
    /// Text as it is, without a template; special tokens in it count.
    Raw(String),
    /// Tokens as they are.
    Tokens(Vec<u32>),
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self::User(text.to_owned())
    }
}

/// What an engine can do. [`Connector::require`] turns a `false` into an error with a next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Latent steps: needs hidden states.
    pub can_think: bool,
    /// Going on from a context: needs the cache.
    pub context: bool,
    /// Text without a context.
    pub text: bool,
    /// Contexts of other models.
    pub cross_model: bool,
}

/// What an engine says of its model (AVP-API-011).
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorInfo {
    /// Width of a hidden state.
    pub hidden_dim: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Positions that the model was made for.
    pub context_length: usize,
    /// Rows of the embedding matrix.
    pub vocab_size: usize,
    /// Where it runs.
    pub device: Device,
    /// Element type of weights and cache.
    pub dtype: DataType,
    /// Tokens that end a text.
    pub stop_tokens: Vec<u32>,
}

/// What `think` leaves behind (AVP-API-003).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThinkOutput {
    /// Cache and last hidden state.
    #[default]
    Auto,
    /// The same, said out loud.
    KvCache,
    /// The last hidden state alone; the cache is freed.
    HiddenState,
}

/// How to think.
#[derive(Clone, Debug)]
pub struct ThinkOptions {
    /// Latent steps; 0 only reads the prompt (AVP-API-004).
    pub steps: u32,
    /// What to go on from. Given by value: a context that nobody else holds is continued in place.
    pub context: Option<Context>,
    /// What to leave behind.
    pub output: ThinkOutput,
    /// How many of the last hidden states the context keeps, those of the prompt included; one is what a latent step goes
    /// on from. More are for transfers to another model that take several.
    pub states: usize,
    /// Whether soft embeddings are brought to the embeddings' mean norm (AVP-RLN-013, A-039).
    pub rescale: bool,
    /// Whether a context of another model hash is taken when its shape fits.
    pub accept_structural: bool,
}

impl Default for ThinkOptions {
    fn default() -> Self {
        Self {
            steps: DEFAULT_STEPS,
            context: None,
            output: ThinkOutput::Auto,
            states: 1,
            rescale: false,
            accept_structural: false,
        }
    }
}

/// The engine that a context comes from.
#[derive(Clone)]
pub struct Source(pub Arc<dyn Connector>);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Source").field(&self.0.identity().model_id).finish()
    }
}

/// How to generate.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    /// What to go on from. Given by value: a context that nobody else holds is continued in place.
    pub context: Option<Context>,
    /// The engine that the context comes from (AVP-API-002). When its model is another one, the context's last hidden
    /// states are projected onto this one, if `cross_model` allows it; else the context is left out, with a warning
    /// (AVP-API-007). When it is the same model, nothing changes.
    pub source: Option<Source>,
    /// Whether contexts of other models may be projected. Experimental: what it gives depends on the task.
    pub cross_model: bool,
    /// How many of the last hidden states are projected.
    pub vectors: usize,
    /// Up to where a transfer to another model is advised; beyond it goes on with a warning (AVP-QG-005).
    pub gate: QualityGate,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens written at most.
    pub max_tokens: usize,
    /// Tokens that end the text, besides the model's own.
    pub stop_tokens: Vec<u32>,
    /// Whether a context of another model hash is taken when its shape fits.
    pub accept_structural: bool,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            context: None,
            source: None,
            cross_model: false,
            vectors: 1,
            gate: QualityGate::default(),
            sampling: Sampling::default(),
            max_tokens: DEFAULT_MAX_TOKENS,
            stop_tokens: Vec::new(),
            accept_structural: false,
        }
    }
}

/// What thinking gave.
#[derive(Clone, Debug)]
pub struct Thought {
    /// To be handed over.
    pub context: Context,
    /// What it took (AVP-MET-001).
    pub metrics: ThinkMetrics,
    /// Where the time went.
    pub phases: ThinkPhases,
    /// What was seen (AVP-MET-003); warnings among it were found whether or not somebody asks.
    pub diagnostics: TransferDiagnostics,
}

/// Where the time of a `think` went: the work of the model, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ThinkPhases {
    /// Taking in the context and reading the prompt.
    pub prefill_s: f64,
    /// Latent steps.
    pub latent_s: f64,
}

/// Where the time of a `generate` went: the work of the model, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GeneratePhases {
    /// Taking in the context and reading the prompt.
    pub prefill_s: f64,
    /// From the prompt's last position to the end of the text, the choice of every token included.
    pub generate_s: f64,
    /// From the beginning of the first phase until the first token was chosen.
    pub first_token_s: f64,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// With a token that ends texts.
    Stop,
    /// With the last token that was allowed.
    Length,
    /// The reader had enough.
    Cancelled,
}

impl Finish {
    /// `stop`, `length` or `cancelled`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What generating gave; behaves as its text (AVP-API-017).
#[derive(Clone, Debug)]
pub struct Generation {
    /// Without special tokens, and without white space at its ends.
    pub text: String,
    /// Every token, the one that ended it included.
    pub token_ids: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// What the model knows now: context, prompt and all tokens but the last.
    pub context: Context,
    /// How another model's context came in, where one did.
    pub transfer: Option<Transfer>,
    /// What it took (AVP-MET-002).
    pub metrics: GenerateMetrics,
    /// Where the time went.
    pub phases: GeneratePhases,
    /// What was seen (AVP-MET-003).
    pub diagnostics: TransferDiagnostics,
}

impl AsRef<str> for Generation {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Is told each piece of text as it comes, and says whether to go on.
pub type OnText<'a> = &'a mut dyn FnMut(&str) -> ControlFlow<()>;

/// An engine with a model.
pub trait Connector: Send + Sync {
    /// Who the model is, for the handshake.
    fn identity(&self) -> &ModelIdentity;

    /// What the engine can do.
    fn capabilities(&self) -> Capabilities;

    /// How this model wants its tokens chosen: the defaults, and what its generation_config.json says besides, as the
    /// Python SDK has it.
    fn sampling(&self) -> Sampling {
        Sampling::default()
    }

    /// What it says of its model.
    fn info(&self) -> ConnectorInfo;

    /// Tokens of a prompt.
    ///
    /// # Errors
    /// What the chat template or the tokenizer refuse.
    fn tokens(&self, prompt: &Prompt) -> Result<Vec<u32>>;

    /// Reads the prompt behind the context and takes latent steps.
    ///
    /// # Errors
    /// `engine_unavailable` when the engine cannot think; `incompatible_models` for a foreign context (AVP-CTX-011).
    fn think(&self, prompt: &Prompt, options: ThinkOptions) -> Result<Thought>;

    /// Reads the prompt behind the context and writes text.
    ///
    /// # Errors
    /// `engine_unavailable` for a context that the engine cannot take; `incompatible_models` for a foreign one.
    fn generate(&self, prompt: &Prompt, options: GenerateOptions, on_text: OnText<'_>) -> Result<Generation>;

    /// Logits of final hidden states, [n, hidden] → [n, vocabulary], by the output head (AVP-PRJ-029), in f32.
    ///
    /// # Errors
    /// `engine_unavailable` when the engine does not show them; `shape_mismatch` for rows of another width.
    fn logits(&self, states: &[f32]) -> Result<Vec<f32>> {
        let _ = states;
        self.require(Wish::CrossModel)?;
        Err(Error::new(ErrorClass::EngineUnavailable, "connector.logits", "the output head", "none shown"))
    }

    /// The output head, where it lies on a card: projections onto a model on the same card then stay there.
    #[doc(hidden)]
    fn card_head(&self) -> Option<CardHead> {
        None
    }

    /// Its tokens and their ids.
    ///
    /// # Errors
    /// `engine_unavailable` when the engine does not show them; `configuration` for a model without a tokenizer.
    fn vocabulary(&self) -> Result<Vocabulary<'static>> {
        self.require(Wish::CrossModel)?;
        Err(Error::new(ErrorClass::EngineUnavailable, "connector.vocabulary", "the tokens", "none shown"))
    }

    /// Refuses what the engine cannot do (AVP-API-005, 006).
    ///
    /// # Errors
    /// `engine_unavailable`.
    fn require(&self, wish: Wish) -> Result<()> {
        let can = self.capabilities();
        let (able, field, instead) = match wish {
            Wish::Think => {
                (can.can_think, "connector.can_think", "generate text, or an engine that shows hidden states")
            }
            Wish::Context => {
                (can.context, "connector.context", "no context, or an engine that opens its cache")
            }
            Wish::CrossModel => {
                (can.cross_model, "connector.cross_model", "an engine with hidden states, head and tokens")
            }
        };
        if able {
            return Ok(());
        }
        Err(Error::new(ErrorClass::EngineUnavailable, field, instead, "an engine without it"))
    }
}

/// An output head on a card, [vocabulary, hidden].
#[derive(Clone, Debug)]
pub struct CardHead(pub(super) Tensor<2>);

/// What [`Connector::require`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Latent steps.
    Think,
    /// Going on from a context.
    Context,
    /// Taking and giving contexts of other models.
    CrossModel,
}
