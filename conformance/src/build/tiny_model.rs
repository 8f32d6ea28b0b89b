//! Language models of a few thousand weights, the same from the same seed everywhere: small enough to travel with every
//! request, and every part of the block counts.

use serde_json::{Value, json};

use super::safetensors::{WeightTensor, safetensors};
use super::splitmix::SplitMix64;

/// Architectures that the oracle computes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TinyFamily {
    /// No biases.
    Llama,
    /// Biases on queries, keys and values.
    Qwen2,
}

/// Sizes of a tiny model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TinyShape {
    /// Architecture.
    pub family: TinyFamily,
    /// Whether one matrix is input and output embedding.
    pub tied: bool,
    /// Width of a hidden state; `num_heads * head_dim` under Qwen2.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Query heads.
    pub num_heads: usize,
    /// Key and value heads; divides `num_heads`.
    pub num_kv_heads: usize,
    /// Elements of a head, even.
    pub head_dim: usize,
    /// Tokens.
    pub vocab_size: usize,
    /// Base of the rotation's wavelengths.
    pub rope_theta: f64,
    /// Added to the mean square in the norms.
    pub norm_eps: f64,
}

/// A model: configuration and weights.
#[derive(Clone, Debug, PartialEq)]
pub struct TinyModel {
    /// Its config.json.
    pub config: Value,
    /// Its weights.
    pub tensors: Vec<WeightTensor>,
}

impl TinyModel {
    /// Weights evenly spread, from the outputs of SplitMix64 in the order of the tensors: embeddings up to ±0.7, biases up
    /// to ±0.5, norms 0.5 to 1.5, projections up to ±√(3 / inputs). So logits and attention scores spread over a few
    /// units, and rounding errors of single precision stay small.
    pub fn new(shape: &TinyShape, seed: u64) -> Self {
        let mut draw = Draw { source: SplitMix64::new(seed), tensors: Vec::new() };
        let width = shape.hidden_size;
        draw.tensor("model.embed_tokens.weight", &[shape.vocab_size, width], 0.0, EMBEDDING);
        for layer in 0..shape.num_layers {
            draw.layer(shape, layer);
        }
        draw.tensor("model.norm.weight", &[width], 1.0, NORM);
        if !shape.tied {
            draw.tensor("lm_head.weight", &[shape.vocab_size, width], 0.0, EMBEDDING);
        }
        Self { config: config(shape), tensors: draw.tensors }
    }

    /// The weights as a file.
    pub fn weights(&self) -> Vec<u8> {
        safetensors(&self.tensors)
    }
}

/// How far embeddings, norms and biases reach.
const EMBEDDING: f32 = 0.7;
const NORM: f32 = 0.5;
const BIAS: f32 = 0.5;

struct Draw {
    source: SplitMix64,
    tensors: Vec<WeightTensor>,
}

impl Draw {
    fn layer(&mut self, shape: &TinyShape, layer: usize) {
        let (width, inner) = (shape.hidden_size, shape.intermediate_size);
        let (heads, kv) = (shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim);
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        self.tensor(&name("input_layernorm.weight"), &[width], 1.0, NORM);
        for (part, rows) in [("q_proj", heads), ("k_proj", kv), ("v_proj", kv)] {
            self.projection(&name(&format!("self_attn.{part}.weight")), rows, width);
            if shape.family == TinyFamily::Qwen2 {
                self.tensor(&name(&format!("self_attn.{part}.bias")), &[rows], 0.0, BIAS);
            }
        }
        self.projection(&name("self_attn.o_proj.weight"), width, heads);
        self.tensor(&name("post_attention_layernorm.weight"), &[width], 1.0, NORM);
        self.projection(&name("mlp.gate_proj.weight"), inner, width);
        self.projection(&name("mlp.up_proj.weight"), inner, width);
        self.projection(&name("mlp.down_proj.weight"), width, inner);
    }

    fn projection(&mut self, name: &str, rows: usize, cols: usize) {
        self.tensor(name, &[rows, cols], 0.0, (3.0 / cols as f32).sqrt());
    }

    fn tensor(&mut self, name: &str, shape: &[usize], centre: f32, reach: f32) {
        // 24 bits of each output, so that the number is exact before it is scaled.
        let mut unit = || (self.source.next_u64() >> 40) as f32 / 8_388_608.0 - 1.0;
        let values = (0..shape.iter().product()).map(|_| centre + reach * unit()).collect();
        self.tensors.push(WeightTensor { name: name.to_owned(), shape: shape.to_vec(), values });
    }
}

/// In the words of transformers before release 5, which every reader knows.
fn config(shape: &TinyShape) -> Value {
    let (architecture, model_type) = match shape.family {
        TinyFamily::Llama => ("LlamaForCausalLM", "llama"),
        TinyFamily::Qwen2 => ("Qwen2ForCausalLM", "qwen2"),
    };
    let mut config = json!({
        "architectures": [architecture],
        "bos_token_id": 0,
        "eos_token_id": 1,
        "hidden_act": "silu",
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": 256,
        "model_type": model_type,
        "num_attention_heads": shape.num_heads,
        "num_hidden_layers": shape.num_layers,
        "num_key_value_heads": shape.num_kv_heads,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": "float32",
        "vocab_size": shape.vocab_size,
    });
    if shape.family == TinyFamily::Llama {
        config["head_dim"] = shape.head_dim.into();
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: TinyShape = TinyShape {
        family: TinyFamily::Qwen2,
        tied: false,
        hidden_size: 8,
        intermediate_size: 6,
        num_layers: 2,
        num_heads: 2,
        num_kv_heads: 1,
        head_dim: 4,
        vocab_size: 10,
        rope_theta: 10_000.0,
        norm_eps: 1e-5,
    };

    #[test]
    fn a_seed_says_everything() {
        let made = TinyModel::new(&SHAPE, 3);
        assert_eq!(made, TinyModel::new(&SHAPE, 3));
        assert_ne!(made.tensors, TinyModel::new(&SHAPE, 4).tensors);
        let first = (SplitMix64::new(3).next_u64() >> 40) as f32 / 8_388_608.0 - 1.0;
        assert_eq!(made.tensors[0].values[0], 0.7 * first);
    }

    #[test]
    fn every_family_has_its_tensors() {
        let names = |shape: TinyShape| {
            let made = TinyModel::new(&shape, 1);
            for tensor in &made.tensors {
                assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>());
            }
            made.tensors.len()
        };
        // Embedding, last norm and head; nine of a layer, and three biases.
        assert_eq!(names(SHAPE), 3 + 2 * 12);
        assert_eq!(names(TinyShape { family: TinyFamily::Llama, ..SHAPE }), 3 + 2 * 9);
        assert_eq!(names(TinyShape { tied: true, ..SHAPE }), 2 + 2 * 12);
    }
}
