//! Families of models, and what each leaves unsaid in its config.json.

use serde_json::{Value, json};

use super::config::refused;
use crate::error::{Result, excerpt};

/// Families of models that differ in their blocks or in what a config.json leaves unsaid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Architecture {
    /// Llama 1 to 3.3, SmolLM2, DeepSeek-R1-Distill-Llama and whatever exports as `llama`.
    Llama,
    /// Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen: biases on queries, keys and values.
    Qwen2,
    /// Qwen3 without experts: norms on the heads of queries and keys.
    Qwen3,
    /// Mistral: a sliding window in every layer.
    Mistral,
    /// SmolLM3: layers without rotation.
    SmolLm3,
    /// Gemma 1: scaled embeddings, norms around one.
    Gemma,
    /// Gemma 2: norms behind attention and MLP as well, capped scores, a window in every other layer.
    Gemma2,
    /// Gemma 3, the text part: as Gemma 2, with norms on the heads of queries and keys instead of caps, and a base of
    /// frequencies of their own in the layers with a window.
    Gemma3,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 8] = [
        Self::Llama,
        Self::Qwen2,
        Self::Qwen3,
        Self::Mistral,
        Self::SmolLm3,
        Self::Gemma,
        Self::Gemma2,
        Self::Gemma3,
    ];

    /// The name in config.json (`model_type`).
    #[must_use]
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Mistral => "mistral",
            Self::SmolLm3 => "smollm3",
            Self::Gemma => "gemma",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
        }
    }

    pub(super) fn from_model_type(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|known| known.model_type() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|known| known.model_type()).collect();
            let expected = format!("an architecture that this runtime knows ({})", known.join(", "));
            refused("config.model_type", expected, excerpt(name))
        })
    }

    /// Whether it is one of the Gemma models: norms around one, embeddings scaled by the root of their width.
    #[must_use]
    pub fn is_gemma(self) -> bool {
        matches!(self, Self::Gemma | Self::Gemma2 | Self::Gemma3)
    }

    /// Whether attention and MLP have a norm behind them too.
    #[must_use]
    pub fn has_post_norms(self) -> bool {
        matches!(self, Self::Gemma2 | Self::Gemma3)
    }

    /// Whether each head of queries and keys is normed.
    #[must_use]
    pub fn has_head_norms(self) -> bool {
        matches!(self, Self::Qwen3 | Self::Gemma3)
    }

    /// What a key stands at where the file does not have it: files leave out what transformers takes for granted in the
    /// family. Keys that are there, also as null, are not touched.
    pub(super) fn defaults(self) -> Value {
        match self {
            Self::Llama => json!({"max_position_embeddings": 2048}),
            Self::Qwen2 => json!({"max_position_embeddings": 32_768, "max_window_layers": 28}),
            Self::Qwen3 => {
                json!({"max_position_embeddings": 32_768, "head_dim": 128, "max_window_layers": 28})
            }
            Self::Mistral => json!({"max_position_embeddings": 131_072, "num_key_value_heads": 8,
                "sliding_window": 4096}),
            Self::SmolLm3 => json!({"max_position_embeddings": 32_768, "num_key_value_heads": 4,
                "rope_theta": 2_000_000.0, "tie_word_embeddings": true, "no_rope_layer_interval": 4}),
            Self::Gemma => {
                json!({"max_position_embeddings": 8192, "num_key_value_heads": 16, "head_dim": 256,
                "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": true, "bos_token_id": 2,
                "eos_token_id": 1})
            }
            Self::Gemma2 => {
                json!({"max_position_embeddings": 8192, "num_key_value_heads": 4, "head_dim": 256,
                "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": true, "bos_token_id": 2,
                "eos_token_id": 1, "query_pre_attn_scalar": 256, "sliding_window": 4096,
                "sliding_window_pattern": 2, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0})
            }
            // Published files of the larger ones name four sizes and leave the rest to the class.
            Self::Gemma3 => json!({"max_position_embeddings": 131_072, "num_attention_heads": 8,
                "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262_208, "hidden_size": 2304,
                "intermediate_size": 9216, "num_hidden_layers": 26, "hidden_activation": "gelu_pytorch_tanh",
                "tie_word_embeddings": true, "bos_token_id": 2, "eos_token_id": 1, "query_pre_attn_scalar": 256,
                "sliding_window": 4096, "sliding_window_pattern": 6, "rope_theta": 1_000_000.0,
                "rope_local_base_freq": 10_000.0}),
        }
    }
}
