//! One model reads, another writes: contexts that cross to another model (AVP-PRJ-013, 028, 029; AVP-QG-005, 009;
//! AVP-MAP-010; AVP-API-002, 007 … 009; AVP-VAL).

mod maps;

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use avp::context::{ContextMessage, ContextState};
use avp::model::{
    Ask, Connector, Context, Easy, GenerateOptions, Generation, LoadOptions, Prompt, Route, Runtime,
    Sampling, Source, ThinkOptions, ThinkOutput, project_context,
};
use avp::session::quality::QualityGate;
use avp::session::{ProjectionMethod, Vocabulary, json::Text};
use avp::transfer::{MapRegistry, Validation};
use avp::weights::{Weights, registry};
use avp::wire::{Dialect, Encoder, Limits, Mode};
use avp::{DataType, ErrorClass, Result, TensorView};

type Outcome = std::result::Result<(), Box<dyn Error>>;

const FACTS: &str = "Ann visits Rome. Rome sells silk. Ben visits Oslo. Oslo sells tea. Take a note.";
const QUESTION: &str = "What can Ann buy?";

fn pocket(name: &str) -> Result<Runtime> {
    let runtime = Runtime::open(registry::resolve(name)?, LoadOptions::default(), &mut |_, _| ())?;
    Ok(runtime.with_maps(Arc::new(MapRegistry::in_memory())))
}

fn think(model: &Runtime, steps: u32, states: usize) -> Result<Context> {
    let options = ThinkOptions { steps, states, ..ThinkOptions::default() };
    Ok(model.think(&FACTS.into(), options)?.context)
}

fn options() -> GenerateOptions {
    GenerateOptions { sampling: Sampling::greedy(), max_tokens: 8, ..GenerateOptions::default() }
}

fn crossing(source: &Arc<Runtime>, context: Context) -> GenerateOptions {
    let source = Some(Source(Arc::clone(source) as Arc<dyn Connector>));
    GenerateOptions { context: Some(context), source, cross_model: true, ..options() }
}

fn write(model: &Runtime, options: GenerateOptions) -> Result<Generation> {
    model.generate(&QUESTION.into(), options, &mut |_| ControlFlow::Continue(()))
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// A tensor of a pocket model.
fn tensor(model: &str, name: &str) -> Result<(Vec<f32>, usize)> {
    let weights: Weights = registry::resolve(model)?.weights()?;
    let info = weights
        .info(name)
        .ok_or_else(|| avp::Error::new(ErrorClass::Configuration, "test", "a tensor of that name", "none"))?;
    let (len, cols) = (info.len(), info.row_len());
    let mut values = vec![0.0; len];
    weights.read_f32(name, &mut values)?;
    Ok((values, cols))
}

/// The projection in double precision, brought to the mean length of the target's embeddings; also that length.
fn formula(
    states: &[f32],
    head: &(Vec<f32>, usize),
    embedding: &(Vec<f32>, usize),
    ids: Option<&[usize]>,
) -> (Vec<f64>, f64) {
    let rows = |(values, cols): &(Vec<f32>, usize)| -> Vec<Vec<f64>> {
        values.chunks(*cols).map(|row| row.iter().map(|&value| f64::from(value)).collect()).collect()
    };
    let (head_rows, embedding_rows) = (rows(head), rows(embedding));
    let lengths = embedding_rows.iter().map(|row| row.iter().map(|value| value * value).sum::<f64>().sqrt());
    let target = lengths.sum::<f64>() / embedding_rows.len() as f64;
    let all: Vec<usize> = (0..head_rows.len()).collect();
    let ids = ids.unwrap_or(&all);
    let mut out = Vec::new();
    for state in states.chunks(head.1) {
        let logits: Vec<f64> = ids
            .iter()
            .map(|&id| head_rows[id].iter().zip(state).map(|(w, h)| w * f64::from(*h)).sum())
            .collect();
        let largest = logits.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
        let mut mean = vec![0.0; embedding.1];
        for (&id, weight) in ids.iter().zip(&weights) {
            mean.iter_mut().zip(&embedding_rows[id]).for_each(|(sum, value)| *sum += weight * value);
        }
        let length = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
        out.extend(mean.iter().map(|value| value / length * target));
    }
    (out, target)
}

fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let error: f64 = found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).powi(2)).sum::<f64>().sqrt();
    let size: f64 = expected.iter().map(|value| value * value).sum::<f64>().sqrt();
    assert!(error <= 1e-4 * size, "{error} of {size}");
}

#[test]
fn through_one_tokenizer_by_the_output_head() -> Outcome {
    let (source, target) = (Arc::new(pocket("pocket-a")?), pocket("pocket-b")?);
    for vectors in [1, 3] {
        let context = think(&source, 2, vectors)?;
        let states = context.hidden_states().map(|hidden| hidden.values.clone()).unwrap_or_default();
        let made = write(&target, GenerateOptions { vectors, ..crossing(&source, context.clone()) })?;
        let transfer = made.transfer.as_ref().ok_or("no transfer")?;
        assert_eq!(transfer.method, ProjectionMethod::VocabMediated);
        assert_eq!(transfer.primed_len, vectors);
        assert_eq!(transfer.prompt_tokens, context.seq_len() as u64 - 2);
        // pocket-a has a head of its own, which is not its embedding.
        let head = tensor("pocket-a", "lm_head.weight")?;
        let (expected, target_norm) =
            formula(&states, &head, &tensor("pocket-b", "model.embed_tokens.weight")?, None);
        assert_close(&transfer.injected, &expected);
        for row in transfer.injected.chunks(target.info().hidden_dim) {
            assert!((norm(row) / target_norm - 1.0).abs() <= 1e-4);
        }
        let seen = &made.diagnostics;
        assert_eq!((&*seen.transfer_mode, &*seen.projection_method), ("projected", "vocab_mediated"));
        assert_eq!((seen.prompt_tokens, seen.quality_gate_passed), (transfer.prompt_tokens, Some(true)));
        assert!(seen.nearest_cos_sim.is_some_and(|cosine| (0.0..1.0001).contains(&cosine)));
        assert_eq!(seen.source_model.as_deref(), Some("pocket-a"));
        assert_eq!(seen.extra["cross_model"]["steps"][0], "model_mismatch");
        assert!(seen.extra["projection"]["entropy"].is_number(), "{:?}", seen.extra);
        // The same again, and the text is not the one without a context by chance of a lost injection.
        let again = write(&target, GenerateOptions { vectors, ..crossing(&source, context) })?;
        assert_eq!(again.token_ids, made.token_ids);
        assert_eq!(
            made.context.seq_len(),
            vectors + target.tokens(&QUESTION.into())?.len() + made.token_ids.len() - 1
        );
    }
    Ok(())
}

/// The tokens of a model, those with these ids under other names.
fn renamed(model: &Runtime, changed: impl Fn(u64) -> bool) -> Result<Vocabulary<'static>> {
    let vocabulary = model.vocabulary()?;
    let pairs = vocabulary.entries().iter().map(|(token, id)| match changed(*id) {
        true => (Text::from(&*format!("other {id}")).into_owned(), *id),
        false => (token.clone(), *id),
    });
    Ok(Vocabulary::new(pairs))
}

#[test]
fn through_shared_tokens() -> Outcome {
    let source = Arc::new(pocket("pocket-a")?);
    let target = pocket("pocket-b")?;
    let vocabulary = renamed(&target, |id| id % 3 == 0)?;
    let target = target.with_vocabulary(vocabulary);
    let context = think(&source, 2, 1)?;
    let states = context.hidden_states().map(|hidden| hidden.values.clone()).unwrap_or_default();
    let made = write(&target, crossing(&source, context))?;
    let transfer = made.transfer.as_ref().ok_or("no transfer")?;
    assert_eq!(transfer.method, ProjectionMethod::VocabOverlap);
    let ids: Vec<usize> =
        source.vocabulary()?.entries().iter().map(|(_, id)| *id as usize).filter(|id| id % 3 != 0).collect();
    assert!(ids.len() >= 100, "{}", ids.len());
    let head = tensor("pocket-a", "lm_head.weight")?;
    let embedding = tensor("pocket-b", "model.embed_tokens.weight")?;
    assert_close(&transfer.injected, &formula(&states, &head, &embedding, Some(&ids)).0);

    let stranger = pocket("pocket-b")?;
    let vocabulary = renamed(&stranger, |_| true)?;
    let refused = write(&stranger.with_vocabulary(vocabulary), crossing(&source, think(&source, 2, 1)?));
    assert_eq!(refused.err().map(|error| error.class), Some(ErrorClass::InvalidArgument));
    Ok(())
}

#[test]
fn without_the_flag_there_is_text_alone() -> Outcome {
    let (source, target) = (Arc::new(pocket("pocket-a")?), pocket("pocket-b")?);
    let context = think(&source, 2, 1)?;
    let options = |cross_model| GenerateOptions { cross_model, ..crossing(&source, context.clone()) };
    let left_out = write(&target, options(false))?;
    let plain = write(&target, self::options())?;
    assert_eq!(left_out.token_ids, plain.token_ids);
    assert!(left_out.transfer.is_none() && plain.diagnostics.warnings.is_empty());
    assert!(left_out.diagnostics.warnings[0].contains("cross_model"), "{:?}", left_out.diagnostics.warnings);
    assert_eq!(left_out.diagnostics.transfer_mode, "text");
    // Without a source, another model's context is still refused.
    let refused = write(&target, GenerateOptions { context: Some(context.clone()), ..self::options() });
    assert_eq!(refused.err().map(|error| error.class), Some(ErrorClass::IncompatibleModels));
    // The same model's goes on as it is, whatever is said of its source.
    let other = Arc::new(pocket("pocket-a")?);
    let same = write(&source, crossing(&other, context.clone()))?;
    let direct = write(&source, GenerateOptions { context: Some(context), ..self::options() })?;
    assert_eq!((same.token_ids, same.transfer), (direct.token_ids, None));
    Ok(())
}

#[test]
fn what_cannot_cross_is_refused() -> Outcome {
    let (source, target) = (Arc::new(pocket("pocket-a")?), pocket("pocket-b")?);
    let context = think(&source, 1, 1)?;
    let class = |context: Context, vectors| {
        let options = GenerateOptions { vectors, ..crossing(&source, context) };
        write(&target, options).err().map(|error| error.class)
    };
    // A message of a cache carries no hidden state.
    let message = context.to_bytes(&Encoder::new(), &Route::default())?;
    let restored = Context::from_bytes(&message, Limits::default())?.context;
    assert_eq!(class(restored, 1), Some(ErrorClass::InvalidArgument));
    assert_eq!(class(context.clone(), 2), Some(ErrorClass::InvalidArgument));
    assert_eq!(class(context.clone(), 0), Some(ErrorClass::InvalidArgument));
    assert_eq!(class(context, usize::MAX), Some(ErrorClass::InvalidArgument));
    // Neither the target's nor the source's.
    let third = pocket("pocket-a")?.with_model_hash("ab".repeat(32));
    assert_eq!(class(think(&third, 1, 1)?, 1), Some(ErrorClass::IncompatibleModels));
    // States that are not finite.
    for bad in [f32::NAN, f32::INFINITY] {
        let width = source.info().hidden_dim;
        let bytes: Vec<u8> = std::iter::repeat_n(bad.to_le_bytes(), width).flatten().collect();
        let message = ContextMessage {
            model_hash: source.identity().model_hash.clone(),
            model_family: String::new(),
            model_id: String::new(),
            session_id: String::new(),
            source_agent_id: String::new(),
            target_agent_id: String::new(),
            hidden_dim: width as u32,
            num_layers: 1,
            num_steps: 0,
            state: ContextState::Hidden {
                states: TensorView::new(DataType::Float32, &[1, width as u64], &bytes)?,
                seq_len: 1,
            },
        };
        let received = Context::from_bytes(&message.to_bytes(&Encoder::new())?, Limits::default())?;
        assert_eq!(class(received.context, 1), Some(ErrorClass::Projection));
    }
    Ok(())
}

#[test]
fn the_gate_warns_and_lets_pass() -> Outcome {
    let (source, target) = (Arc::new(pocket("pocket-a")?), pocket("pocket-b")?);
    let context = think(&source, 2, 1)?;
    let tokens = context.seq_len() as u64 - 2;
    for (most, passes) in [(tokens, true), (tokens - 1, false)] {
        let gate = QualityGate { max_prompt_tokens: most, ..QualityGate::default() };
        let made = write(&target, GenerateOptions { gate, ..crossing(&source, context.clone()) })?;
        assert_eq!(made.diagnostics.quality_gate_passed, Some(passes));
        assert_eq!(made.diagnostics.warnings.len(), usize::from(!passes), "{:?}", made.diagnostics.warnings);
        assert!(made.transfer.is_some() && !made.token_ids.is_empty());
    }
    Ok(())
}

#[test]
fn the_last_states_are_those_of_prompt_and_steps() -> Outcome {
    let model = pocket("pocket-a")?;
    let width = model.info().hidden_dim;
    let states = |steps, states| -> Result<Vec<f32>> {
        let options =
            ThinkOptions { steps, states, output: ThinkOutput::HiddenState, ..ThinkOptions::default() };
        let context = model.think(&FACTS.into(), options)?.context;
        Ok(context.hidden_states().map(|hidden| hidden.values.clone()).unwrap_or_default())
    };
    let four = states(1, 4)?;
    assert_eq!(four.len(), 4 * width);
    let close =
        |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
    assert!(close(&four[3 * width..], &states(1, 1)?));
    assert!(close(&four[2 * width..3 * width], &states(0, 1)?));
    assert!(close(&four[..3 * width], &states(0, 3)?));
    assert!(close(&states(3, 2)?[width..], &states(3, 1)?));
    // No more than there are.
    let tokens = model.tokens(&FACTS.into())?.len();
    assert_eq!(states(2, 10_000)?.len(), (tokens + 2) * width);
    Ok(())
}

#[test]
fn a_projected_context_crosses_processes() -> Outcome {
    let (source, target) = (Arc::new(pocket("pocket-a")?), pocket("pocket-b")?);
    let context = think(&source, 2, 2)?;
    let here = write(&target, GenerateOptions { vectors: 2, ..crossing(&source, context.clone()) })?;
    let (map, _) = target.map_from(&*source)?;
    let projected = project_context(&*source, &context, &map, 2, "vocab:0123456789abcdef")?;
    let message = projected.to_bytes(&Encoder::new(), &Route::default())?;
    let received = Context::from_bytes(&message, Limits::default())?;
    assert!(received.diagnostics.is_empty(), "{:?}", received.diagnostics);
    assert_eq!(received.context.avp_map_id(), "vocab:0123456789abcdef");
    assert_eq!(received.context.model_hash(), target.identity().model_hash);
    let there = write(&target, GenerateOptions { context: Some(received.context.clone()), ..options() })?;
    assert_eq!(there.token_ids, here.token_ids);
    assert_eq!(there.context.avp_map_id(), "");
    // It is the target's alone.
    let refused = write(&source, GenerateOptions { context: Some(received.context), ..options() });
    assert_eq!(refused.err().map(|error| error.class), Some(ErrorClass::IncompatibleModels));
    let back = project_context(&target, &context, &map, 1, "vocab:0");
    assert_eq!(back.err().map(|error| error.class), Some(ErrorClass::IncompatibleModels));
    Ok(())
}

#[test]
fn a_pair_is_tried_out_before_it_is_used() -> Outcome {
    let (source, target) = (pocket("pocket-a")?, pocket("pocket-b")?);
    let (map, _) = target.map_from(&source)?;
    let verdict = target.validate(
        &source,
        &map,
        &Validation { cosine_threshold: -1.0, ..Validation::default() },
        Dialect::V04,
    )?;
    assert!(verdict.cosine.abs() <= 1.0, "{verdict:?}");
    assert!(verdict.perplexity.is_some_and(|perplexity| perplexity >= 1.0), "{verdict:?}");
    let strict = Validation { cosine_threshold: 1.1, ..Validation::default() };
    let refused = target.validate(&source, &map, &strict, Dialect::V04)?;
    assert_eq!((refused.mode, refused.perplexity), (Mode::Json, None));
    // Fewer texts, another mean.
    let one = Validation { texts: 1, cosine_threshold: -1.0, ..Validation::default() };
    assert!(target.validate(&source, &map, &one, Dialect::V04)? != verdict);
    Ok(())
}

#[test]
fn two_models_by_their_names() -> Outcome {
    let easy = Easy::with_loader(|name| Ok(Arc::new(pocket(name)?)));
    let ask = |cross_model| Ask {
        source_model: Some("pocket-a"),
        cross_model,
        steps: 2,
        sampling: Some(Sampling::greedy()),
        max_tokens: 6,
        ..Ask::new("pocket-b", FACTS)
    };
    let made = easy.generate(ask(true), &mut |_| ControlFlow::Continue(()))?;
    let transfer = made.transfer.ok_or("no transfer")?;
    assert_eq!((transfer.primed_len, made.diagnostics.projection_method.as_str()), (1, "vocab_mediated"));
    let left_out = easy.generate(ask(false), &mut |_| ControlFlow::Continue(()))?;
    assert!(left_out.transfer.is_none() && left_out.diagnostics.warnings.len() == 1);
    let same = Ask { source_model: Some("pocket-b"), ..ask(false) };
    let same = easy.generate(same, &mut |_| ControlFlow::Continue(()))?;
    assert_eq!(same.diagnostics.transfer_mode, "latent");
    Ok(())
}

#[test]
fn a_model_without_tokens_takes_none() -> Outcome {
    let source = Arc::new(pocket("pocket-a")?);
    let config =
        registry::resolve("pocket-b")?.beside().text("config.json", "config", 1 << 20)?.ok_or("none")?;
    let model = avp::model::Model::load(
        avp::model::ModelConfig::from_text(&config)?,
        registry::resolve("pocket-b")?.weights()?,
        LoadOptions::default(),
        &mut |_, _| (),
    )?;
    let target = Runtime::new(model, None, pocket("pocket-b")?.identity().clone(), None);
    assert!(!target.capabilities().cross_model && source.capabilities().cross_model);
    let context = think(&source, 1, 1)?;
    let refused = target
        .generate(&Prompt::Tokens(vec![1]), crossing(&source, context), &mut |_| ControlFlow::Continue(()));
    assert_eq!(refused.err().map(|error| error.class), Some(ErrorClass::EngineUnavailable));
    Ok(())
}
