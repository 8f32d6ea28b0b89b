//! Prompt to text, with and without contexts, against what the Python SDK did with the same tiny models
//! (`tests/tiny/README.md`); and what contexts promise.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use avp::model::{
    Connector as _, Context, DEFAULT_STEPS, Device, Finish, GenerateOptions, Generation, LoadOptions, Model,
    Prompt, Route, Runtime, Sampling, ThinkOptions, ThinkOutput,
};
use avp::session::ModelIdentity;
use avp::transfer::RealignCache;
use avp::wire::{Compression, DataType, Encoder, Limits, PayloadType};
use avp::{ErrorClass, decode};
use safetensors::SafeTensors;
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

const WITH_TEXT: [&str; 2] = ["llama-tied", "qwen2-untied"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny").join(name)
}

fn open(name: &str, dtype: DataType) -> avp::Result<Runtime> {
    Runtime::open(
        folder(name),
        LoadOptions { device: Device::Cpu, dtype: Some(dtype), quantised: false },
        &mut |_, _| (),
    )
}

/// The texts of a model: prompt, ids, what the SDK wrote. The runtime goes by the SDK's hash, so that it takes its contexts.
fn texts(name: &str) -> Result<(Runtime, Vec<Value>), Box<dyn Error>> {
    let expected: Value = serde_json::from_slice(&std::fs::read(folder(name).join("expected.json"))?)?;
    let hash = expected["model_hash"].as_str().ok_or("no hash")?;
    let texts = expected["texts"].as_array().ok_or("no texts")?.clone();
    Ok((open(name, DataType::Float32)?.with_model_hash(hash), texts))
}

fn ids(value: &Value) -> Vec<u32> {
    let numbers = value.as_array().into_iter().flatten();
    numbers.filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect()
}

fn greedy(runtime: &Runtime, prompt: &str, context: Option<Context>) -> avp::Result<Generation> {
    let options = GenerateOptions {
        context,
        sampling: Sampling::greedy(),
        max_tokens: 16,
        ..GenerateOptions::default()
    };
    runtime.generate(&prompt.into(), options, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn texts_are_the_python_sdks() -> Outcome {
    for name in WITH_TEXT {
        let (runtime, texts) = texts(name)?;
        for text in &texts {
            let prompt = text["prompt"].as_str().ok_or("no prompt")?;
            assert_eq!(runtime.tokens(&prompt.into())?, ids(&text["input_ids"]), "{name}: {prompt:?}");
            let direct = greedy(&runtime, prompt, None)?;
            assert_eq!(direct.token_ids, ids(&text["direct"]["ids"]), "{name}: {prompt:?}");
            assert_eq!(direct.text, text["direct"]["text"].as_str().ok_or("no text")?);

            // The SDK's context, out of its own message.
            let file = folder(name).join(text["context"].as_str().ok_or("no context")?);
            let theirs = Context::open(&file, Limits::default())?.context;
            assert_eq!(Some(theirs.num_steps()), text["num_steps"].as_u64());
            assert_eq!(Some(theirs.seq_len() as u64), text["seq_len"].as_u64());
            let behind_theirs = greedy(&runtime, prompt, Some(theirs))?;
            assert_eq!(
                behind_theirs.token_ids,
                ids(&text["latent"]["ids"]),
                "{name}: {prompt:?} behind the SDK's"
            );
            assert_eq!(behind_theirs.text, text["latent"]["text"].as_str().ok_or("no text")?);

            // And ours, thought behind the same earlier context where there was one.
            let before = match text["behind"].as_str() {
                Some(file) => Some(Context::open(&folder(name).join(file), Limits::default())?.context),
                None => None,
            };
            let steps = u32::try_from(text["steps"].as_u64().ok_or("no steps")?)?;
            let thought = runtime
                .think(&prompt.into(), ThinkOptions { steps, context: before, ..ThinkOptions::default() })?;
            assert_eq!(Some(thought.context.num_steps()), text["num_steps"].as_u64());
            assert_eq!(Some(thought.context.seq_len() as u64), text["seq_len"].as_u64());
            let ours = greedy(&runtime, prompt, Some(thought.context))?;
            assert_eq!(ours.token_ids, ids(&text["latent"]["ids"]), "{name}: {prompt:?} behind our own");
        }
    }
    Ok(())
}

#[test]
fn a_context_is_a_value() -> Outcome {
    for name in WITH_TEXT {
        let (runtime, _) = texts(name)?;
        let thought = runtime.think(&"count".into(), ThinkOptions { steps: 3, ..ThinkOptions::default() })?;
        let before = thought.context.to_bytes(&Encoder::new(), &Route::default())?;
        let first = greedy(&runtime, "more", Some(thought.context.clone()))?;
        // Continued by another agent in between.
        let options =
            ThinkOptions { steps: 2, context: Some(thought.context.clone()), ..ThinkOptions::default() };
        let continued = runtime.think(&"other".into(), options)?;
        assert_eq!(continued.context.num_steps(), 5);
        assert!(continued.context.seq_len() > thought.context.seq_len() + 2);
        assert_eq!(greedy(&runtime, "more", Some(thought.context.clone()))?.token_ids, first.token_ids);
        assert_eq!(thought.context.to_bytes(&Encoder::new(), &Route::default())?, before);
        // What the model knows after the answer is a context too.
        let again = greedy(&runtime, "and", Some(first.context.clone()))?;
        assert_eq!(greedy(&runtime, "and", Some(first.context))?.token_ids, again.token_ids);
    }
    Ok(())
}

#[test]
fn messages_and_files_bring_it_back_to_the_bit() -> Outcome {
    for (name, dtype) in [
        ("llama-tied", DataType::Float32),
        ("llama-tied", DataType::BFloat16),
        ("qwen2-untied", DataType::Float16),
    ] {
        let runtime = open(name, dtype)?;
        let thought = runtime.think(&"count".into(), ThinkOptions { steps: 4, ..ThinkOptions::default() })?;
        let live = greedy(&runtime, "more", Some(thought.context.clone()))?;
        let route =
            Route { session_id: "s1".into(), source_agent_id: "a".into(), target_agent_id: "b".into() };
        for compression in [Compression::None, Compression::Fast] {
            let message = thought.context.to_bytes(&Encoder::new().compression(compression), &route)?;
            let decoded = decode(&message)?;
            assert_eq!(
                (decoded.metadata.dtype, decoded.metadata.payload_type),
                (dtype, PayloadType::KvCache)
            );
            assert_eq!(decoded.metadata.extra["num_steps"], "4");
            let received = Context::from_bytes(&message, Limits::default())?;
            assert_eq!(received.route, route);
            assert!(received.diagnostics.is_empty());
            assert!(received.context.hidden_states().is_none());
            assert_eq!(received.context.to_bytes(&Encoder::new().compression(compression), &route)?, message);
            let restored = greedy(&runtime, "more", Some(received.context))?;
            assert_eq!(restored.token_ids, live.token_ids, "{name} {dtype:?}");
        }
        let file = tempfile::tempdir()?;
        let path = file.path().join("context.avp");
        let len = thought.context.write(&path, &Encoder::new(), &route)?;
        assert_eq!(std::fs::metadata(&path)?.len(), len);
        assert_eq!(std::fs::read(&path)?, thought.context.to_bytes(&Encoder::new(), &route)?);
        let opened = Context::open(&path, Limits::default())?.context;
        assert_eq!(greedy(&runtime, "more", Some(opened))?.token_ids, live.token_ids);
        // One byte of the tensors wrong: the checksum says so, also where it is computed on the way.
        let mut bytes = std::fs::read(&path)?;
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        std::fs::write(&path, bytes)?;
        let error = Context::open(&path, Limits::default()).err().ok_or("a wrong checksum was taken")?;
        assert_eq!((error.class, error.field), (ErrorClass::Decode, "metadata.payload_checksum"));
    }
    Ok(())
}

/// Layers with windows, of several kinds, without rotation: all of them keep all positions in a message, and who takes it
/// goes on with the SDK's words.
#[test]
fn a_context_of_any_family_goes_on_from_a_message() -> Outcome {
    for name in ["qwen2-window", "qwen3-tied", "mistral", "smollm3", "gemma", "gemma2", "gemma3"] {
        let bytes = std::fs::read(folder(name).join("expected.safetensors"))?;
        let expected = SafeTensors::deserialize(&bytes)?;
        let tokens = |array: &str| -> Result<Vec<u32>, Box<dyn Error>> {
            let tensor = expected.tensor(array)?;
            let ids = tensor.data().as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
            Ok(ids.map(u32::try_from).collect::<Result<_, _>>()?)
        };
        let options = LoadOptions { device: Device::Cpu, dtype: Some(DataType::Float32), quantised: false };
        let model = Model::open(folder(name), options, &mut |_, _| ())?;
        let identity = ModelIdentity { model_hash: "ab".repeat(32), ..ModelIdentity::default() };
        let runtime = Runtime::new(model, None, identity, None);
        let prompt = Prompt::Tokens(tokens("input_ids")?);
        let thought = runtime.think(&prompt, ThinkOptions { steps: 5, ..ThinkOptions::default() })?;
        let message = thought.context.to_bytes(&Encoder::new(), &Route::default())?;
        let received = Context::from_bytes(&message, Limits::default())?.context;
        assert_eq!(received.seq_len(), tokens("input_ids")?.len() + 5, "{name}");
        let options = GenerateOptions {
            context: Some(received),
            sampling: Sampling::greedy(),
            max_tokens: 16,
            ..GenerateOptions::default()
        };
        let generation = runtime.generate(&prompt, options, &mut |_| ControlFlow::Continue(()))?;
        let (found, expected) = (generation.token_ids, tokens("greedy_latent")?);
        // The SDK's went on behind the end of text.
        assert_eq!(found, expected[..found.len()], "{name}");
        assert!(found.len() == expected.len() || generation.finish == Finish::Stop, "{name}");
    }
    Ok(())
}

#[test]
fn hidden_states_alone_rebuild_a_context() -> Outcome {
    for name in WITH_TEXT {
        let (runtime, _) = texts(name)?;
        let options = ThinkOptions { steps: 3, output: ThinkOutput::HiddenState, ..ThinkOptions::default() };
        let thought = runtime.think(&"count the pens".into(), options)?;
        assert_eq!(thought.context.payload_type(), Some(PayloadType::HiddenState));
        let message = thought.context.to_bytes(&Encoder::new(), &Route::default())?;
        let decoded = decode(&message)?;
        let width = u32::try_from(runtime.info().hidden_dim)?;
        assert_eq!(decoded.metadata.tensor_shape, [1, width]);
        assert_eq!(decoded.metadata.extra["avp.seq_len"], thought.context.seq_len().to_string());
        let received = Context::from_bytes(&message, Limits::default())?.context;
        assert_eq!(received.hidden_states(), thought.context.hidden_states());
        let live = greedy(&runtime, "go on", Some(thought.context))?;
        let restored = greedy(&runtime, "go on", Some(received))?;
        assert_eq!(live.token_ids, restored.token_ids);
        // One state is one position.
        let prompt = runtime.tokens(&"go on".into())?.len();
        assert_eq!(live.context.seq_len(), 1 + prompt + live.token_ids.len() - 1);
        assert_ne!(live.token_ids, greedy(&runtime, "go on", None)?.token_ids);
    }
    Ok(())
}

#[test]
fn steps_and_outputs_are_as_asked_for() -> Outcome {
    let (runtime, _) = texts("llama-tied")?;
    let prompt = runtime.tokens(&"count".into())?.len();
    assert_eq!(DEFAULT_STEPS, 20);
    for steps in [0, 1, DEFAULT_STEPS] {
        let thought = runtime.think(&"count".into(), ThinkOptions { steps, ..ThinkOptions::default() })?;
        assert_eq!(thought.context.num_steps(), u64::from(steps));
        assert_eq!(thought.context.seq_len(), prompt + steps as usize);
        assert_eq!(thought.context.payload_type(), Some(PayloadType::KvCache));
        let norms = thought.diagnostics.norm_trajectory.as_deref().unwrap_or_default();
        assert_eq!(norms.len(), steps as usize + 1);
        assert!(thought.diagnostics.healthy() && thought.diagnostics.prompt_tokens == prompt as u64);
        assert!(thought.metrics.duration_s >= thought.metrics.think_duration_s);
        let state = thought.context.hidden_states().ok_or("no hidden state")?;
        let norm = state.values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        assert!((norm - norms.last().copied().unwrap_or_default()).abs() < 1e-9);
    }
    Ok(())
}

#[test]
fn foreign_contexts_are_refused() -> Outcome {
    let (tied, _) = texts("llama-tied")?;
    let (untied, _) = texts("qwen2-untied")?;
    let thought = tied.think(&"count".into(), ThinkOptions { steps: 1, ..ThinkOptions::default() })?.context;
    let error = greedy(&untied, "more", Some(thought.clone())).err().ok_or("a foreign context was taken")?;
    assert_eq!((error.class, error.field), (ErrorClass::IncompatibleModels, "context.model_hash"));
    let options =
        ThinkOptions { context: Some(thought.clone()), accept_structural: true, ..ThinkOptions::default() };
    let error = untied.think(&"more".into(), options).err().ok_or("a cache of another shape was taken")?;
    assert_eq!((error.class, error.field), (ErrorClass::IncompatibleModels, "context.cache"));
    // The same shape under another hash, by option.
    let other = open("llama-tied", DataType::Float32)?.with_model_hash("0".repeat(64));
    assert!(greedy(&other, "more", Some(thought.clone())).is_err());
    let options =
        ThinkOptions { context: Some(thought), accept_structural: true, steps: 1, ..ThinkOptions::default() };
    assert_eq!(other.think(&"more".into(), options)?.context.num_steps(), 2);
    Ok(())
}

#[test]
fn text_streams_and_stops() -> Outcome {
    let (runtime, _) = texts("llama-tied")?;
    let options = |max_tokens| GenerateOptions {
        sampling: Sampling::greedy(),
        max_tokens,
        ..GenerateOptions::default()
    };
    let mut pieces = String::new();
    let whole = runtime.generate(&"count".into(), options(12), &mut |piece| {
        pieces.push_str(piece);
        ControlFlow::Continue(())
    })?;
    assert_eq!(pieces.trim(), whole.text);
    assert_eq!((whole.token_ids.len(), whole.finish), (12, Finish::Length));
    // A token of ours ends it, and is part of the ids.
    let third = whole.token_ids[2];
    let stop = GenerateOptions { stop_tokens: vec![third], ..options(12) };
    let stopped = runtime.generate(&"count".into(), stop, &mut |_| ControlFlow::Continue(()))?;
    let first = whole.token_ids.iter().position(|&token| token == third).ok_or("gone")?;
    assert_eq!((stopped.finish, &stopped.token_ids[..]), (Finish::Stop, &whole.token_ids[..=first]));
    let mut count = 0;
    let cut = runtime.generate(&"count".into(), options(12), &mut |_| {
        count += 1;
        if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    assert_eq!(cut.finish, Finish::Cancelled);
    let none = runtime.generate(&"count".into(), options(0), &mut |_| ControlFlow::Continue(()))?;
    assert!(none.text.is_empty() && none.diagnostics.output_empty && !none.diagnostics.healthy());
    Ok(())
}

#[test]
fn the_seed_decides_what_is_drawn() -> Outcome {
    let (runtime, _) = texts("llama-tied")?;
    let draw = |seed| {
        let sampling = Sampling { temperature: 1.5, top_k: 0, top_p: 1.0, seed, ..Sampling::default() };
        let options = GenerateOptions { sampling, max_tokens: 12, ..GenerateOptions::default() };
        runtime
            .generate(&"count".into(), options, &mut |_| ControlFlow::Continue(()))
            .map(|made| made.token_ids)
    };
    assert_eq!(draw(1)?, draw(1)?);
    assert_ne!(draw(1)?, draw(2)?);
    Ok(())
}

/// The model hash is of the configuration: other weights under it must not go by a matrix that was kept for the first.
#[test]
fn a_kept_matrix_of_other_weights_is_not_used() -> Outcome {
    let folder_of_cache = tempfile::tempdir()?;
    let matrix = |name: &str, cached: bool| -> avp::Result<Vec<f32>> {
        let options = LoadOptions { device: Device::Cpu, dtype: Some(DataType::Float32), quantised: false };
        let model = Model::open(folder(name), options, &mut |_, _| ())?;
        let cache = RealignCache::located(Some(folder_of_cache.path().into()), None)?;
        let identity = ModelIdentity { model_hash: "ab".repeat(32), ..ModelIdentity::default() };
        let runtime = Runtime::new(model, None, identity, cached.then_some(cache));
        runtime.realignment().map(|made| made.w.clone())
    };
    // Also where the head alone differs: a fine-tuned model with a frozen input embedding.
    let tuned = tempfile::tempdir()?;
    std::fs::copy(folder("llama-bias").join("config.json"), tuned.path().join("config.json"))?;
    let mut bytes = std::fs::read(folder("llama-bias").join("model.safetensors"))?;
    let [start, end] = {
        let (header, file) =
            (8 + u64::from_le_bytes(bytes[..8].try_into()?) as usize, SafeTensors::deserialize(&bytes)?);
        let head = file.tensor("lm_head.weight")?.data().as_ptr() as usize - bytes.as_ptr() as usize;
        assert!(head >= header);
        [head, head + file.tensor("lm_head.weight")?.data().len()]
    };
    bytes[start..end].rotate_left(4);
    std::fs::write(tuned.path().join("model.safetensors"), bytes)?;
    let tuned = tuned.path().to_str().ok_or("no text")?;
    for name in ["llama-bias", tuned, "llama-untied-rope3", "llama-untied-rope3", tuned, "llama-bias"] {
        assert_eq!(matrix(name, true)?, matrix(name, false)?, "{name}");
    }
    assert_ne!(matrix("llama-bias", true)?, matrix("llama-untied-rope3", true)?);
    Ok(())
}

#[test]
fn prompts_are_checked() -> Outcome {
    let (runtime, _) = texts("llama-tied")?;
    let class =
        |prompt: Prompt| runtime.think(&prompt, ThinkOptions::default()).err().map(|error| error.class);
    assert_eq!(class(Prompt::Tokens(vec![])), Some(ErrorClass::InvalidArgument));
    assert_eq!(class(Prompt::Tokens(vec![1, 4_000_000_000])), Some(ErrorClass::InvalidArgument));
    Ok(())
}
