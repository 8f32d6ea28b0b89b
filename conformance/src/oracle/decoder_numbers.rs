//! The decoder against what transformers computes for two tiny models (`decoder_numbers/make.py`).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::decoder::Decoder;
use super::latent::Thinker;
use super::self_test::{SelfTestError, near, same};
use crate::build::{TinyFamily, TinyModel, TinyShape};

const NUMBERS: &str = include_str!("decoder_numbers/numbers.json");

/// Rounding of transformers, which works in single precision, after three latent steps.
const TOLERANCE: f64 = 2e-5;

#[derive(Deserialize)]
struct Numbers {
    seed: u64,
    ids: Vec<u32>,
    steps: usize,
    /// Written behind the thought, to which the prompt is fed once more.
    greedy: Vec<u32>,
    /// Final hidden states after the prompt and after each step.
    states: Vec<f64>,
    /// Keys of the second layer, [kv_heads, seq, head_dim].
    k1: Vec<f64>,
    /// Values of the first layer.
    v0: Vec<f64>,
}

/// Holds the decoder against them.
pub(super) fn hold() -> Result<(), SelfTestError> {
    let all: Map<String, Value> = serde_json::from_str(NUMBERS).unwrap_or_default();
    same("decoder", 2, all.len())?;
    for (name, numbers) in all {
        let broken = |actual: String| SelfTestError { oracle: "decoder", expected: name.clone(), actual };
        let numbers: Numbers = serde_json::from_value(numbers).map_err(|error| broken(error.to_string()))?;
        let made = TinyModel::new(&shape(&name), numbers.seed);
        let decoder = Decoder::new(&made.config, &made.tensors).map_err(broken)?;
        let thinker = Thinker::new(decoder).map_err(broken)?;
        let thought = thinker.think(thinker.decoder.empty_cache(), &numbers.ids, numbers.steps);
        near("decoder", &numbers.states, &thought.states.concat(), TOLERANCE)?;
        for (expected, layer, values) in [(&numbers.k1, 1, false), (&numbers.v0, 0, true)] {
            let bytes = thought.cache.tensor(layer, values);
            let made: Vec<f64> =
                bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect();
            near("decoder's cache", expected, &made, TOLERANCE)?;
        }
        let written = thinker.greedy(thought.cache, &numbers.ids, numbers.greedy.len());
        same("greedy", format!("{:?}", numbers.greedy), format!("{:?}", written.ids))?;
    }
    Ok(())
}

/// One of the two models, and its prompt.
#[cfg(test)]
pub(super) fn model_of(name: &str) -> Result<(Decoder, Vec<u32>), SelfTestError> {
    let broken = |actual: String| SelfTestError { oracle: "decoder", expected: name.to_owned(), actual };
    let all: Map<String, Value> = serde_json::from_str(NUMBERS).unwrap_or_default();
    let numbers = all.get(name).cloned().unwrap_or_default();
    let numbers: Numbers = serde_json::from_value(numbers).map_err(|error| broken(error.to_string()))?;
    let made = TinyModel::new(&shape(name), numbers.seed);
    Ok((Decoder::new(&made.config, &made.tensors).map_err(broken)?, numbers.ids))
}

/// The same sizes for both; Llama with heads that are narrower than the hidden state.
fn shape(name: &str) -> TinyShape {
    let family = if name.starts_with("qwen2") { TinyFamily::Qwen2 } else { TinyFamily::Llama };
    TinyShape {
        family,
        tied: name.ends_with("-tied"),
        hidden_size: 16,
        intermediate_size: 12,
        num_layers: 2,
        num_heads: 4,
        num_kv_heads: 2,
        head_dim: if family == TinyFamily::Llama { 6 } else { 4 },
        vocab_size: 32,
        rope_theta: 10_000.0,
        norm_eps: 1e-5,
    }
}
