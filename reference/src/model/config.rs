//! What a model looks like: the form of config.json, resolved and checked.

use serde_json::Value;

use super::architecture::Architecture;
use super::config_file;
use super::rope::RopeConfig;
use crate::error::{Error, ErrorClass, Result};

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
    /// Position encoding of the layers that have their own.
    pub local_rope: Option<RopeConfig>,
    /// What each layer sees, one entry a layer.
    pub layers: Vec<LayerKind>,
    /// Biases on the query, key and value projections.
    pub qkv_bias: bool,
    /// A bias on the attention's output projection.
    pub output_bias: bool,
    /// Biases in the MLP.
    pub mlp_bias: bool,
    /// Non-linearity of the MLP.
    pub activation: MlpActivation,
    /// Factor on the product of a query and a key.
    pub attention_scale: f32,
    /// Scores go through cap · tanh(score / cap) before the softmax.
    pub attention_softcap: Option<f32>,
    /// Logits go through the same with this cap.
    pub logit_softcap: Option<f32>,
    /// Factor on the rows of the embedding matrix where tokens are read. Input embeddings that are given are taken as they
    /// are, and the matrix itself is what soft embeddings and realignment see.
    pub embedding_scale: Option<f32>,
    /// What config.json says of the head: one matrix for input and output embedding. Absent means untied in the protocol
    /// (AVP-RLN-010), except in families whose files leave it out because all of them are tied (SmolLM3, Gemma).
    pub tie_word_embeddings: Option<bool>,
    /// Begin of text.
    pub bos: Option<u32>,
    /// Tokens that end a text.
    pub eos: Vec<u32>,
}

/// What a layer sees of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerKind {
    /// Tokens that a position sees, itself included; `None` for all.
    pub window: Option<usize>,
    /// How it tells positions apart.
    pub positions: Positions,
}

/// How a layer tells positions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// Keys and queries turn as [`ModelConfig::rope`] says.
    Global,
    /// They turn as [`ModelConfig::local_rope`] says, and where that is none, as the others.
    Local,
    /// Not at all but by what it sees.
    Unmarked,
}

impl ModelConfig {
    /// Reads the text of a config.json.
    ///
    /// # Errors
    /// `configuration` for text that is no such JSON, an unknown architecture, sizes that no model can have, and settings
    /// that this runtime does not compute.
    pub fn from_text(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text).map_err(|error| config_file::malformed(&error))?;
        Self::from_json(value)
    }

    /// Reads a configuration that is parsed already. Of one with a `text_config` inside (Gemma 3 with images), that.
    ///
    /// # Errors
    /// As [`Self::from_text`].
    pub fn from_json(value: Value) -> Result<Self> {
        config_file::resolve(value)
    }

    /// Tokens that a position of this layer sees, itself included; `None` for all.
    #[must_use]
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.layers.get(layer).and_then(|layer| layer.window)
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

pub(super) fn refused(field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, field, expected, found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::rope::RopeScaling;

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
    fn layers_are_of_the_kinds_that_are_listed() {
        let mut value = with("model_type", json!("qwen2"));
        value["sliding_window"] = json!(16);
        value["use_sliding_window"] = json!(true);
        value["num_hidden_layers"] = json!(3);
        let (full, sliding) = ("full_attention", "sliding_attention");
        for types in [[full, full, sliding], [sliding, full, full], [full, sliding, full]] {
            value["layer_types"] = json!(types);
            let config = ModelConfig::from_json(value.clone()).unwrap();
            for (layer, kind) in types.into_iter().enumerate() {
                assert_eq!(config.window(layer), (kind == sliding).then_some(16), "{types:?}");
            }
        }
        for types in [vec![full, sliding], vec![full, "chunked_attention", full]] {
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
            ("rope_scaling", json!({"type": "dynamic", "factor": 2.0}), "config.rope_scaling"),
        ] {
            let error = ModelConfig::from_json(with(key, value.clone())).unwrap_err();
            assert_eq!((error.class, error.field), (ErrorClass::Configuration, field), "{key}: {value}");
        }
    }

    /// What the files of published models say, as far as it matters here.
    #[test]
    fn published_files_are_read() {
        let read = |value: Value| ModelConfig::from_json(value).unwrap();
        // The larger Gemma 3: a model with images, and sizes that are left out.
        let gemma = read(json!({"model_type": "gemma3", "eos_token_id": [1, 106], "text_config": {
            "hidden_size": 2560, "intermediate_size": 10_240, "model_type": "gemma3_text", "num_hidden_layers": 34,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024},
            "vision_config": {"hidden_size": 1152}}));
        assert_eq!((gemma.num_heads, gemma.num_kv_heads, gemma.head_dim), (8, 4, 256));
        assert_eq!((gemma.vocab_size, gemma.tied(), gemma.eos.as_slice()), (262_208, true, &[1, 106][..]));
        assert_eq!(gemma.rope, RopeConfig { theta: 1e6, scaling: RopeScaling::Linear { factor: 8.0 } });
        assert_eq!(gemma.local_rope, Some(RopeConfig { theta: 1e4, scaling: RopeScaling::None }));
        assert_eq!((gemma.window(4), gemma.window(5), gemma.window(6)), (Some(1024), None, Some(1024)));
        let kinds = [gemma.layers[4].positions, gemma.layers[5].positions];
        assert_eq!(kinds, [Positions::Local, Positions::Global]);
        assert_eq!((gemma.attention_scale, gemma.logit_softcap), (1.0 / 16.0, None));
        // The first Gemma names another activation than it means.
        let gemma = read(json!({"model_type": "gemma", "hidden_size": 2048, "num_hidden_layers": 18,
            "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 16_384,
            "vocab_size": 256_000, "hidden_act": "gelu", "rope_theta": 10_000.0}));
        assert_eq!((gemma.activation, gemma.tied()), (MlpActivation::GeluTanh, true));
        assert_eq!(gemma.embedding_scale, Some(2048_f32.sqrt()));
        // Gemma 2 with the caps and the window left to the family.
        let gemma = read(json!({"model_type": "gemma2", "hidden_size": 4608, "num_hidden_layers": 46,
            "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128, "intermediate_size": 36_864,
            "vocab_size": 256_000, "query_pre_attn_scalar": 144}));
        assert_eq!((gemma.attention_softcap, gemma.logit_softcap), (Some(50.0), Some(30.0)));
        assert_eq!((gemma.window(0), gemma.window(1), gemma.attention_scale), (Some(4096), None, 1.0 / 12.0));
        // DeepSeek-R1-Distill-Qwen: a window that is switched off.
        let distilled = read(json!({"model_type": "qwen2", "hidden_size": 1536, "num_hidden_layers": 28,
            "num_attention_heads": 12, "num_key_value_heads": 2, "intermediate_size": 8960, "vocab_size": 151_936,
            "max_position_embeddings": 131_072, "max_window_layers": 21, "rope_theta": 10_000, "sliding_window": 4096,
            "use_sliding_window": false, "tie_word_embeddings": false}));
        assert!(
            distilled.qkv_bias && !distilled.tied() && distilled.layers.iter().all(|l| l.window.is_none())
        );
        // DeepSeek-R1-Distill-Llama is Llama 3.1.
        let distilled = read(json!({"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14_336, "vocab_size": 128_256,
            "attention_bias": false, "mlp_bias": false, "rope_theta": 500_000.0, "rope_scaling": {"factor": 8.0,
            "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
            "rope_type": "llama3"}}));
        assert!(matches!(distilled.rope.scaling, RopeScaling::Llama3 { factor: 8.0, .. }));
        // Qwen3: heads wider than their share of the hidden state.
        let qwen = read(
            json!({"model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 28, "head_dim": 128,
            "num_attention_heads": 16, "num_key_value_heads": 8, "intermediate_size": 3072, "vocab_size": 151_936,
            "attention_bias": false, "rope_theta": 1_000_000, "use_sliding_window": false,
            "sliding_window": null, "tie_word_embeddings": true}),
        );
        assert_eq!((qwen.head_dim, qwen.qkv_bias, qwen.window(0)), (128, false, None));
        // Mistral: with the family's window, and with none from version 0.2 on.
        let mut mistral = json!({"model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14_336, "vocab_size": 32_000});
        assert_eq!(read(mistral.clone()).window(0), Some(4096));
        mistral["sliding_window"] = json!(null);
        assert_eq!(read(mistral).window(0), None);
        // SmolLM3: every fourth layer without rotation, the base left to the family.
        let smol = read(json!({"model_type": "smollm3", "hidden_size": 2048, "num_hidden_layers": 36,
            "num_attention_heads": 16, "num_key_value_heads": 4, "intermediate_size": 11_008, "vocab_size": 128_256,
            "sliding_window": null, "use_sliding_window": false}));
        assert_eq!((smol.rope.theta, smol.tied()), (2_000_000.0, true));
        let unmarked = |layer: usize| smol.layers[layer].positions == Positions::Unmarked;
        assert!((0..36).all(|layer| unmarked(layer) == (layer % 4 == 3)));
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        for (family, key, value, field) in [
            ("gemma3_text", "use_bidirectional_attention", json!(true), "config.use_bidirectional_attention"),
            ("llama", "partial_rotary_factor", json!(0.5), "config.partial_rotary_factor"),
            (
                "llama",
                "rope_parameters",
                json!({"partial_rotary_factor": 0.5}),
                "config.partial_rotary_factor",
            ),
            ("llama", "quantization_config", json!({"quant_method": "awq"}), "config.quantization_config"),
            ("mistral", "layer_types", json!(vec!["full_attention"; 30]), "config.layer_types"),
            ("smollm3", "no_rope_layers", json!([1, 1, 0]), "config.no_rope_layers"),
            ("smollm3", "no_rope_layers", json!(vec![2; 30]), "config.no_rope_layers"),
            ("smollm3", "no_rope_layer_interval", json!(0), "config.no_rope_layer_interval"),
            ("gemma2", "query_pre_attn_scalar", json!(0), "config.query_pre_attn_scalar"),
            ("gemma2", "attn_logit_softcapping", json!(-1.0), "config.attn_logit_softcapping"),
            ("gemma2", "hidden_activation", json!("relu"), "config.hidden_activation"),
            ("gemma3", "hidden_size", json!(24), "config.text_config"),
            ("gemma3n", "hidden_size", json!(24), "config.model_type"),
        ] {
            let mut config = with("model_type", json!(family));
            config[key] = value.clone();
            let error = ModelConfig::from_json(config).unwrap_err();
            assert_eq!(
                (error.class, error.field),
                (ErrorClass::Configuration, field),
                "{family} {key}: {value}"
            );
        }
    }

    proptest! {
        /// Whatever stands in the keys that matter: a model of sizes within the bounds and a kind for each layer, or an
        /// error with a name.
        #[test]
        fn any_file_is_read_or_refused(
            family in prop::sample::select(Architecture::ALL.to_vec()),
            changes in prop::collection::vec((prop::sample::select(KEYS.to_vec()), any_value()), 0..6),
        ) {
            let mut config = with("model_type", json!(family.model_type()));
            for (key, value) in changes {
                config[key] = value;
            }
            match ModelConfig::from_json(config) {
                Ok(config) => {
                    prop_assert_eq!(config.layers.len(), config.num_layers);
                    prop_assert_eq!(config.num_heads % config.num_kv_heads, 0);
                    prop_assert!(config.head_dim % 2 == 0 && config.attention_scale > 0.0);
                    prop_assert!(config.layers.iter().all(|layer| layer.window != Some(0)));
                    prop_assert!(config.attention_softcap.is_none_or(|cap| cap.is_finite() && cap > 0.0));
                }
                Err(error) => {
                    prop_assert_eq!(error.class, ErrorClass::Configuration);
                    prop_assert!(error.field.starts_with("config"), "{}", error);
                }
            }
        }
    }

    const KEYS: [&str; 20] = [
        "model_type",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "use_sliding_window",
        "sliding_window",
        "sliding_window_pattern",
        "max_window_layers",
        "layer_types",
        "no_rope_layers",
        "no_rope_layer_interval",
        "query_pre_attn_scalar",
        "attn_logit_softcapping",
        "final_logit_softcapping",
        "rope_theta",
        "rope_scaling",
        "rope_parameters",
        "text_config",
        "use_bidirectional_attention",
    ];

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (0_u64..9).prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            prop::collection::vec(0_u64..3, 0..40).prop_map(Value::from),
            prop::sample::select(vec!["gemma3", "full_attention", "llama3"]).prop_map(Value::from),
            prop::collection::vec(
                prop::sample::select(vec!["full_attention", "sliding_attention", "other"]),
                0..40
            )
            .prop_map(Value::from),
            (any::<f64>(), 0.0_f64..1.0).prop_map(|(theta, factor)| {
                let part = json!({"rope_theta": theta, "rope_type": "linear", "factor": factor});
                json!({"full_attention": part.clone(), "sliding_attention": part})
            }),
        ]
    }
}
