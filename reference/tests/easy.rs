//! Models by name, with stores, and engines that cannot do everything (AVP-API-005, 006, 013, 014; AVP-STO-005, 006;
//! AVP-MET-002).

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use avp::model::{
    Ask, Capabilities, Connector, ConnectorInfo, Context, Easy, GenerateOptions, Generation, LoadOptions,
    OnText, Prompt, Runtime, Sampling, ThinkOptions, Thought, Wish,
};
use avp::session::ModelIdentity;
use avp::transfer::ContextStore;
use avp::weights::registry;
use avp::{ErrorClass, Result};

type Outcome = std::result::Result<(), Box<dyn Error>>;

const FACTS: &str = "Ann visits Rome. Rome sells silk. Ben visits Oslo. Oslo sells tea. Take a note.";
const QUESTION: &str = "What can Ann buy?";
const ANSWER: &str = "Ann Rome silk";

fn pocket() -> Result<Runtime> {
    Runtime::open(registry::resolve("pocket-a")?, LoadOptions::default(), &mut |_, _| ())
}

/// Models by the name `pocket-a`, and how often one was loaded.
fn easy() -> (Easy, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let loads = Arc::clone(&count);
    let easy = Easy::with_loader(move |name| {
        loads.fetch_add(1, Ordering::Relaxed);
        match name {
            "pocket-a" => Ok(Arc::new(pocket()?)),
            _ => Ok(Arc::new(TextOnly(pocket()?))),
        }
    });
    (easy, count)
}

fn ask<'a>(prompt: &'a str, steps: u32) -> Ask<'a> {
    Ask { steps, sampling: Some(Sampling::greedy()), max_tokens: 6, ..Ask::new("pocket-a", prompt) }
}

fn run(easy: &Easy, ask: Ask<'_>) -> Result<Generation> {
    easy.generate(ask, &mut |_| ControlFlow::Continue(()))
}

/// An engine that neither thinks nor takes contexts.
struct TextOnly(Runtime);

impl Connector for TextOnly {
    fn identity(&self) -> &ModelIdentity {
        self.0.identity()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { can_think: false, context: false, text: true, cross_model: false }
    }

    fn info(&self) -> ConnectorInfo {
        self.0.info()
    }

    fn tokens(&self, prompt: &Prompt) -> Result<Vec<u32>> {
        self.0.tokens(prompt)
    }

    fn think(&self, prompt: &Prompt, options: ThinkOptions) -> Result<Thought> {
        self.require(Wish::Think)?;
        self.0.think(prompt, options)
    }

    fn generate(&self, prompt: &Prompt, options: GenerateOptions, on_text: OnText<'_>) -> Result<Generation> {
        if options.context.is_some() {
            self.require(Wish::Context)?;
        }
        self.0.generate(prompt, options, on_text)
    }
}

#[test]
fn a_name_is_loaded_once_until_it_is_let_go() -> Outcome {
    let (easy, loads) = easy();
    let first = run(&easy, ask("count", 2))?;
    let second = run(&easy, ask("count", 2))?;
    assert_eq!((first.token_ids, loads.load(Ordering::Relaxed)), (second.token_ids, 1));
    easy.clear();
    easy.think("pocket-a", "count", ThinkOptions { steps: 1, ..ThinkOptions::default() })?;
    assert_eq!(loads.load(Ordering::Relaxed), 2);
    Ok(())
}

#[test]
fn stores_hand_contexts_from_agent_to_agent() -> Outcome {
    let (easy, _) = easy();
    let store: ContextStore<Context> = ContextStore::new();
    let first = run(&easy, Ask { store: Some(&store), store_key: Some("a"), ..ask(FACTS, 3) })?;
    assert!(first.metrics.stored && !first.metrics.has_prior_context);
    let kept = store.get("a").ok_or("not kept")?;
    assert_eq!(kept.num_steps(), 3);
    let before = kept.seq_len();
    let answer = Ask { store: Some(&store), store_key: Some("b"), prior_key: Some("a"), ..ask(QUESTION, 0) };
    let second = run(&easy, answer)?;
    assert_eq!(second.text, ANSWER);
    assert!(second.metrics.has_prior_context);
    let next = store.get("b").ok_or("not kept")?;
    // Without a step nothing is added.
    assert_eq!((next.num_steps(), next.seq_len(), kept.seq_len()), (3, before, before));
    let third = Ask { store: Some(&store), store_key: Some("c"), prior_key: Some("a"), ..ask(QUESTION, 2) };
    run(&easy, third)?;
    let next = store.get("c").ok_or("not kept")?;
    assert_eq!((next.num_steps(), kept.seq_len()), (5, before));
    assert!(next.seq_len() > before + 2);
    let metrics = second.metrics;
    assert!(metrics.think_duration_s + metrics.generate_duration_s <= metrics.duration_s + 1e-3);
    // The same as by hand.
    let by_hand = run(&easy, Ask { context: Some((*kept).clone()), ..ask(QUESTION, 0) })?;
    assert_eq!(by_hand.token_ids, second.token_ids);
    // Who has not read the facts does not know, nor does who looks under a key that nothing stands under.
    assert_ne!(run(&easy, ask(QUESTION, 0))?.text, ANSWER);
    let lost = run(&easy, Ask { store: Some(&store), prior_key: Some("zzz"), ..ask(QUESTION, 0) })?;
    assert!(!lost.metrics.has_prior_context);
    assert_ne!(lost.text, ANSWER);
    Ok(())
}

#[test]
fn wrong_calls_are_configuration_errors() {
    let (easy, loads) = easy();
    let class = |ask: Ask<'_>| run(&easy, ask).err().map(|error| error.class);
    let wrong = Some(ErrorClass::Configuration);
    assert_eq!(class(ask("", 1)), wrong);
    assert_eq!(class(Ask { model: "", ..ask("count", 1) }), wrong);
    assert_eq!(class(Ask { store_key: Some("a"), ..ask("count", 1) }), wrong);
    assert_eq!(class(Ask { prior_key: Some("a"), ..ask("count", 1) }), wrong);
    assert_eq!(loads.load(Ordering::Relaxed), 0);
    assert_eq!(class(Ask { model: "text-only", ..ask("count", 1) }), wrong);
    let error = easy.think("text-only", "count", ThinkOptions::default()).err().map(|error| error.class);
    assert_eq!(error, wrong);
    let error =
        Easy::installed(LoadOptions::default()).connector("no/such/model").err().map(|error| error.class);
    assert_eq!(error, wrong);
}

#[test]
fn engines_say_what_they_cannot_do() -> Outcome {
    let (easy, _) = easy();
    assert!(run(&easy, Ask { model: "text-only", ..ask(QUESTION, 0) })?.token_ids.len() > 1);
    let engine = TextOnly(pocket()?);
    let error = engine.think(&"count".into(), ThinkOptions::default()).err().ok_or("it thought")?;
    assert_eq!((error.class, error.field), (ErrorClass::EngineUnavailable, "connector.can_think"));
    let thought = pocket()?.think(&"count".into(), ThinkOptions { steps: 1, ..ThinkOptions::default() })?;
    let options = GenerateOptions { context: Some(thought.context), ..GenerateOptions::default() };
    let error = engine
        .generate(&"count".into(), options, &mut |_| ControlFlow::Continue(()))
        .err()
        .ok_or("it took it")?;
    assert_eq!((error.class, error.field), (ErrorClass::EngineUnavailable, "connector.context"));
    Ok(())
}
