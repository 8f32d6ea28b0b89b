//! config.json as it stands in files → the configuration that the runtime computes.

use serde::Deserialize;
use serde_json::Value;

use super::architecture::Architecture;
use super::config::{LayerKind, MlpActivation, ModelConfig, Positions, refused};
use super::rope::{RopeConfig, RopeScaling};
use crate::error::{Error, Result, excerpt};

/// Largest number in a configuration's sizes. The largest published models stay two orders of magnitude below; the bound
/// keeps products of sizes far from overflow.
const MAX_SIZE: u64 = 1 << 24;
/// Most layers. The deepest published decoders have fewer than 200.
const MAX_LAYERS: u64 = 4096;
/// A model with text and images, whose part for text is an object of its own.
const WITH_IMAGES: &str = "gemma3";
/// What such a file says outside of that object.
const OUTSIDE: [&str; 3] = ["tie_word_embeddings", "bos_token_id", "eos_token_id"];

/// The keys that matter. Unknown keys are ignored; a known key of a wrong type is an error.
#[derive(Deserialize)]
struct ConfigFile {
    hidden_size: u64,
    num_hidden_layers: u64,
    num_attention_heads: u64,
    num_key_value_heads: Option<u64>,
    head_dim: Option<u64>,
    intermediate_size: u64,
    vocab_size: u64,
    max_position_embeddings: Option<u64>,
    #[serde(default = "default_norm_eps")]
    rms_norm_eps: f64,
    hidden_act: Option<String>,
    hidden_activation: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    use_sliding_window: Option<bool>,
    sliding_window: Option<u64>,
    sliding_window_pattern: Option<u64>,
    max_window_layers: Option<u64>,
    layer_types: Option<Vec<String>>,
    no_rope_layers: Option<Vec<u64>>,
    no_rope_layer_interval: Option<u64>,
    query_pre_attn_scalar: Option<f64>,
    attn_logit_softcapping: Option<f64>,
    final_logit_softcapping: Option<f64>,
    use_bidirectional_attention: Option<Value>,
    partial_rotary_factor: Option<f64>,
    quantization_config: Option<Value>,
    tie_word_embeddings: Option<bool>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMany>,
    rope_theta: Option<f64>,
    rope_local_base_freq: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
}

fn default_norm_eps() -> f64 {
    1e-6
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

/// The configuration that a parsed config.json stands for.
pub(super) fn resolve(value: Value) -> Result<ModelConfig> {
    let mut value = text_part(value)?;
    let architecture = match value.get("model_type").and_then(Value::as_str) {
        Some(name) => Architecture::from_model_type(name)?,
        None => return Err(refused("config.model_type", "the name of an architecture", "nothing")),
    };
    if let (Value::Object(value), Value::Object(defaults)) = (&mut value, architecture.defaults()) {
        for (key, default) in defaults {
            value.entry(key).or_insert(default);
        }
    }
    let file: ConfigFile = serde_json::from_value(value).map_err(|error| malformed(&error))?;
    file.refuse_what_is_not_computed()?;
    file.resolve(architecture)
}

/// The part that describes the language model: the whole, or the object inside a model with images.
fn text_part(mut value: Value) -> Result<Value> {
    if value.get("model_type").and_then(Value::as_str) != Some(WITH_IMAGES) {
        return Ok(value);
    }
    let Some(Value::Object(mut text)) = value.get_mut("text_config").map(Value::take) else {
        let expected =
            "the object of the language model, or model_type gemma3_text for a model without images";
        return Err(refused("config.text_config", expected, "nothing"));
    };
    text.insert("model_type".into(), Architecture::Gemma3.model_type().into());
    for key in OUTSIDE {
        if let Some(outside) = value.get(key).filter(|outside| !outside.is_null()) {
            text.insert(key.into(), outside.clone());
        }
    }
    Ok(Value::Object(text))
}

impl ConfigFile {
    fn resolve(&self, architecture: Architecture) -> Result<ModelConfig> {
        let hidden_size = size("config.hidden_size", self.hidden_size, MAX_SIZE)?;
        let num_layers = size("config.num_hidden_layers", self.num_hidden_layers, MAX_LAYERS)?;
        let num_heads = size("config.num_attention_heads", self.num_attention_heads, MAX_SIZE)?;
        let kv_heads = self.num_key_value_heads.unwrap_or(self.num_attention_heads);
        let num_kv_heads = size("config.num_key_value_heads", kv_heads, MAX_SIZE)?;
        if num_heads % num_kv_heads != 0 {
            let expected = format!("a divisor of num_attention_heads, {num_heads}");
            return Err(refused("config.num_key_value_heads", expected, num_kv_heads.to_string()));
        }
        let head_dim = self.head_dim(hidden_size, num_heads)?;
        if !(self.rms_norm_eps >= 0.0 && self.rms_norm_eps.is_finite()) {
            let found = self.rms_norm_eps.to_string();
            return Err(refused("config.rms_norm_eps", "a number not below 0", found));
        }
        let max_positions = self.max_position_embeddings.unwrap_or(2048);
        // Keys of the later Gemma models, which are without meaning in others.
        let later = architecture.has_post_norms();
        let scalar = above_zero("config.query_pre_attn_scalar", self.query_pre_attn_scalar)?;
        let scalar = scalar.filter(|_| later).unwrap_or(head_dim as f64);
        let attention_bias = self.attention_bias.unwrap_or_default();
        // The code of some families has these biases, or has not, whatever the configuration says.
        let (qkv_bias, output_bias) = match architecture {
            Architecture::Qwen2 => (true, false),
            Architecture::Mistral => (false, false),
            _ => (attention_bias, attention_bias),
        };
        let mlp_bias = matches!(architecture, Architecture::Llama | Architecture::SmolLm3)
            && self.mlp_bias.unwrap_or_default();
        let cap = |field, value, in_use| {
            Ok::<_, Error>(above_zero(field, value)?.filter(|_| in_use).map(|cap| cap as f32))
        };
        Ok(ModelConfig {
            architecture,
            hidden_size,
            num_layers,
            num_heads,
            num_kv_heads,
            head_dim,
            intermediate_size: size("config.intermediate_size", self.intermediate_size, MAX_SIZE)?,
            vocab_size: size("config.vocab_size", self.vocab_size, MAX_SIZE)?,
            max_positions: size("config.max_position_embeddings", max_positions, u64::from(u32::MAX))?,
            norm_eps: self.rms_norm_eps,
            rope: self.rope(max_positions)?,
            local_rope: self.local_rope(max_positions)?,
            layers: self.layers(architecture, num_layers)?,
            qkv_bias,
            output_bias,
            mlp_bias,
            activation: self.activation(architecture)?,
            attention_scale: scalar.powf(-0.5) as f32,
            attention_softcap: cap(
                "config.attn_logit_softcapping",
                self.attn_logit_softcapping,
                architecture == Architecture::Gemma2,
            )?,
            logit_softcap: cap("config.final_logit_softcapping", self.final_logit_softcapping, later)?,
            embedding_scale: architecture.is_gemma().then(|| (hidden_size as f64).sqrt() as f32),
            tie_word_embeddings: self.tie_word_embeddings,
            bos: self.bos_token_id,
            eos: match &self.eos_token_id {
                None => Vec::new(),
                Some(OneOrMany::One(id)) => vec![*id],
                Some(OneOrMany::Many(ids)) => ids.clone(),
            },
        })
    }

    fn head_dim(&self, hidden_size: usize, num_heads: usize) -> Result<usize> {
        let head_dim = match self.head_dim {
            Some(given) => size("config.head_dim", given, MAX_SIZE)?,
            None if hidden_size.is_multiple_of(num_heads) => hidden_size / num_heads,
            None => {
                let expected = format!("head_dim, since {num_heads} heads do not divide {hidden_size}");
                return Err(refused("config.head_dim", expected, "nothing"));
            }
        };
        if head_dim % 2 != 0 {
            return Err(refused("config.head_dim", "an even number", head_dim.to_string()));
        }
        Ok(head_dim)
    }

    /// Settings that change the numbers in a way that this runtime does not have.
    fn refuse_what_is_not_computed(&self) -> Result<()> {
        if let Some(value) = &self.use_bidirectional_attention
            && !matches!(value, Value::Null | Value::Bool(false))
        {
            let expected = "false: a model that writes text from left to right";
            return Err(refused("config.use_bidirectional_attention", expected, excerpt(&value.to_string())));
        }
        let inside = |value: &Option<Value>| value.as_ref()?.get("partial_rotary_factor")?.as_f64();
        let nested = || inside(&self.rope_parameters).or_else(|| inside(&self.rope_scaling));
        let partial = self.partial_rotary_factor.or_else(nested);
        if let Some(part) = partial.filter(|part| *part != 1.0) {
            let expected = "1: heads that turn as a whole";
            return Err(refused("config.partial_rotary_factor", expected, part.to_string()));
        }
        if let Some(quantised) = self.quantization_config.as_ref().filter(|value| !value.is_null()) {
            let method = quantised.get("quant_method").and_then(Value::as_str).unwrap_or("quantised weights");
            let expected = "float32, float16 or bfloat16 weights, or the model as a GGUF file";
            return Err(refused("config.quantization_config", expected, excerpt(method)));
        }
        Ok(())
    }

    fn activation(&self, architecture: Architecture) -> Result<MlpActivation> {
        let (field, name) = match architecture {
            Architecture::Gemma2 | Architecture::Gemma3 => {
                ("config.hidden_activation", &self.hidden_activation)
            }
            _ => ("config.hidden_act", &self.hidden_act),
        };
        match name.as_deref() {
            None | Some("silu" | "swish") => Ok(MlpActivation::Silu),
            Some("gelu_pytorch_tanh" | "gelu_new") => Ok(MlpActivation::GeluTanh),
            // The first files of Gemma name the exact function and mean the formula.
            Some("gelu") if architecture == Architecture::Gemma => Ok(MlpActivation::GeluTanh),
            Some(other) => Err(refused(field, "silu or gelu_pytorch_tanh", excerpt(other))),
        }
    }

    /// The parameters of the layers with a window, where a file lists them by kind of layer.
    fn listed(&self, kind: &str) -> Option<&Value> {
        self.rope_parameters.as_ref()?.get(kind).filter(|value| !value.is_null())
    }

    fn rope(&self, max_positions: u64) -> Result<RopeConfig> {
        // Newer files keep everything under rope_parameters, older ones theta beside rope_scaling.
        let flat = self.rope_parameters.as_ref().filter(|value| !value.is_null());
        let parameters = self.listed("full_attention").or(flat).or(self.rope_scaling.as_ref());
        rope(parameters, self.rope_theta, max_positions)
    }

    fn local_rope(&self, max_positions: u64) -> Result<Option<RopeConfig>> {
        match (self.listed("sliding_attention"), self.rope_local_base_freq) {
            (None, None) => Ok(None),
            // The scaling of older files is that of the layers without a window.
            (parameters, theta) => rope(parameters, theta, max_positions).map(Some),
        }
    }

    /// What each layer sees.
    fn layers(&self, architecture: Architecture, count: usize) -> Result<Vec<LayerKind>> {
        let window =
            self.sliding_window.map(|tokens| size("config.sliding_window", tokens, u64::from(u32::MAX)));
        let window = match architecture {
            Architecture::Llama | Architecture::Gemma => None,
            Architecture::Mistral | Architecture::Gemma2 | Architecture::Gemma3 => window.transpose()?,
            _ if self.use_sliding_window == Some(true) => window.transpose()?,
            _ => None,
        };
        let turned = self.turned(architecture, count)?;
        let sliding: Vec<bool> = match (architecture, &self.layer_types) {
            (Architecture::Llama | Architecture::Gemma, _) => vec![false; count],
            (_, Some(types)) => self.listed_kinds(architecture, types, count)?,
            (Architecture::Mistral, None) => vec![true; count],
            (Architecture::SmolLm3, None) => turned.iter().map(|turned| !turned).collect(),
            (Architecture::Gemma2 | Architecture::Gemma3, None) => {
                let every = self.sliding_window_pattern.unwrap_or(1);
                let every = size("config.sliding_window_pattern", every, MAX_LAYERS)?;
                (1..=count).map(|layer| layer % every != 0).collect()
            }
            (_, None) => {
                let first = self.max_window_layers.unwrap_or(u64::MAX);
                (0..count as u64).map(|layer| layer >= first).collect()
            }
        };
        let kinds = sliding.into_iter().zip(turned).map(|(sliding, turned)| LayerKind {
            window: window.filter(|_| sliding),
            positions: match (turned, sliding) {
                (false, _) => Positions::Unmarked,
                (true, true) => Positions::Local,
                (true, false) => Positions::Global,
            },
        });
        Ok(kinds.collect())
    }

    /// Which layers the list of kinds gives a window.
    fn listed_kinds(&self, architecture: Architecture, types: &[String], count: usize) -> Result<Vec<bool>> {
        let wrong = |expected: &str| refused("config.layer_types", expected, excerpt(&types.join(", ")));
        if types.len() != count {
            return Err(wrong(&format!("one kind for each of {count} layers")));
        }
        let kind = |kind: &String| match kind.as_str() {
            "full_attention" => Ok(false),
            "sliding_attention" => Ok(true),
            _ => Err(wrong("full_attention and sliding_attention")),
        };
        let sliding = types.iter().map(kind).collect::<Result<Vec<_>>>()?;
        if architecture == Architecture::Mistral && self.sliding_window.is_some() && sliding.contains(&false)
        {
            // The family's code has a window in all layers; Ministral is another.
            return Err(wrong("sliding_attention in every layer of a Mistral with a window, or no list"));
        }
        Ok(sliding)
    }

    /// Which layers turn keys and queries.
    fn turned(&self, architecture: Architecture, count: usize) -> Result<Vec<bool>> {
        if architecture != Architecture::SmolLm3 {
            return Ok(vec![true; count]);
        }
        match &self.no_rope_layers {
            Some(listed) if listed.len() < count || listed[..count].iter().any(|&turned| turned > 1) => {
                let expected = format!("a 0 or 1 for each of {count} layers");
                Err(refused("config.no_rope_layers", expected, excerpt(&format!("{listed:?}"))))
            }
            Some(listed) => Ok(listed[..count].iter().map(|&turned| turned == 1).collect()),
            None => {
                let every = self.no_rope_layer_interval.unwrap_or(4);
                let every = size("config.no_rope_layer_interval", every, MAX_LAYERS)?;
                Ok((1..=count).map(|layer| layer % every != 0).collect())
            }
        }
    }
}

/// Rotation by its parameters, with the base given beside them.
fn rope(parameters: Option<&Value>, beside: Option<f64>, max_positions: u64) -> Result<RopeConfig> {
    let inside = parameters.and_then(|value| value.get("rope_theta")).and_then(Value::as_f64);
    let theta = inside.or(beside).unwrap_or(10_000.0);
    let theta = above_zero("config.rope_theta", Some(theta))?.unwrap_or(theta);
    let scaling =
        parameters.map_or(Ok(RopeScaling::None), |value| RopeScaling::from_json(value, max_positions))?;
    Ok(RopeConfig { theta, scaling })
}

/// Numbers are computed with as 32-bit floats, in which they have to stand above zero too.
fn above_zero(field: &'static str, value: Option<f64>) -> Result<Option<f64>> {
    match value {
        Some(value) if !((value as f32).is_finite() && value as f32 > 0.0) => {
            Err(refused(field, "a number above 0", value.to_string()))
        }
        _ => Ok(value),
    }
}

fn size(field: &'static str, value: u64, max: u64) -> Result<usize> {
    match usize::try_from(value) {
        Ok(size) if value >= 1 && value <= max => Ok(size),
        _ => Err(refused(field, format!("1 to {max}"), value.to_string())),
    }
}

pub(super) fn malformed(error: &serde_json::Error) -> Error {
    refused("config", "the JSON object of a config.json", error.to_string())
}
