//! Tensor names of GGUF in the Hugging Face layout.

use std::fmt::Write;

/// Families of decoder-only models whose GGUF files are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Llama, and what is exported under its name: SmolLM2, Mistral.
    Llama,
    /// SmolLM3.
    SmolLm3,
    /// Qwen2 and Qwen2.5.
    Qwen2,
    /// Qwen3 without experts.
    Qwen3,
    /// Gemma 1.
    Gemma,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, the text part.
    Gemma3,
    /// Phi-3, Phi-3.5 and Phi-4-mini.
    Phi3,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Llama,
        Self::SmolLm3,
        Self::Qwen2,
        Self::Qwen3,
        Self::Gemma,
        Self::Gemma2,
        Self::Gemma3,
        Self::Phi3,
    ];

    /// The value of `general.architecture`, which is also the prefix of the keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::SmolLm3 => "smollm3",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma => "gemma",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3",
            Self::Phi3 => "phi3",
        }
    }

    /// The architecture of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|architecture| architecture.name() == name)
    }

    /// Whether it is one of the Gemma models: norms are stored with one added.
    pub fn is_gemma(self) -> bool {
        matches!(self, Self::Gemma | Self::Gemma2 | Self::Gemma3)
    }

    /// Whether the halves of each head alternate in the rows of queries and keys.
    pub(super) fn alternates_halves(self) -> bool {
        matches!(self, Self::Llama | Self::SmolLm3)
    }

    /// The Hugging Face name of a tensor; `None` for one that has no counterpart there.
    pub(super) fn hugging_face_name(self, name: &str) -> Option<String> {
        match name {
            "token_embd.weight" => return Some("model.embed_tokens.weight".into()),
            "output_norm.weight" => return Some("model.norm.weight".into()),
            "output.weight" => return Some("lm_head.weight".into()),
            _ => {}
        }
        let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
        let (part, kind) = rest.rsplit_once('.')?;
        if layer.is_empty()
            || !layer.bytes().all(|b| b.is_ascii_digit())
            || !matches!(kind, "weight" | "bias")
        {
            return None;
        }
        let part = match (part, self) {
            ("attn_norm", _) => "input_layernorm",
            ("attn_q", _) => "self_attn.q_proj",
            ("attn_k", _) => "self_attn.k_proj",
            ("attn_v", _) => "self_attn.v_proj",
            ("attn_qkv", _) => "self_attn.qkv_proj",
            ("attn_output", _) => "self_attn.o_proj",
            ("attn_q_norm", _) => "self_attn.q_norm",
            ("attn_k_norm", _) => "self_attn.k_norm",
            ("post_attention_norm", _) => "post_attention_layernorm",
            ("ffn_norm", Self::Gemma2 | Self::Gemma3) => "pre_feedforward_layernorm",
            ("ffn_norm", _) => "post_attention_layernorm",
            ("post_ffw_norm", _) => "post_feedforward_layernorm",
            ("ffn_gate", _) => "mlp.gate_proj",
            // Gate and up in one.
            ("ffn_up", Self::Phi3) => "mlp.gate_up_proj",
            ("ffn_up", _) => "mlp.up_proj",
            ("ffn_down", _) => "mlp.down_proj",
            _ => return None,
        };
        let mut out = String::with_capacity(name.len() + 32);
        // Writing to a string cannot fail.
        write!(out, "model.layers.{layer}.{part}.{kind}").ok()?;
        Some(out)
    }
}
