//! What a model looks like: the form of config.json, resolved and checked.

use serde::Deserialize;
use serde_json::Value;

use super::rope::{RopeConfig, RopeScaling};
use crate::error::{Error, ErrorClass, Result, excerpt};

/// Largest number in a configuration's sizes. The largest published models stay two orders of magnitude below; the bound
/// keeps products of sizes far from overflow.
const MAX_SIZE: u64 = 1 << 24;
/// Most layers. The deepest published decoders have fewer than 200.
const MAX_LAYERS: u64 = 4096;

/// Families of models that differ in what a config.json leaves unsaid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Architecture {
    /// Llama 1 to 3, SmolLM2 and whatever exports as `llama`.
    Llama,
    /// Qwen2 and Qwen2.5: biases on queries, keys and values.
    Qwen2,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 2] = [Self::Llama, Self::Qwen2];

    /// The name in config.json (`model_type`).
    #[must_use]
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
        }
    }

    fn from_model_type(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|known| known.model_type() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|known| known.model_type()).collect();
            let expected = format!("an architecture that this runtime knows ({})", known.join(", "));
            Error::new(ErrorClass::Configuration, "config.model_type", expected, excerpt(name))
        })
    }
}

/// The non-linearity of the gated MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MlpActivation {
    /// x · sigmoid(x).
    Silu,
    /// GELU by the tanh formula.
    GeluTanh,
}

/// A decoder-only language model's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Family.
    pub architecture: Architecture,
    /// Width of a hidden state.
    pub hidden_size: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Query heads.
    pub num_heads: usize,
    /// Key and value heads; divides `num_heads`.
    pub num_kv_heads: usize,
    /// Elements of a head; even, and not always `hidden_size / num_heads`.
    pub head_dim: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Rows of the embedding matrix.
    pub vocab_size: usize,
    /// Positions that the model was made for.
    pub max_positions: usize,
    /// Added to the mean square in RMSNorm.
    pub norm_eps: f64,
    /// Position encoding.
    pub rope: RopeConfig,
    /// Biases on the query, key and value projections.
    pub qkv_bias: bool,
    /// A bias on the attention's output projection.
    pub output_bias: bool,
    /// Biases in the MLP.
    pub mlp_bias: bool,
    /// Non-linearity of the MLP.
    pub activation: MlpActivation,
    /// Tokens that a position sees, itself included, in the layers that have a window.
    pub sliding_window: Option<SlidingWindow>,
    /// What config.json says of the head: one matrix for input and output embedding. Absent means untied in the protocol
    /// (AVP-RLN-010), and what the architecture's own default says in the weights.
    pub tie_word_embeddings: Option<bool>,
    /// Begin of text.
    pub bos: Option<u32>,
    /// Tokens that end a text.
    pub eos: Vec<u32>,
}

/// Attention to the nearest tokens only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    /// Tokens, the position itself included.
    pub tokens: usize,
    /// The first layer that has the window; earlier ones see everything.
    pub first_layer: usize,
}

/// config.json as it stands in files. Unknown keys are ignored; a known key of a wrong type is an error.
#[derive(Deserialize)]
struct ConfigFile {
    model_type: String,
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
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    use_sliding_window: Option<bool>,
    sliding_window: Option<u64>,
    max_window_layers: Option<u64>,
    layer_types: Option<Vec<String>>,
    tie_word_embeddings: Option<bool>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMany>,
    rope_theta: Option<f64>,
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

impl ModelConfig {
    /// Reads the text of a config.json.
    ///
    /// # Errors
    /// `configuration` for text that is no such JSON, an unknown architecture, and sizes that no model can have.
    pub fn from_text(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        Self::from_json(value)
    }

    /// Reads a configuration that is parsed already.
    ///
    /// # Errors
    /// As [`Self::from_text`].
    pub fn from_json(value: Value) -> Result<Self> {
        let architecture = match value.get("model_type").and_then(Value::as_str) {
            Some(name) => Architecture::from_model_type(name)?,
            None => return Err(refused("config.model_type", "the name of an architecture", "nothing")),
        };
        let file: ConfigFile = serde_json::from_value(value).map_err(|error| malformed(&error))?;
        debug_assert_eq!(file.model_type, architecture.model_type());
        Self::resolve(architecture, &file)
    }

    fn resolve(architecture: Architecture, file: &ConfigFile) -> Result<Self> {
        let hidden_size = size("config.hidden_size", file.hidden_size, MAX_SIZE)?;
        let num_layers = size("config.num_hidden_layers", file.num_hidden_layers, MAX_LAYERS)?;
        let num_heads = size("config.num_attention_heads", file.num_attention_heads, MAX_SIZE)?;
        let kv_heads = file.num_key_value_heads.unwrap_or(file.num_attention_heads);
        let num_kv_heads = size("config.num_key_value_heads", kv_heads, MAX_SIZE)?;
        if num_heads % num_kv_heads != 0 {
            return Err(refused(
                "config.num_key_value_heads",
                format!("a divisor of num_attention_heads, {num_heads}"),
                num_kv_heads.to_string(),
            ));
        }
        let head_dim = match file.head_dim {
            Some(given) => size("config.head_dim", given, MAX_SIZE)?,
            None if hidden_size % num_heads == 0 => hidden_size / num_heads,
            None => {
                return Err(refused(
                    "config.head_dim",
                    format!("head_dim, since {num_heads} heads do not divide {hidden_size}"),
                    "nothing",
                ));
            }
        };
        if head_dim % 2 != 0 {
            return Err(refused("config.head_dim", "an even number", head_dim.to_string()));
        }
        if !(file.rms_norm_eps >= 0.0 && file.rms_norm_eps.is_finite()) {
            return Err(refused(
                "config.rms_norm_eps",
                "a number not below 0",
                file.rms_norm_eps.to_string(),
            ));
        }
        let activation = match file.hidden_act.as_deref() {
            None | Some("silu" | "swish") => MlpActivation::Silu,
            Some("gelu_pytorch_tanh" | "gelu_new") => MlpActivation::GeluTanh,
            Some(other) => {
                return Err(refused("config.hidden_act", "silu or gelu_pytorch_tanh", excerpt(other)));
            }
        };
        let max_positions = file.max_position_embeddings.unwrap_or(2048);
        let mut config = Self {
            architecture,
            hidden_size,
            num_layers,
            num_heads,
            num_kv_heads,
            head_dim,
            intermediate_size: size("config.intermediate_size", file.intermediate_size, MAX_SIZE)?,
            vocab_size: size("config.vocab_size", file.vocab_size, MAX_SIZE)?,
            max_positions: size("config.max_position_embeddings", max_positions, u64::from(u32::MAX))?,
            norm_eps: file.rms_norm_eps,
            rope: file.rope(max_positions)?,
            qkv_bias: file.attention_bias.unwrap_or_default(),
            output_bias: file.attention_bias.unwrap_or_default(),
            mlp_bias: file.mlp_bias.unwrap_or_default(),
            activation,
            sliding_window: None,
            tie_word_embeddings: file.tie_word_embeddings,
            bos: file.bos_token_id,
            eos: match &file.eos_token_id {
                None => Vec::new(),
                Some(OneOrMany::One(id)) => vec![*id],
                Some(OneOrMany::Many(ids)) => ids.clone(),
            },
        };
        if architecture == Architecture::Qwen2 {
            // The family's code has these biases whatever its configuration says, and no others.
            config.qkv_bias = true;
            config.output_bias = false;
            config.sliding_window = file.qwen2_window()?;
        }
        Ok(config)
    }

    /// Tokens that a position of this layer sees, itself included; `None` for all.
    #[must_use]
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.sliding_window.filter(|window| layer >= window.first_layer).map(|window| window.tokens)
    }

    /// Whether one matrix serves as input and output embedding when the weights hold no head of their own.
    #[must_use]
    pub fn tied(&self) -> bool {
        self.tie_word_embeddings.unwrap_or_default()
    }

    /// Elements of all keys, or of all values, that one token adds in one layer.
    #[must_use]
    pub fn kv_width(&self) -> usize {
        self.num_kv_heads * self.head_dim
    }
}

impl ConfigFile {
    fn rope(&self, max_positions: u64) -> Result<RopeConfig> {
        // Newer files keep everything under rope_parameters, older ones theta beside rope_scaling.
        let parameters = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref());
        let nested = self.rope_parameters.as_ref().and_then(|value| value.get("rope_theta"));
        let theta = nested.and_then(Value::as_f64).or(self.rope_theta).unwrap_or(10_000.0);
        if !(theta.is_finite() && theta > 0.0) {
            return Err(refused("config.rope_theta", "a number above 0", theta.to_string()));
        }
        let scaling =
            parameters.map_or(Ok(RopeScaling::None), |value| RopeScaling::from_json(value, max_positions))?;
        Ok(RopeConfig { theta, scaling })
    }

    fn qwen2_window(&self) -> Result<Option<SlidingWindow>> {
        if self.use_sliding_window != Some(true) {
            return Ok(None);
        }
        let Some(tokens) = self.sliding_window else { return Ok(None) };
        let tokens = size("config.sliding_window", tokens, u64::from(u32::MAX))?;
        let first = match &self.layer_types {
            Some(types) => {
                let sliding = |kind: &String| kind == "sliding_attention";
                let first = types.iter().position(sliding).unwrap_or(types.len());
                // Read as "from this layer on", so that has to be what the list says.
                if types.len() as u64 != self.num_hidden_layers || !types[first..].iter().all(sliding) {
                    let expected = "one kind a layer, full attention first and sliding attention behind it";
                    return Err(refused("config.layer_types", expected, excerpt(&types.join(", "))));
                }
                first as u64
            }
            None => self.max_window_layers.unwrap_or(28),
        };
        let first_layer = usize::try_from(first).unwrap_or(usize::MAX);
        Ok(Some(SlidingWindow { tokens, first_layer }))
    }
}

fn size(field: &'static str, value: u64, max: u64) -> Result<usize> {
    match usize::try_from(value) {
        Ok(size) if value >= 1 && value <= max => Ok(size),
        _ => Err(refused(field, format!("1 to {max}"), value.to_string())),
    }
}

fn malformed(error: &serde_json::Error) -> Error {
    refused("config", "the JSON object of a config.json", error.to_string())
}

pub(super) fn refused(field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, field, expected, found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn smol() -> Value {
        json!({"model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9,
            "num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49152, "rms_norm_eps": 1e-5,
            "rope_theta": 100_000, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut config = smol();
        config[key] = value;
        config
    }

    #[test]
    fn a_llama_is_read() {
        let config = ModelConfig::from_json(smol()).unwrap();
        assert_eq!((config.head_dim, config.kv_width(), config.tied()), (64, 192, true));
        assert_eq!((config.eos.clone(), config.rope.theta), (vec![2], 100_000.0));
        assert!(!config.qkv_bias && !config.output_bias && !config.mlp_bias);
    }

    #[test]
    fn newer_files_keep_theta_with_the_scaling() {
        let parameters = json!({"rope_type": "default", "rope_theta": 500_000.0});
        let config = ModelConfig::from_json(with("rope_parameters", parameters)).unwrap();
        assert_eq!(config.rope, RopeConfig { theta: 500_000.0, scaling: RopeScaling::None });
    }

    #[test]
    fn qwen2_has_biases_and_a_window_only_when_it_says_so() {
        let mut value = with("model_type", json!("qwen2"));
        value["sliding_window"] = json!(16);
        let config = ModelConfig::from_json(value.clone()).unwrap();
        assert!(config.qkv_bias && !config.output_bias);
        assert_eq!(config.window(29), None);
        value["use_sliding_window"] = json!(true);
        value["max_window_layers"] = json!(20);
        let config = ModelConfig::from_json(value).unwrap();
        assert_eq!((config.window(19), config.window(20)), (None, Some(16)));
    }

    #[test]
    fn windows_that_come_and_go_are_refused() {
        let mut value = with("model_type", json!("qwen2"));
        value["sliding_window"] = json!(16);
        value["use_sliding_window"] = json!(true);
        value["num_hidden_layers"] = json!(3);
        let (full, sliding) = ("full_attention", "sliding_attention");
        value["layer_types"] = json!([full, full, sliding]);
        assert_eq!(ModelConfig::from_json(value.clone()).unwrap().window(2), Some(16));
        for types in [vec![sliding, full, full], vec![full, sliding], vec![full, sliding, full]] {
            value["layer_types"] = json!(types);
            let error = ModelConfig::from_json(value.clone()).unwrap_err();
            assert_eq!(error.field, "config.layer_types", "{types:?}");
        }
    }

    #[test]
    fn impossible_configurations_name_the_field() {
        for (key, value, field) in [
            ("model_type", json!("mamba"), "config.model_type"),
            ("model_type", json!(3), "config.model_type"),
            ("hidden_size", json!(0), "config.hidden_size"),
            ("hidden_size", json!(1_u64 << 40), "config.hidden_size"),
            ("hidden_size", json!(-1), "config"),
            ("hidden_size", json!("many"), "config"),
            ("num_hidden_layers", json!(100_000), "config.num_hidden_layers"),
            ("num_key_value_heads", json!(2), "config.num_key_value_heads"),
            ("num_attention_heads", json!(0), "config.num_attention_heads"),
            ("head_dim", json!(7), "config.head_dim"),
            ("num_attention_heads", json!(15), "config.head_dim"),
            ("rms_norm_eps", json!(-1.0), "config.rms_norm_eps"),
            ("rope_theta", json!(0), "config.rope_theta"),
            ("hidden_act", json!("relu6"), "config.hidden_act"),
            ("rope_scaling", json!({"type": "yarn", "factor": 2.0}), "config.rope_scaling"),
        ] {
            let error = ModelConfig::from_json(with(key, value.clone())).unwrap_err();
            assert_eq!((error.class, error.field), (ErrorClass::Configuration, field), "{key}: {value}");
        }
    }
}
