//! METADATA → CONFIGURATION: what config.json says of the same model.

use serde_json::{Value as Json, json};

use super::{Architecture, Gguf, Value};
use crate::{
    error::{Error, ErrorClass, Result},
    weights::{dequantise, element::ElementType},
};

/// Base of rotary embeddings where the file gives none: the value of the first Llama.
const DEFAULT_ROPE_THETA: f64 = 10_000.0;
/// Sliding window of Gemma 2, which its early files leave out.
const GEMMA2_WINDOW: usize = 4096;
/// Caps of Gemma 2 on attention scores and on logits, which its early files leave out.
const GEMMA2_SOFTCAPS: (f64, f64) = (50.0, 30.0);
/// Every how many layers one sees the whole text: Gemma 2, Gemma 3.
const FULL_ATTENTION: (usize, usize) = (2, 6);
/// Every how many layers one of SmolLM3 does not turn keys and queries.
const UNROTATED: usize = 4;
/// Most layers, so that no list of one entry a layer grows beyond the file. Published models have some hundred.
const MAX_LAYERS: usize = 4096;
/// Most divisors of frequencies, half of a head's dimensions. Published heads have 256 at most.
const MAX_FACTORS: usize = 4096;

impl Gguf {
    /// The configuration in the form of a Hugging Face config.json.
    ///
    /// What is not in the file but in every checkpoint of the family is filled in (activation, patterns of layers).
    /// Llama 3's scaling of rotary embeddings is not here: such files carry its outcome, divisors of the frequencies, as
    /// tensor `rope_freqs.weight`.
    ///
    /// # Errors
    /// `decode` for an architecture that is not supported, mixtures of experts, and missing or mistyped keys.
    pub fn config_json(&self) -> Result<Json> {
        let architecture = self.architecture()?;
        if let Some(experts) = self.of_architecture("expert_count")?
            && experts > 0
        {
            let found = format!("{experts} experts");
            return Err(Error::new(
                ErrorClass::Decode,
                "gguf.architecture",
                "a model without experts",
                found,
            ));
        }
        let (model_type, class) = match architecture {
            Architecture::Llama => ("llama", "LlamaForCausalLM"),
            Architecture::SmolLm3 => ("smollm3", "SmolLM3ForCausalLM"),
            Architecture::Qwen2 => ("qwen2", "Qwen2ForCausalLM"),
            Architecture::Qwen3 => ("qwen3", "Qwen3ForCausalLM"),
            Architecture::Gemma => ("gemma", "GemmaForCausalLM"),
            Architecture::Gemma2 => ("gemma2", "Gemma2ForCausalLM"),
            Architecture::Gemma3 => ("gemma3_text", "Gemma3ForCausalLM"),
            Architecture::Phi3 => ("phi3", "Phi3ForCausalLM"),
        };
        let hidden = self.needed("embedding_length")?;
        let layers = self.needed("block_count")?;
        if layers > MAX_LAYERS {
            let expected = format!("at most {MAX_LAYERS} layers");
            return Err(Error::new(ErrorClass::LimitExceeded, "gguf.config", expected, layers.to_string()));
        }
        let (heads, kv_heads) = self.heads()?;
        let head_dim = self.head_dim(hidden, heads)?;
        let bias = |part: &str| self.tensor(&format!("blk.0.{part}.bias")).is_some();
        let mut config = json!({
            "model_type": model_type,
            "architectures": [class],
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "head_dim": head_dim,
            "intermediate_size": self.needed("feed_forward_length")?,
            "vocab_size": self.vocab_size()?,
            "hidden_act": if architecture.is_gemma() { "gelu_pytorch_tanh" } else { "silu" },
            "rms_norm_eps": self.needed_float("attention.layer_norm_rms_epsilon")?,
            "rope_theta": self.float("rope.freq_base")?.unwrap_or(DEFAULT_ROPE_THETA),
            "rope_scaling": self.rope_scaling(architecture)?,
            "max_position_embeddings": self.needed("context_length")?,
            "tie_word_embeddings": self.tensor("output.weight").is_none(),
            "attention_bias": bias("attn_q") || bias("attn_qkv"),
            "mlp_bias": bias("ffn_up"),
            "sliding_window": self.of_architecture("attention.sliding_window")?.filter(|&window| window > 0),
            "attn_logit_softcapping": self.float("attn_logit_softcapping")?,
            "final_logit_softcapping": self.float("final_logit_softcapping")?,
            "bos_token_id": self.metadata.count("tokenizer.ggml.bos_token_id")?,
            "eos_token_id": self.metadata.count("tokenizer.ggml.eos_token_id")?,
        });
        if let Some(original) = self.of_architecture("rope.scaling.original_context_length")? {
            config["original_max_position_embeddings"] = original.into();
        }
        if let Some(rotated) = self.of_architecture("rope.dimension_count")?
            && rotated != head_dim
        {
            config["partial_rotary_factor"] = (rotated as f64 / head_dim as f64).into();
        }
        if architecture == Architecture::SmolLm3 {
            config["no_rope_layer_interval"] = UNROTATED.into();
        }
        if architecture.is_gemma() {
            config["hidden_activation"] = config["hidden_act"].clone();
        }
        if matches!(architecture, Architecture::Gemma2 | Architecture::Gemma3) {
            self.complete_gemma(architecture, &mut config, layers, (hidden, heads, head_dim))?;
        }
        Ok(config)
    }

    fn complete_gemma(
        &self,
        architecture: Architecture,
        config: &mut Json,
        layers: usize,
        (hidden, heads, head_dim): (usize, usize, usize),
    ) -> Result<()> {
        let gemma2 = architecture == Architecture::Gemma2;
        // The largest of either family, known by its depth, scales scores by hidden size a head; the others by head_dim.
        let largest = if gemma2 { 46 } else { 62 };
        config["query_pre_attn_scalar"] = if layers == largest { hidden / heads } else { head_dim }.into();
        let period = match (gemma2, config["sliding_window"].is_null()) {
            (true, _) => FULL_ATTENTION.0,
            (false, false) => FULL_ATTENTION.1,
            // No window: every layer sees, and turns, as those without one.
            (false, true) => 1,
        };
        let kind =
            |i: usize| if (i + 1).is_multiple_of(period) { "full_attention" } else { "sliding_attention" };
        config["layer_types"] = (0..layers).map(kind).collect();
        if gemma2 {
            let or = |value: &mut Json, default: Json| {
                if value.is_null() {
                    *value = default;
                }
            };
            or(&mut config["sliding_window"], GEMMA2_WINDOW.into());
            or(&mut config["attn_logit_softcapping"], GEMMA2_SOFTCAPS.0.into());
            or(&mut config["final_logit_softcapping"], GEMMA2_SOFTCAPS.1.into());
        } else {
            config["rope_local_base_freq"] =
                self.float("rope.freq_base_swa")?.unwrap_or(DEFAULT_ROPE_THETA).into();
        }
        Ok(())
    }

    /// Attention heads and key/value heads.
    pub(super) fn heads(&self) -> Result<(usize, usize)> {
        let heads = self.needed("attention.head_count")?;
        Ok((heads, self.of_architecture("attention.head_count_kv")?.unwrap_or(heads)))
    }

    fn head_dim(&self, hidden: usize, heads: usize) -> Result<usize> {
        let key = self.of_architecture("attention.key_length")?;
        let value = self.of_architecture("attention.value_length")?;
        let wrong = |expected: &str, found| Error::new(ErrorClass::Decode, "gguf.config", expected, found);
        match (key, value) {
            (Some(key), Some(value)) if key != value => {
                Err(wrong("keys and values of one length", format!("{key} and {value}")))
            }
            (Some(key), _) => Ok(key),
            (None, _) if heads > 0 && hidden.is_multiple_of(heads) => Ok(hidden / heads),
            _ => {
                Err(wrong("heads that divide the hidden size", format!("{heads} heads, {hidden} dimensions")))
            }
        }
    }

    /// Rows of the embedding; where there is no tensor, what the metadata says.
    fn vocab_size(&self) -> Result<usize> {
        if let Some(embedding) = self.tensor("token_embd.weight") {
            return Ok(embedding.info.rows());
        }
        if let Some(size) = self.of_architecture("vocab_size")? {
            return Ok(size);
        }
        let tokens = self.metadata.get("tokenizer.ggml.tokens").and_then(Value::as_array);
        tokens.map(|tokens| tokens.len()).ok_or_else(|| self.missing("vocab_size"))
    }

    fn rope_scaling(&self, architecture: Architecture) -> Result<Json> {
        if architecture == Architecture::Phi3
            && let (Some(long), Some(short)) =
                (self.factors("rope_factors_long.weight")?, self.factors("rope_factors_short.weight")?)
        {
            return Ok(json!({ "rope_type": "longrope", "long_factor": long, "short_factor": short }));
        }
        let key = self.key("rope.scaling.type")?;
        let kind = self.metadata.text(&key)?;
        let factor = self.float("rope.scaling.factor")?.or(self.float("rope.scale_linear")?);
        Ok(match (kind, factor) {
            (None | Some("linear"), Some(factor)) if factor != 1.0 => {
                json!({ "rope_type": "linear", "factor": factor })
            }
            (Some("yarn"), Some(factor)) => {
                // Where it stands it multiplies the factor that YaRN prescribes, which no config.json can say.
                if let Some(attention) = self.float("rope.scaling.attn_factor")?
                    && attention != 1.0
                {
                    let expected = "no attn_factor beside YaRN";
                    return Err(Error::new(
                        ErrorClass::Decode,
                        "gguf.config",
                        expected,
                        attention.to_string(),
                    ));
                }
                let mut scaling = json!({ "rope_type": "yarn", "factor": factor });
                for (ours, theirs) in [
                    ("rope.scaling.original_context_length", "original_max_position_embeddings"),
                    ("rope.scaling.yarn_beta_fast", "beta_fast"),
                    ("rope.scaling.yarn_beta_slow", "beta_slow"),
                ] {
                    if let Some(value) = self.metadata.get(&self.key(ours)?) {
                        scaling[theirs] = value.as_u64().map_or_else(|| value.as_f64().into(), Json::from);
                    }
                }
                scaling
            }
            (None | Some("none" | "linear"), _) => Json::Null,
            (Some(kind), _) => {
                let found = crate::error::excerpt(kind);
                return Err(Error::new(
                    ErrorClass::Decode,
                    "gguf.config",
                    "none, linear, yarn with a factor",
                    found,
                ));
            }
        })
    }

    /// Divisors of the frequencies, one for each pair of rotated dimensions.
    fn factors(&self, name: &str) -> Result<Option<Vec<f32>>> {
        let Some(tensor) = self.tensor(name) else { return Ok(None) };
        let len = tensor.info.len();
        if tensor.info.element != ElementType::F32 || len > MAX_FACTORS {
            let expected = format!("at most {MAX_FACTORS} numbers of F32 in {name}");
            let found = format!("{len} of {}", tensor.info.element);
            return Err(Error::new(ErrorClass::Decode, "gguf.config", expected, found));
        }
        let mut values = vec![0.0; len];
        dequantise::decode(tensor.info.element, &self.bytes[tensor.range.clone()], &mut values);
        Ok(Some(values))
    }

    /// A key of the architecture's own.
    fn key(&self, suffix: &str) -> Result<String> {
        Ok(format!("{}.{suffix}", self.architecture()?.name()))
    }

    /// A whole number, or a list of one a layer when they are all the same.
    fn of_architecture(&self, suffix: &str) -> Result<Option<usize>> {
        let number = |value: Value<'_>| usize::try_from(value.as_u64()?).ok();
        self.metadata.typed(&self.key(suffix)?, "a whole number, the same in every layer,", |value| {
            let Some(array) = value.as_array() else { return number(value) };
            let first = number(array.iter().next()?)?;
            array.iter().all(|value| number(value) == Some(first)).then_some(first)
        })
    }

    fn needed(&self, suffix: &str) -> Result<usize> {
        self.of_architecture(suffix)?.ok_or_else(|| self.missing(suffix))
    }

    fn float(&self, suffix: &str) -> Result<Option<f64>> {
        self.metadata.float(&self.key(suffix)?)
    }

    fn needed_float(&self, suffix: &str) -> Result<f64> {
        self.float(suffix)?.ok_or_else(|| self.missing(suffix))
    }

    fn missing(&self, suffix: &str) -> Error {
        let key = self.key(suffix).unwrap_or_else(|_| suffix.to_owned());
        Error::new(ErrorClass::Decode, "gguf.config", format!("a value for `{key}`"), "none")
    }
}
