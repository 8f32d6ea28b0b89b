//! The pocket models: what they were made for works, whichever way the facts travel, and nothing else gives the answer away.

use std::error::Error;
use std::ops::ControlFlow;
#[cfg(feature = "cli")]
use std::process::Command;

use avp::model::{
    Connector as _, Context, GenerateOptions, LoadOptions, Prompt, Route, Runtime, Sampling, ThinkOptions,
};
use avp::weights::pocket::{POCKET_MODELS, pocket};
use avp::weights::{ModelSource, registry};
use avp::wire::{Compression, Encoder, Limits};
use sha2::{Digest as _, Sha256};

type Outcome = Result<(), Box<dyn Error>>;

/// Facts, question, answer; facts of the same form with another answer.
const ITEMS: [[&str; 4]; 3] = [
    [
        "Box 7 holds red paint. Box 12 holds blue glass. Box 3 holds green rope.",
        "What is in box 12?",
        "blue glass",
        "Box 7 holds red paint. Box 12 holds pink wax. Box 3 holds green rope.",
    ],
    [
        "Ann visits Rome. Rome sells silk. Ben visits Oslo. Oslo sells tea.",
        "What can Ann buy?",
        "silk",
        "Ann visits Rome. Rome sells honey. Ben visits Oslo. Oslo sells tea.",
    ],
    [
        "Oslo sells salt. Pia visits Oslo. Lima sells rice. Gus visits Lima. Max visits Cairo. Cairo sells oil.",
        "What can Gus buy?",
        "rice",
        "Oslo sells salt. Pia visits Oslo. Lima sells jam. Gus visits Lima. Max visits Cairo. Cairo sells oil.",
    ],
];

fn open(name: &str) -> avp::Result<Runtime> {
    Runtime::open(registry::resolve(name)?, LoadOptions::default(), &mut |_, _| ())
}

fn says(model: &Runtime, prompt: &str, context: Option<Context>) -> avp::Result<String> {
    let options = GenerateOptions {
        context,
        sampling: Sampling::greedy(),
        max_tokens: 16,
        ..GenerateOptions::default()
    };
    Ok(model.generate(&prompt.into(), options, &mut |_| ControlFlow::Continue(()))?.text)
}

fn reads(model: &Runtime, facts: &str, steps: u32) -> avp::Result<Context> {
    let prompt = Prompt::User(format!("{facts} Take a note."));
    Ok(model.think(&prompt, ThinkOptions { steps, ..ThinkOptions::default() })?.context)
}

#[test]
fn facts_travel_by_prompt_and_by_context() -> Outcome {
    for model in &POCKET_MODELS {
        let runtime = open(model.name)?;
        for [facts, question, answer, other] in ITEMS {
            let name = model.name;
            let direct = says(&runtime, &format!("{facts} {question}"), None)?;
            assert!(direct.ends_with(answer), "{name}: {question}: {direct}");
            for (steps, compression) in
                [(0, Compression::None), (0, Compression::Fast), (1, Compression::None)]
            {
                let context = reads(&runtime, facts, steps)?;
                let message =
                    context.to_bytes(&Encoder::new().compression(compression), &Route::default())?;
                let received = Context::from_bytes(&message, Limits::default())?.context;
                let behind = says(&runtime, question, Some(received))?;
                assert!(behind.ends_with(answer), "{name}: {question} after {steps} steps: {behind}");
            }
            // Without the facts, and behind others.
            let alone = says(&runtime, question, None)?;
            assert!(!alone.ends_with(answer), "{name}: {question}: {alone}");
            let foreign = says(&runtime, question, Some(reads(&runtime, other, 0)?))?;
            assert!(!foreign.ends_with(answer), "{name}: {question}: {foreign}");
        }
    }
    Ok(())
}

#[test]
fn a_context_lasts_through_several_questions() -> Outcome {
    let model = open("pocket-a")?;
    let [facts, question, answer, _] = ITEMS[0];
    let context = reads(&model, facts, 0)?;
    for (asked, expected) in [(question, answer), ("What is in box 3?", "green rope"), (question, answer)] {
        assert!(says(&model, asked, Some(context.clone()))?.ends_with(expected), "{asked}");
    }
    Ok(())
}

/// Which model is tied, how wide each is, and which share a tokenizer: what the projections between them build on.
#[test]
fn each_is_what_it_is_for() -> Outcome {
    let [a, b, c] = ["pocket-a", "pocket-b", "pocket-c"].map(open);
    let (a, b, c) = (a?, b?, c?);
    let hash = |runtime: &Runtime| runtime.identity().tokenizer_hash.clone();
    assert_eq!(hash(&a), hash(&b));
    let tied = |runtime: &Runtime| runtime.model().config().tie_word_embeddings;
    assert_eq!([&a, &b, &c].map(tied), [Some(false), Some(true), Some(false)]);
    assert!(b.info().hidden_dim < c.info().hidden_dim && c.info().hidden_dim < a.info().hidden_dim);
    assert_ne!(hash(&a), hash(&c));
    let shared = a.text()?.tokenizer.vocabulary().overlap(&c.text()?.tokenizer.vocabulary()).ratio;
    assert!((0.60..=0.95).contains(&shared), "{shared}");
    let ids = [&a, &b, &c].map(|runtime| runtime.identity().model_id.clone());
    assert_eq!(ids, POCKET_MODELS.each_ref().map(|model| model.name.to_owned()));
    Ok(())
}

#[test]
fn a_folder_is_the_same_model() -> Outcome {
    let folder = tempfile::tempdir()?;
    for model in &POCKET_MODELS {
        let path = folder.path().join(model.name);
        std::fs::create_dir(&path)?;
        for (name, content) in model.files() {
            std::fs::write(path.join(name), content)?;
        }
        let (embedded, loaded) =
            (open(model.name)?, Runtime::open(&path, LoadOptions::default(), &mut |_, _| ())?);
        assert_eq!(embedded.identity(), loaded.identity());
        let [facts, question, ..] = ITEMS[0];
        let prompt = format!("{facts} {question}");
        let logits = |runtime: &Runtime| -> avp::Result<Vec<f32>> {
            let tokens = runtime.tokens(&prompt.as_str().into())?;
            let hidden = runtime.model().prefill(&tokens, &mut runtime.model().empty_cache(), None)?;
            runtime.model().logits(&hidden)
        };
        assert_eq!(logits(&embedded)?, logits(&loaded)?);
    }
    Ok(())
}

/// The cards say which weights they are about.
#[test]
fn cards_name_the_weights() -> Outcome {
    let mut total = 0;
    for model in &POCKET_MODELS {
        let sum: String = Sha256::digest(model.weights).iter().map(|byte| format!("{byte:02x}")).collect();
        let card = std::str::from_utf8(model.file("README.md").ok_or("no card")?)?;
        assert!(card.contains(&sum), "{}: {sum}", model.name);
        total += model.files().map(|(_, content)| content.len()).sum::<usize>();
    }
    assert!(total <= 16 << 20, "{total} bytes");
    assert!(pocket("pocket-z").is_none());
    let error = registry::resolve("pocket-z").err().ok_or("there is none")?;
    assert!(error.expected.contains("pocket-a"), "{error}");
    assert_eq!(ModelSource::from(&POCKET_MODELS[0]).to_string(), "pocket-a");
    Ok(())
}

/// With no home, no cache and nothing but the program.
#[cfg(feature = "cli")]
#[test]
fn the_command_answers_with_nothing_but_itself() -> Outcome {
    let [facts, question, answer, _] = ITEMS[1];
    let empty = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_avp"))
        .args(["generate", "--model", "pocket-a", "--greedy", &format!("{facts} {question}")])
        .env_clear()
        .env("HOME", empty.path())
        .current_dir(empty.path())
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout)?, format!("Ann Rome {answer}\n"));
    assert_eq!(std::fs::read_dir(empty.path())?.count(), 0);

    let folder = empty.path().join("exported");
    let export = || {
        Command::new(env!("CARGO_BIN_EXE_avp")).args(["models", "export", "pocket-b"]).arg(&folder).output()
    };
    assert!(export()?.status.success());
    assert!(folder.join("model.safetensors").is_file() && folder.join("config.json").is_file());
    let again = export()?;
    assert!(!again.status.success() && String::from_utf8(again.stderr)?.contains("already"));
    Ok(())
}
