//! Tiny models of random weights against what transformers and the Python SDK compute for them (`tests/tiny/README.md`).

use std::error::Error;
use std::path::{Path, PathBuf};

use avp::model::{Device, LoadOptions, Model};
use avp::transfer::{DEFAULT_LAMBDA, needs_realignment, realign_apply, realign_matrix};
use safetensors::SafeTensors;

/// About three times the worst rounding noise of the expected numbers themselves.
const TOLERANCE: f32 = 1e-4;

const MODELS: [&str; 18] = [
    "llama-tied",
    "llama-untied-rope3",
    "llama-bias",
    "llama-odd",
    "llama-f16",
    "llama-bf16",
    "llama-sharded",
    "qwen2-tied",
    "qwen2-untied",
    "qwen2-window",
    "qwen3-tied",
    "qwen3-untied",
    "qwen3-yarn",
    "mistral",
    "smollm3",
    "gemma",
    "gemma2",
    "gemma3",
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny").join(name)
}

/// What transformers computed.
struct Expected(Vec<u8>);

impl Expected {
    fn open(name: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(std::fs::read(folder(name).join("expected.safetensors"))?))
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, Box<dyn Error>> {
        let file = SafeTensors::deserialize(&self.0)?;
        let tensor = file.tensor(name)?;
        Ok(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn ids(&self, name: &str) -> Result<Vec<u32>, Box<dyn Error>> {
        let file = SafeTensors::deserialize(&self.0)?;
        let numbers =
            file.tensor(name)?.data().as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
        Ok(numbers.map(u32::try_from).collect::<Result<_, _>>()?)
    }
}

fn load(name: &str) -> Result<Model, Box<dyn Error>> {
    let options = LoadOptions { device: Device::Cpu, ..LoadOptions::default() };
    Ok(Model::open(folder(name), options, &mut |_, _| ())?)
}

fn check(model: &str, what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{model}: {what}");
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= TOLERANCE, "{model}: {what} differs by {worst:e}");
}

/// Latent steps feed rounding noise back into the model, which can multiply it by eight a step: they are compared as a
/// whole, relative to their length (AVP-RLN-017 allows ten times as much).
fn check_latent(model: &str, what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{model}: {what}");
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
    let error = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    let size = norm(&mut expected.iter().copied());
    assert!(error <= TOLERANCE * size, "{model}: {what} differs by {error:e} of {size}");
}

fn best(logits: &[f32]) -> u32 {
    let best =
        logits.iter().enumerate().fold(0, |best, (id, logit)| if *logit > logits[best] { id } else { best });
    u32::try_from(best).unwrap_or_default()
}

#[test]
fn prefill_gives_transformers_numbers() -> Result<(), Box<dyn Error>> {
    for name in MODELS {
        let (model, expected) = (load(name)?, Expected::open(name)?);
        let ids = expected.ids("input_ids")?;
        let mut layers = Vec::new();
        let mut cache = model.empty_cache();
        let last = model.prefill(&ids, &mut cache, Some(&mut |_, rows| layers.extend_from_slice(rows)))?;
        check(name, "hidden states", &layers, &expected.floats("hidden_layers")?);
        let width = model.config().hidden_size;
        assert_eq!(last, layers[layers.len() - width..]);
        let logits = expected.floats("logits_all")?;
        let vocab = model.config().vocab_size;
        for (hidden, expected) in
            layers[layers.len() - ids.len() * width..].chunks_exact(width).zip(logits.chunks_exact(vocab))
        {
            check(name, "logits", &model.logits(hidden)?, expected);
        }
        for layer in 0..model.config().num_layers {
            let [keys, values] = cache.read_layer(layer)?.ok_or("no such layer")?;
            check(name, "keys", &keys, &expected.floats(&format!("k{layer}"))?);
            check(name, "values", &values, &expected.floats(&format!("v{layer}"))?);
        }
    }
    Ok(())
}

#[test]
fn a_prompt_in_pieces_gives_the_same() -> Result<(), Box<dyn Error>> {
    for name in MODELS {
        let (model, expected) = (load(name)?, Expected::open(name)?);
        let ids = expected.ids("input_ids")?;
        let mut whole = model.empty_cache();
        let hidden = model.prefill(&ids, &mut whole, None)?;
        for size in [1, 2, 7] {
            let mut cache = model.empty_cache();
            let mut last = Vec::new();
            for piece in ids.chunks(size) {
                last = model.prefill(piece, &mut cache, None)?;
            }
            check(name, "the last hidden state", &last, &hidden);
        }
    }
    Ok(())
}

#[test]
fn latent_steps_and_greedy_texts_are_the_python_sdks() -> Result<(), Box<dyn Error>> {
    for name in MODELS {
        let (model, expected) = (load(name)?, Expected::open(name)?);
        let ids = expected.ids("input_ids")?;
        let width = model.config().hidden_size;
        let untied = needs_realignment(model.config().tie_word_embeddings);
        let realignment = if untied {
            let [input, output] = model.embeddings()?;
            let made = realign_matrix(&input, &output, width, DEFAULT_LAMBDA)?;
            check(name, "W", &made.w, &expected.floats("realign_w")?);
            Some(made)
        } else {
            None
        };
        check(name, "target norm", &[model.target_norm()?], &expected.floats("target_norm")?);

        let mut cache = model.empty_cache();
        let mut hidden = vec![model.prefill(&ids, &mut cache, None)?];
        let mut embeds = Vec::new();
        for step in 0..5 {
            let input = match &realignment {
                Some(made) => realign_apply(&hidden[step], &made.w, width, made.target_norm)?,
                None => model.soft_embed(&hidden[step], None)?,
            };
            embeds.extend_from_slice(&input);
            hidden.push(model.inject(input, &mut cache)?);
        }
        check_latent(name, "latent embeddings", &embeds, &expected.floats("latent_embed")?);
        check_latent(name, "latent hidden states", &hidden.concat(), &expected.floats("latent_hidden")?);

        for (mut cache, greedy) in [(model.empty_cache(), "greedy_direct"), (cache, "greedy_latent")] {
            let expected = expected.ids(greedy)?;
            let mut hidden = model.prefill(&ids, &mut cache, None)?;
            let mut found = Vec::new();
            for _ in 0..expected.len() {
                let token = best(&model.logits(&hidden)?);
                found.push(token);
                hidden = model.prefill(&[token], &mut cache, None)?;
            }
            assert_eq!(found, expected, "{name}: {greedy}");
        }
    }
    Ok(())
}

/// A model with one setting of its configuration changed.
fn load_with(name: &str, key: &str, value: serde_json::Value) -> Result<Model, Box<dyn Error>> {
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder(name).join("config.json"))?)?;
    config[key] = value;
    let weights = avp::weights::Weights::open(&folder(name))?;
    let options = LoadOptions { device: Device::Cpu, ..LoadOptions::default() };
    Ok(Model::load(avp::model::ModelConfig::from_json(config)?, weights, options, &mut |_, _| ())?)
}

/// The numbers above would not do if a setting could be left out without harm.
#[test]
fn every_setting_of_a_family_counts() -> Result<(), Box<dyn Error>> {
    use serde_json::json;
    let full = |layers: usize| json!(vec!["full_attention"; layers]);
    for (name, key, value) in [
        ("mistral", "sliding_window", json!(null)),
        ("mistral", "sliding_window", json!(9)),
        ("smollm3", "no_rope_layers", json!([1, 1, 1, 1, 1])),
        ("gemma2", "sliding_window", json!(null)),
        ("gemma2", "layer_types", full(3)),
        ("gemma2", "attn_logit_softcapping", json!(null)),
        ("gemma2", "final_logit_softcapping", json!(null)),
        ("gemma2", "query_pre_attn_scalar", json!(10)),
        ("gemma2", "hidden_activation", json!("silu")),
        ("gemma3", "layer_types", full(7)),
        ("gemma3", "query_pre_attn_scalar", json!(10)),
        ("gemma3", "rope_parameters", json!({"sliding_attention": {"rope_theta": 100.0}})),
        (
            "gemma3",
            "rope_parameters",
            json!({"full_attention": {"rope_theta": 1000.0, "rope_type": "linear", "factor": 4}}),
        ),
    ] {
        let (model, expected) = (load_with(name, key, value.clone())?, Expected::open(name)?);
        let hidden = model.prefill(&expected.ids("input_ids")?, &mut model.empty_cache(), None)?;
        let logits = model.logits(&hidden)?;
        let expected = expected.floats("logits_all")?;
        let expected = &expected[expected.len() - logits.len()..];
        let difference = logits.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(
            difference > 100.0 * TOLERANCE,
            "{name}: {key} of {value} makes a difference of {difference:e}"
        );
    }
    Ok(())
}

/// A model for text and images keeps the language model's part under names of its own.
#[test]
fn a_model_with_images_is_read_for_its_text() -> Result<(), Box<dyn Error>> {
    let path = folder("gemma3");
    let mut text: serde_json::Value = serde_json::from_slice(&std::fs::read(path.join("config.json"))?)?;
    text["model_type"] = "gemma3_text".into();
    let config =
        serde_json::json!({"model_type": "gemma3", "text_config": text, "vision_config": {"hidden_size": 8}});
    let expected = Expected::open("gemma3")?;
    let bytes = std::fs::read(path.join("model.safetensors"))?;
    let file = SafeTensors::deserialize(&bytes)?;
    for prefix in ["language_model.model.", "model.language_model."] {
        let renamed = file.iter().map(|(name, tensor)| (name.replacen("model.", prefix, 1), tensor));
        let renamed = safetensors::serialize(renamed.collect::<Vec<_>>(), None)?;
        let weights = avp::weights::Weights::from_file(bytes::Bytes::from(renamed).into())?;
        let options = LoadOptions { device: Device::Cpu, ..LoadOptions::default() };
        let config = avp::model::ModelConfig::from_json(config.clone())?;
        let model = Model::load(config, weights, options, &mut |_, _| ())?;
        let hidden = model.prefill(&expected.ids("input_ids")?, &mut model.empty_cache(), None)?;
        let logits = model.logits(&hidden)?;
        let all = expected.floats("logits_all")?;
        check("gemma3", "logits beside images", &logits, &all[all.len() - logits.len()..]);
        check("gemma3", "target norm", &[model.target_norm()?], &expected.floats("target_norm")?);
    }
    Ok(())
}

/// What such a file does not say: Mistral's window, and how Gemma scales scores in models of other sizes than published.
const UNSAID: [(&str, &str); 3] =
    [("mistral", "sliding_window"), ("gemma2", "query_pre_attn_scalar"), ("gemma3", "query_pre_attn_scalar")];

#[test]
fn gguf_files_hold_the_same_models() -> Result<(), Box<dyn Error>> {
    let mut seen = 0;
    for name in MODELS {
        let path = folder(name).join("model.gguf");
        if !path.exists() {
            continue;
        }
        let options = LoadOptions { device: Device::Cpu, ..LoadOptions::default() };
        let model = Model::open(path, options, &mut |_, _| ())?;
        let unsaid = UNSAID.iter().find(|(of, _)| *of == name);
        let other = match unsaid {
            Some((_, key)) => load_with(name, key, serde_json::Value::Null)?,
            None => load(name)?,
        };
        let expected = Expected::open(name)?;
        let ids = expected.ids("input_ids")?;
        let (mut cache, mut other_cache) = (model.empty_cache(), other.empty_cache());
        let (mut layers, mut other_layers) = (Vec::new(), Vec::new());
        let hidden = model.prefill(&ids, &mut cache, Some(&mut |_, rows| layers.extend_from_slice(rows)))?;
        let other_hidden = other.prefill(
            &ids,
            &mut other_cache,
            Some(&mut |_, rows| other_layers.extend_from_slice(rows)),
        )?;
        check(name, "hidden states from GGUF", &layers, &other_layers);
        let logits = model.logits(&hidden)?;
        check(name, "logits from GGUF", &logits, &other.logits(&other_hidden)?);
        for layer in 0..model.config().num_layers {
            let [keys, values] = cache.read_layer(layer)?.ok_or("no such layer")?;
            let [other_keys, other_values] = other_cache.read_layer(layer)?.ok_or("no such layer")?;
            check(name, "keys from GGUF", &keys, &other_keys);
            check(name, "values from GGUF", &values, &other_values);
        }
        if unsaid.is_none() {
            let expected = expected.floats("logits_all")?;
            check(name, "logits from GGUF", &logits, &expected[expected.len() - logits.len()..]);
        }
        assert_eq!(model.config().bos, other.config().bos, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 11);
    Ok(())
}

#[test]
fn a_cache_of_another_model_is_refused() -> Result<(), Box<dyn Error>> {
    let (one, other) = (load("llama-tied")?, load("llama-odd")?);
    let mut cache = other.empty_cache();
    let error = one.prefill(&[1], &mut cache, None).err().ok_or("it was taken")?;
    assert_eq!(error.field, "model.cache");
    let width = one.config().hidden_size;
    assert_eq!(one.inject(vec![0.0; width], &mut cache).err().ok_or("it was taken")?.field, "model.cache");
    // A prompt that is refused leaves the cache as it was, also where its first part would have done.
    let mut cache = one.empty_cache();
    let mut prompt = vec![1; avp::model::PREFILL_CHUNK + 1];
    prompt.push(1_000_000);
    assert_eq!(one.prefill(&prompt, &mut cache, None).err().ok_or("it was taken")?.field, "tokens");
    assert!(cache.is_empty());
    assert!(one.logits(&vec![0.0; 2 * width]).is_err());
    Ok(())
}

#[test]
fn older_configurations_say_the_same() -> Result<(), Box<dyn Error>> {
    use avp::model::ModelConfig;
    let mut seen = 0;
    for name in MODELS {
        let older = folder(name).join("config-older.json");
        if older.exists() {
            let newer = ModelConfig::from_text(&std::fs::read_to_string(folder(name).join("config.json"))?)?;
            assert_eq!(ModelConfig::from_text(&std::fs::read_to_string(older)?)?, newer, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 0);
    Ok(())
}
