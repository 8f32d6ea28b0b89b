//! Thinking and writing by a model's name, with engines that stand in for models: what they think and write is known
//! beforehand, so that names, stores and arguments are judged and no model is.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome};
use super::request::{Request, invalid};
use crate::Result;
use crate::model::{
    Ask, Capabilities, Connector, ConnectorInfo, Context, Device, Easy, Finish, GenerateOptions,
    GeneratePhases, Generation, HiddenStates, OnText, Prompt, ThinkOptions, ThinkPhases, Thought, Wish,
};
use crate::session::ModelIdentity;
use crate::transfer::ContextStore;
use crate::transfer::diagnostics::TransferDiagnostics;
use crate::transfer::metrics::{GenerateMetrics, ThinkMetrics};
use crate::wire::DataType;

/// The engine of this name writes text and can do nothing else.
const TEXT_ONLY: &str = "text-only";
/// Steps of the context that an engine is given without the easy API.
const GIVEN_STEPS: u64 = 3;

/// An engine that counts: thinking adds its steps to those of the context, and a text is the prompt and the steps.
struct StandIn {
    identity: ModelIdentity,
    can_think: bool,
}

impl StandIn {
    fn new(name: &str) -> Self {
        let identity = ModelIdentity { model_id: name.to_owned(), ..ModelIdentity::default() };
        Self { identity, can_think: name != TEXT_ONLY }
    }

    fn context(&self, num_steps: u64) -> Context {
        Context {
            model_hash: String::new(),
            model_family: String::new(),
            model_id: self.identity.model_id.clone(),
            hidden_dim: 1,
            num_layers: 1,
            num_steps,
            cache: None,
            hidden: Some(HiddenStates { values: vec![0.0], dtype: DataType::Float32, seq_len: 1 }),
            avp_map_id: String::new(),
        }
    }
}

impl Connector for StandIn {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn capabilities(&self) -> Capabilities {
        let can = self.can_think;
        Capabilities { can_think: can, context: can, text: true, cross_model: false }
    }

    fn info(&self) -> ConnectorInfo {
        ConnectorInfo {
            hidden_dim: 1,
            num_layers: 1,
            context_length: 1,
            vocab_size: 1,
            device: Device::Cpu,
            dtype: DataType::Float32,
            stop_tokens: Vec::new(),
        }
    }

    fn tokens(&self, _: &Prompt) -> Result<Vec<u32>> {
        Ok(Vec::new())
    }

    fn think(&self, _: &Prompt, options: ThinkOptions) -> Result<Thought> {
        self.require(Wish::Think)?;
        let before = options.context.as_ref().map_or(0, Context::num_steps);
        Ok(Thought {
            context: self.context(before + u64::from(options.steps)),
            metrics: ThinkMetrics {
                steps: options.steps.into(),
                has_prior_context: options.context.is_some(),
                ..ThinkMetrics::default()
            },
            phases: ThinkPhases::default(),
            diagnostics: TransferDiagnostics::default(),
        })
    }

    fn generate(&self, prompt: &Prompt, options: GenerateOptions, on_text: OnText<'_>) -> Result<Generation> {
        if options.context.is_some() {
            self.require(Wish::Context)?;
        }
        let Prompt::User(prompt) = prompt else {
            return Err(invalid("prompt", "a user's message", "another"));
        };
        let steps = options.context.as_ref().map_or(0, Context::num_steps);
        let text = format!("{prompt}|{steps}");
        let finish = if on_text(&text).is_break() { Finish::Cancelled } else { Finish::Stop };
        Ok(Generation {
            text,
            token_ids: Vec::new(),
            finish,
            context: self.context(steps),
            transfer: None,
            metrics: GenerateMetrics::default(),
            phases: GeneratePhases::default(),
            diagnostics: TransferDiagnostics::default(),
        })
    }
}

#[derive(Deserialize)]
struct ScriptArgs<'a> {
    #[serde(borrow)]
    steps: Vec<Step<'a>>,
}

#[derive(Deserialize)]
struct Step<'a> {
    #[serde(borrow, rename = "do")]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    #[serde(borrow, default)]
    prompt: Cow<'a, str>,
    #[serde(default)]
    steps: Option<u32>,
    /// Whether the script's store comes along.
    #[serde(default)]
    store: bool,
    #[serde(borrow, default)]
    store_key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    prior_key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(default)]
    context: bool,
}

struct Script {
    easy: Easy,
    loads: Arc<AtomicUsize>,
    store: ContextStore<Context>,
}

impl Script {
    fn new() -> Self {
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&loads);
        let easy = Easy::with_loader(move |name| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(Arc::new(StandIn::new(name)))
        });
        Self { easy, loads, store: ContextStore::new() }
    }

    fn run(&self, step: &Step<'_>) -> Result<Value> {
        let go_on = &mut |_: &str| ControlFlow::Continue(());
        Ok(match step.action.as_ref() {
            "think" => {
                let mut options = ThinkOptions::default();
                options.steps = step.steps.unwrap_or(options.steps);
                let thought = self.easy.think(&step.model, &step.prompt, options)?;
                json!({"num_steps": thought.context.num_steps(), "metrics": thought.metrics})
            }
            "generate" => {
                let mut ask = Ask::new(&step.model, &step.prompt);
                ask.steps = step.steps.unwrap_or(ask.steps);
                ask.store = step.store.then_some(&self.store);
                ask.store_key = step.store_key.as_deref();
                ask.prior_key = step.prior_key.as_deref();
                let made = self.easy.generate(ask, go_on)?;
                json!({"text": made.as_ref(), "metrics": made.metrics})
            }
            "clear" => {
                self.easy.clear();
                json!({})
            }
            "loads" => json!({"loads": self.loads.load(Ordering::Relaxed)}),
            "stored" => json!({"num_steps": self.store.get(&step.key).map(|context| context.num_steps())}),
            "engine_info" => json!({"can_think": StandIn::new(&step.model).capabilities().can_think}),
            "engine_think" => {
                let options = ThinkOptions { steps: step.steps.unwrap_or(0), ..ThinkOptions::default() };
                let thought = StandIn::new(&step.model).think(&Prompt::from(&*step.prompt), options)?;
                json!({"num_steps": thought.context.num_steps()})
            }
            "engine_generate" => {
                let engine = StandIn::new(&step.model);
                let context = step.context.then(|| engine.context(GIVEN_STEPS));
                let options = GenerateOptions { context, ..GenerateOptions::default() };
                let made = engine.generate(&Prompt::from(&*step.prompt), options, go_on)?;
                json!({"text": made.text})
            }
            other => return Err(invalid("steps", "a step of easy_script", other)),
        })
    }
}

pub(super) fn easy_script<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: ScriptArgs<'a> = request.args()?;
    let script = Script::new();
    let event = |step: &Step<'_>| {
        script
            .run(step)
            .unwrap_or_else(|error| json!({"error": error.class.code(), "detail": error.to_string()}))
    };
    let events: Vec<Value> = args.steps.iter().map(event).collect();
    Ok(Answer::new(json!({"events": events})))
}
