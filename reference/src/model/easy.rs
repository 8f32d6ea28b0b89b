//! Thinking and writing by a model's name: models are loaded once and stay until they are let go (AVP-API-013).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::connector::{
    Connector, DEFAULT_MAX_TOKENS, DEFAULT_STEPS, GenerateOptions, Generation, OnText, Prompt, Source,
    ThinkOptions, Thought,
};
use super::context::Context;
use super::decoder::LoadOptions;
use super::runtime::Runtime;
use super::sampling::Sampling;
use crate::error::{Error, ErrorClass, Result};
use crate::transfer::ContextStore;
use crate::weights::registry;

type Load = dyn Fn(&str) -> Result<Arc<dyn Connector>> + Send + Sync;

/// A model that is loaded, or will be by whoever has the lock.
type Slot = Arc<Mutex<Option<Arc<dyn Connector>>>>;

/// Models by name.
pub struct Easy {
    load: Box<Load>,
    slots: Mutex<HashMap<String, Slot>>,
}

/// One call of [`Easy::generate`]. The defaults are those of the Python SDK.
#[derive(Clone)]
pub struct Ask<'a> {
    /// The model's name, folder or file.
    pub model: &'a str,
    /// The model that thinks, when it is another one.
    pub source_model: Option<&'a str>,
    /// Whether what another model thought may be projected onto this one (AVP-API-007). Experimental.
    pub cross_model: bool,
    /// A user's message.
    pub prompt: &'a str,
    /// Latent steps before the text; 0 for none.
    pub steps: u32,
    /// What to go on from. What stands under `prior_key` goes before.
    pub context: Option<Context>,
    /// Where contexts wait.
    pub store: Option<&'a ContextStore<Context>>,
    /// The key under which the context is kept after thinking.
    pub store_key: Option<&'a str>,
    /// The key of the context to go on from.
    pub prior_key: Option<&'a str>,
    /// How tokens are chosen; as the model wants it where nothing is said.
    pub sampling: Option<Sampling>,
    /// Tokens written at most.
    pub max_tokens: usize,
}

impl<'a> Ask<'a> {
    /// A question with the defaults for everything else.
    #[must_use]
    pub fn new(model: &'a str, prompt: &'a str) -> Self {
        Self {
            model,
            source_model: None,
            cross_model: false,
            prompt,
            steps: DEFAULT_STEPS,
            context: None,
            store: None,
            store_key: None,
            prior_key: None,
            sampling: None,
            max_tokens: DEFAULT_MAX_TOKENS,
        }
    }
}

impl Easy {
    /// Models that are installed here: names of pulled models, folders, GGUF files.
    #[must_use]
    pub fn installed(options: LoadOptions) -> Self {
        Self::with_loader(move |name| {
            let source = registry::resolve(name)?;
            Ok(Arc::new(Runtime::open(source, options, &mut |_, _| ())?))
        })
    }

    /// Models of another kind.
    #[must_use]
    pub fn with_loader(load: impl Fn(&str) -> Result<Arc<dyn Connector>> + Send + Sync + 'static) -> Self {
        Self { load: Box::new(load), slots: Mutex::default() }
    }

    /// The model of that name, loaded now if it is not yet.
    ///
    /// # Errors
    /// `configuration` for an empty name; what loading refuses.
    pub fn connector(&self, name: &str) -> Result<Arc<dyn Connector>> {
        if name.is_empty() {
            return Err(configuration("model", "the name of a model", "nothing"));
        }
        // Nothing is half done when a lock is given back, so a panic in another thread is no reason to stop.
        let slot = Arc::clone(
            self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default(),
        );
        // Loading under the lock of this name alone: its other callers wait, those of other models do not.
        let mut loaded = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = &*loaded {
            return Ok(Arc::clone(found));
        }
        let connector = (self.load)(name)?;
        *loaded = Some(Arc::clone(&connector));
        Ok(connector)
    }

    /// Lets all models go; memory is freed when their last user is done.
    pub fn clear(&self) {
        let gone = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        drop(gone);
    }

    /// Thinks by name. Metrics and diagnostics come with the context.
    ///
    /// # Errors
    /// `configuration` for an empty prompt or name, and when the model cannot think; what thinking refuses.
    pub fn think(&self, model: &str, prompt: &str, options: ThinkOptions) -> Result<Thought> {
        let started = Instant::now();
        check_prompt(prompt)?;
        let connector = self.connector(model)?;
        check_can_think(&*connector)?;
        let mut thought = connector.think(&Prompt::from(prompt), options)?;
        thought.metrics.model = Some(model.to_owned());
        thought.metrics.duration_s = started.elapsed().as_secs_f64();
        Ok(thought)
    }

    /// Thinks and writes, if need be with two models: the context comes from the store or the caller, grows by the prompt and the latent steps, is
    /// kept under its key, and the text is written behind it (AVP-STO-006).
    ///
    /// # Errors
    /// `configuration` for an empty prompt or name, keys without a store (AVP-STO-005), and latent steps of a model that
    /// cannot think; what thinking and generating refuse.
    pub fn generate(&self, ask: Ask<'_>, on_text: OnText<'_>) -> Result<Generation> {
        let started = Instant::now();
        check_prompt(ask.prompt)?;
        if ask.store.is_none() && (ask.store_key.is_some() || ask.prior_key.is_some()) {
            return Err(configuration("store", "a store for store_key and prior_key", "none"));
        }
        let connector = self.connector(ask.model)?;
        let source = ask.source_model.map(|name| self.connector(name)).transpose()?;
        let thinker = source.as_ref().unwrap_or(&connector);
        let prior = ask.prior_key.and_then(|key| ask.store?.get(key)).map(|context| (*context).clone());
        let mut context = prior.or(ask.context);
        let has_prior_context = context.is_some();
        let mut think_duration_s = 0.0;
        let mut warnings = Vec::new();
        let prompt = Prompt::from(ask.prompt);
        // What crosses to another model is what thinking leaves, if only after reading the prompt.
        if ask.steps > 0 || source.is_some() {
            check_can_think(&**thinker)?;
            let options = ThinkOptions { steps: ask.steps, context, ..ThinkOptions::default() };
            let thought = thinker.think(&prompt, options)?;
            think_duration_s = thought.metrics.think_duration_s;
            warnings = thought.diagnostics.warnings;
            context = Some(thought.context);
        }
        let mut stored = false;
        if let (Some(store), Some(key), Some(context)) = (ask.store, ask.store_key, &context) {
            store.store(key, context.clone(), None)?;
            stored = true;
        }
        let options = GenerateOptions {
            context,
            source: source.map(Source),
            cross_model: ask.cross_model,
            sampling: ask.sampling.unwrap_or_else(|| connector.sampling()),
            max_tokens: ask.max_tokens,
            ..GenerateOptions::default()
        };
        let mut generation = connector.generate(&prompt, options, on_text)?;
        warnings.append(&mut generation.diagnostics.warnings);
        generation.diagnostics.warnings = warnings;
        let metrics = &mut generation.metrics;
        metrics.model = Some(ask.model.to_owned());
        metrics.steps = ask.steps.into();
        metrics.has_prior_context = has_prior_context;
        metrics.stored = stored;
        metrics.think_duration_s = think_duration_s;
        metrics.duration_s = started.elapsed().as_secs_f64();
        Ok(generation)
    }
}

fn check_prompt(prompt: &str) -> Result<()> {
    if prompt.is_empty() { Err(configuration("prompt", "a prompt", "nothing")) } else { Ok(()) }
}

fn check_can_think(connector: &dyn Connector) -> Result<()> {
    if connector.capabilities().can_think {
        return Ok(());
    }
    Err(configuration("steps", "0, or an engine that can think", "an engine that cannot"))
}

fn configuration(field: &'static str, expected: &str, found: &str) -> Error {
    Error::new(ErrorClass::Configuration, field, expected, found)
}
