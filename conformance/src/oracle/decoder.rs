//! A decoder-only language model in double precision: Llama and Qwen2, one position after the other, nothing clever.

use serde_json::Value;

use super::matrix::{Matrix, dot};
use crate::build::WeightTensor;

/// A linear map; a weight of [outputs, inputs], as Hugging Face's models keep it.
#[derive(Clone, Debug)]
struct Linear {
    weight: Matrix,
    bias: Option<Vec<f64>>,
}

impl Linear {
    fn apply(&self, input: &[f64]) -> Vec<f64> {
        let plain = self.weight.each_row().map(|row| dot(row, input));
        match &self.bias {
            Some(bias) => plain.zip(bias).map(|(value, bias)| value + bias).collect(),
            None => plain.collect(),
        }
    }
}

#[derive(Clone, Debug)]
struct Layer {
    input_norm: Vec<f64>,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    mlp_norm: Vec<f64>,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// A model.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Rows of the embedding matrix are tokens.
    pub(super) embed: Matrix,
    /// The output embedding of an untied model.
    pub(super) head: Option<Matrix>,
    /// Tokens that end a text.
    pub(super) eos: Option<u32>,
    layers: Vec<Layer>,
    norm: Vec<f64>,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    theta: f64,
    eps: f64,
}

/// Keys, after rotation, and values of every position so far.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderCache {
    /// For each layer keys and values, a row a position, the KV heads side by side.
    layers: Vec<[Matrix; 2]>,
    head_dim: usize,
}

impl DecoderCache {
    /// Positions.
    pub fn seq_len(&self) -> usize {
        self.layers.first().map_or(0, |[keys, _]| keys.rows)
    }

    /// Layers.
    pub fn num_layers(&self) -> usize {
        self.layers.len()
    }

    /// Shape of every tensor: KV heads, positions, elements of a head.
    pub fn dims(&self) -> [usize; 3] {
        let width = self.layers.first().map_or(0, |[keys, _]| keys.cols);
        [width / self.head_dim, self.seq_len(), self.head_dim]
    }

    /// Keys or values of a layer as a KV payload has them: [kv_heads, seq, head_dim], float32, little-endian.
    pub fn tensor(&self, layer: usize, values: bool) -> Vec<u8> {
        let matrix = &self.layers[layer][usize::from(values)];
        let [heads, _, dim] = self.dims();
        let of_head = |head: usize| matrix.each_row().flat_map(move |row| &row[head * dim..(head + 1) * dim]);
        (0..heads).flat_map(of_head).flat_map(|&value| (value as f32).to_le_bytes()).collect()
    }

    /// What is left of it after a message of float32.
    pub fn rounded(mut self) -> Self {
        let values = self.layers.iter_mut().flatten().flat_map(|matrix| &mut matrix.values);
        values.for_each(|value| *value = f64::from(*value as f32));
        self
    }
}

impl Decoder {
    /// Puts a model together.
    ///
    /// # Errors
    /// A sentence when the configuration lacks a number, or a tensor is missing or of another shape.
    pub fn new(config: &Value, tensors: &[WeightTensor]) -> Result<Self, String> {
        let source = Source { config, tensors };
        let (width, heads) = (source.size("hidden_size")?, source.size("num_attention_heads")?);
        let (vocab, inner) = (source.size("vocab_size")?, source.size("intermediate_size")?);
        let head_dim = source.size("head_dim").unwrap_or(width / heads);
        let kv_heads = source.size("num_key_value_heads")?;
        let tied = config["tie_word_embeddings"] == true;
        let layer = |layer: usize| -> Result<Layer, String> {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            let norm = |part: &str| source.vector(&name(&format!("{part}.weight")), width);
            let linear = |part: &str, rows, cols| source.linear(&name(part), rows, cols);
            Ok(Layer {
                input_norm: norm("input_layernorm")?,
                query: linear("self_attn.q_proj", heads * head_dim, width)?,
                key: linear("self_attn.k_proj", kv_heads * head_dim, width)?,
                value: linear("self_attn.v_proj", kv_heads * head_dim, width)?,
                output: linear("self_attn.o_proj", width, heads * head_dim)?,
                mlp_norm: norm("post_attention_layernorm")?,
                gate: linear("mlp.gate_proj", inner, width)?,
                up: linear("mlp.up_proj", inner, width)?,
                down: linear("mlp.down_proj", width, inner)?,
            })
        };
        Ok(Self {
            embed: source.matrix("model.embed_tokens.weight", vocab, width)?,
            head: (!tied).then(|| source.matrix("lm_head.weight", vocab, width)).transpose()?,
            eos: config["eos_token_id"].as_u64().and_then(|id| u32::try_from(id).ok()),
            layers: (0..source.size("num_hidden_layers")?).map(layer).collect::<Result<_, _>>()?,
            norm: source.vector("model.norm.weight", width)?,
            heads,
            kv_heads,
            head_dim,
            theta: source.number("rope_theta")?,
            eps: source.number("rms_norm_eps")?,
        })
    }

    /// A cache of no positions.
    pub fn empty_cache(&self) -> DecoderCache {
        let cols = self.kv_heads * self.head_dim;
        let nothing = || Matrix { rows: 0, cols, values: Vec::new() };
        let layers = self.layers.iter().map(|_| [nothing(), nothing()]).collect();
        DecoderCache { layers, head_dim: self.head_dim }
    }

    /// Reads tokens behind a cache; the hidden state of the last one, after the last norm.
    pub fn read(&self, tokens: &[u32], cache: &mut DecoderCache) -> Vec<f64> {
        let states = tokens.iter().map(|&token| self.inject(self.embed.row(token as usize), cache));
        states.last().unwrap_or_default()
    }

    /// Reads one input embedding behind a cache; its hidden state after the last norm.
    pub fn inject(&self, embedding: &[f64], cache: &mut DecoderCache) -> Vec<f64> {
        let position = cache.seq_len();
        let mut state = embedding.to_vec();
        for (layer, past) in self.layers.iter().zip(&mut cache.layers) {
            let attended = self.attention(layer, &self.normed(&state, &layer.input_norm), position, past);
            add(&mut state, &layer.output.apply(&attended));
            let input = self.normed(&state, &layer.mlp_norm);
            let gated = layer.gate.apply(&input).into_iter().zip(layer.up.apply(&input));
            let inner: Vec<f64> = gated.map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect();
            add(&mut state, &layer.down.apply(&inner));
        }
        self.normed(&state, &self.norm)
    }

    /// Logits of all tokens for a hidden state.
    pub fn logits(&self, state: &[f64]) -> Vec<f64> {
        self.head.as_ref().unwrap_or(&self.embed).each_row().map(|row| dot(row, state)).collect()
    }

    fn normed(&self, state: &[f64], weight: &[f64]) -> Vec<f64> {
        let scale = 1.0 / (dot(state, state) / state.len() as f64 + self.eps).sqrt();
        state.iter().zip(weight).map(|(value, weight)| value * scale * weight).collect()
    }

    fn attention(
        &self,
        layer: &Layer,
        input: &[f64],
        position: usize,
        [keys, values]: &mut [Matrix; 2],
    ) -> Vec<f64> {
        let queries = self.rotated(layer.query.apply(input), position);
        append(keys, self.rotated(layer.key.apply(input), position));
        append(values, layer.value.apply(input));
        let mut out = Vec::with_capacity(queries.len());
        for (head, query) in queries.chunks_exact(self.head_dim).enumerate() {
            // Query heads share key and value heads in groups that stand side by side.
            let start = head / (self.heads / self.kv_heads) * self.head_dim;
            let own = start..start + self.head_dim;
            let scale = (self.head_dim as f64).sqrt();
            let scores: Vec<f64> = keys.each_row().map(|key| dot(query, &key[own.clone()]) / scale).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
            let total: f64 = weights.iter().sum();
            let mean = |at: usize| {
                values.each_row().zip(&weights).map(|(row, weight)| row[at] * weight).sum::<f64>()
            };
            out.extend(own.map(|at| mean(at) / total));
        }
        out
    }

    /// Each head's first half turned against its second half.
    fn rotated(&self, mut heads: Vec<f64>, position: usize) -> Vec<f64> {
        let half = self.head_dim / 2;
        for head in heads.chunks_exact_mut(self.head_dim) {
            let (first, second) = head.split_at_mut(half);
            for (index, (a, b)) in first.iter_mut().zip(second).enumerate() {
                let exponent = 2.0 * index as f64 / self.head_dim as f64;
                let (sin, cos) = (position as f64 / self.theta.powf(exponent)).sin_cos();
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
        heads
    }
}

fn add(state: &mut [f64], more: &[f64]) {
    state.iter_mut().zip(more).for_each(|(value, more)| *value += more);
}

fn append(matrix: &mut Matrix, row: Vec<f64>) {
    matrix.values.extend(row);
    matrix.rows += 1;
}

/// A configuration and the tensors beside it.
struct Source<'a> {
    config: &'a Value,
    tensors: &'a [WeightTensor],
}

impl Source<'_> {
    fn number(&self, key: &str) -> Result<f64, String> {
        self.config[key].as_f64().ok_or_else(|| format!("the configuration has no number `{key}`"))
    }

    fn size(&self, key: &str) -> Result<usize, String> {
        let size = self.config[key].as_u64().and_then(|size| usize::try_from(size).ok());
        size.filter(|size| *size > 0).ok_or_else(|| format!("the configuration has no size `{key}`"))
    }

    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>, String> {
        let found = self.tensors.iter().find(|tensor| tensor.name == name);
        let tensor = found.ok_or_else(|| format!("there is no tensor `{name}`"))?;
        match tensor.shape == shape && tensor.values.len() == shape.iter().product::<usize>() {
            true => Ok(tensor.values.iter().map(|&value| value.into()).collect()),
            false => Err(format!("`{name}` has shape {:?}, not {shape:?}", tensor.shape)),
        }
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f64>, String> {
        self.values(name, &[len])
    }

    fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix, String> {
        Ok(Matrix { rows, cols, values: self.values(name, &[rows, cols])? })
    }

    fn linear(&self, name: &str, rows: usize, cols: usize) -> Result<Linear, String> {
        let bias = format!("{name}.bias");
        let biased = self.tensors.iter().any(|tensor| tensor.name == bias);
        Ok(Linear {
            weight: self.matrix(&format!("{name}.weight"), rows, cols)?,
            bias: biased.then(|| self.vector(&bias, rows)).transpose()?,
        })
    }
}
