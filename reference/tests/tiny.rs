//! Tiny models of random weights against what transformers and the Python SDK compute for them (`tests/tiny/README.md`).

use std::error::Error;
use std::path::{Path, PathBuf};

use avp::model::{Device, LoadOptions, Model};
use avp::transfer::{DEFAULT_LAMBDA, needs_realignment, realign_apply, realign_matrix};
use safetensors::SafeTensors;

/// About three times the worst rounding noise of the expected numbers themselves.
const TOLERANCE: f32 = 1e-4;

const MODELS: [&str; 10] = [
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
    let options = LoadOptions { device: Device::Cpu, dtype: None };
    Ok(Model::open(folder(name), options, &mut |_, _| ())?)
}

fn check(model: &str, what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{model}: {what}");
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= TOLERANCE, "{model}: {what} differs by {worst:e}");
}

/// Latent steps feed rounding noise back into the model, which can multiply it by eight a step: they are held to the
/// relative tolerance of AVP-RLN-017.
fn check_latent(model: &str, what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{model}: {what}");
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
    let error = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    let size = norm(&mut expected.iter().copied());
    assert!(error <= 1e-3 * size, "{model}: {what} differs by {error:e} of {size}");
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
