//! How many bytes a transfer takes, from a model's sizes alone (AVP-XFR-004, AVP-XFR-006, AVP-XFR-007, A-057).

use crate::error::{Error, ErrorClass, Result};
use crate::kv::KV_HEADER_LEN;
use crate::session::ModelIdentity;
use crate::wire::{DataType, Metadata, Mode, PayloadType};

/// A model, as far as sizes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModelShape {
    /// Transformer layers.
    pub num_layers: u32,
    /// Key-value heads a layer.
    pub num_kv_heads: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// Width of a hidden state.
    pub hidden_dim: u32,
}

impl ModelShape {
    /// Of an identity.
    ///
    /// # Errors
    /// `configuration` when one of the sizes is not known.
    pub fn of(identity: &ModelIdentity) -> Result<Self> {
        let known = |field, value: u32| match value {
            0 => Err(Error::new(ErrorClass::Configuration, field, "a size", "none")),
            value => Ok(value),
        };
        Ok(Self {
            num_layers: known("config.num_hidden_layers", identity.num_layers)?,
            num_kv_heads: known("config.num_key_value_heads", identity.num_kv_heads)?,
            head_dim: known("config.head_dim", identity.head_dim)?,
            hidden_dim: known("config.hidden_size", identity.hidden_dim)?,
        })
    }
}

/// How state is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferMode {
    /// The whole cache in two-byte floats.
    Full,
    /// The cache in bytes, a 32-bit scale for every head and token.
    Int8,
    /// The cache in half bytes, a 16-bit scale for every 32 of them: keys along tokens, values along the head.
    Int4,
    /// Hidden states in two-byte floats.
    Hidden,
}

/// Codes that share a scale in [`TransferMode::Int4`].
const INT4_GROUP: u64 = 32;
/// The block behind the KV header of a quantised payload.
const QUANT_HEADER_LEN: u64 = 16;

impl TransferMode {
    /// All modes, from the largest payload to the smallest.
    pub const ALL: [Self; 4] = [Self::Full, Self::Int8, Self::Int4, Self::Hidden];

    /// `full`, `int8`, `int4` or `hidden`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Hidden => "hidden",
        }
    }

    /// Bytes of the payload for that many tokens, its inner headers included; `None` when they are 2^64 or more.
    pub fn payload_bytes(self, shape: &ModelShape, tokens: u64) -> Option<u64> {
        let header = match self {
            Self::Full => KV_HEADER_LEN as u64,
            Self::Int8 | Self::Int4 => KV_HEADER_LEN as u64 + QUANT_HEADER_LEN,
            Self::Hidden => 0,
        };
        self.tensor_bytes(shape, tokens)?.checked_add(header)
    }

    /// The same without inner headers: what grows with the tokens.
    pub fn tensor_bytes(self, shape: &ModelShape, tokens: u64) -> Option<u64> {
        let width = u64::from(shape.head_dim);
        let heads = u64::from(shape.num_layers).checked_mul(shape.num_kv_heads.into())?;
        let head_tokens = heads.checked_mul(tokens)?;
        match self {
            Self::Full => head_tokens.checked_mul(2)?.checked_mul(width)?.checked_mul(2),
            Self::Int8 => head_tokens.checked_mul(2)?.checked_mul(width + 4),
            Self::Int4 => {
                let codes = tokens.checked_mul(width)?.div_ceil(2);
                let key_scales = tokens.div_ceil(INT4_GROUP).checked_mul(width)?.checked_mul(2)?;
                let value_scales = width.div_ceil(INT4_GROUP).checked_mul(tokens)?.checked_mul(2)?;
                let head = codes.checked_mul(2)?.checked_add(key_scales)?.checked_add(value_scales)?;
                head.checked_mul(heads)
            }
            Self::Hidden => tokens.checked_mul(shape.hidden_dim.into())?.checked_mul(2),
        }
    }

    /// The mode in which a message carries its state, as the message alone says (AVP-XFR-005, A-048): a cache in floats
    /// or in bytes, or hidden states. `None` for text, and for what is no state.
    pub fn of_message(metadata: &Metadata) -> Option<Self> {
        match (metadata.mode, metadata.payload_type, metadata.dtype) {
            (Mode::Latent, PayloadType::KvCache, DataType::Int8) => Some(Self::Int8),
            (Mode::Latent, PayloadType::KvCache, _) => Some(Self::Full),
            (Mode::Latent, PayloadType::HiddenState, _) => Some(Self::Hidden),
            _ => None,
        }
    }

    /// The mode that suits a connection, in megabits a second: above 1000 the whole cache, from 500 bytes, from 50
    /// hidden states. `None`: too slow for tensors, send text.
    pub fn recommended(megabits: f64) -> Option<Self> {
        match megabits {
            speed if speed > 1000.0 => Some(Self::Full),
            speed if speed >= 500.0 => Some(Self::Int8),
            speed if speed >= 50.0 => Some(Self::Hidden),
            _ => None,
        }
    }
}

/// Sizes of published models, by the name that `avp size --preset` takes.
pub const PRESETS: &[(&str, ModelShape)] = &[
    ("smollm2-135m", ModelShape { num_layers: 30, num_kv_heads: 3, head_dim: 64, hidden_dim: 576 }),
    ("qwen2.5-0.5b", ModelShape { num_layers: 24, num_kv_heads: 2, head_dim: 64, hidden_dim: 896 }),
    ("llama-3.2-3b", ModelShape { num_layers: 28, num_kv_heads: 8, head_dim: 128, hidden_dim: 3072 }),
    ("llama-2-7b", ModelShape { num_layers: 32, num_kv_heads: 32, head_dim: 128, hidden_dim: 4096 }),
    ("mistral-7b", ModelShape { num_layers: 32, num_kv_heads: 8, head_dim: 128, hidden_dim: 4096 }),
    ("qwen2.5-7b", ModelShape { num_layers: 28, num_kv_heads: 4, head_dim: 128, hidden_dim: 3584 }),
    ("qwen2.5-14b", ModelShape { num_layers: 48, num_kv_heads: 8, head_dim: 128, hidden_dim: 5120 }),
    ("llama-3.1-70b", ModelShape { num_layers: 80, num_kv_heads: 8, head_dim: 128, hidden_dim: 8192 }),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn preset(name: &str) -> ModelShape {
        PRESETS.iter().find(|(preset, _)| *preset == name).unwrap().1
    }

    #[test]
    fn bytes_a_token_of_the_requirement() {
        assert_eq!(TransferMode::Full.tensor_bytes(&preset("llama-2-7b"), 1), Some(524_288));
        assert_eq!(TransferMode::Full.tensor_bytes(&preset("qwen2.5-7b"), 1), Some(57_344));
    }

    #[test]
    fn modes_shrink_as_stated() {
        for (name, shape) in PRESETS {
            let bytes = |mode: TransferMode| mode.payload_bytes(shape, 256).unwrap() as f64;
            let full = bytes(TransferMode::Full);
            assert!(full / bytes(TransferMode::Int8) >= 1.88, "{name}");
            assert!(full / bytes(TransferMode::Int4) >= 3.4, "{name}");
            let (kv, hidden) = (2 * shape.num_layers * shape.num_kv_heads * shape.head_dim, shape.hidden_dim);
            assert_eq!(full / bytes(TransferMode::Hidden) >= 16.0, kv >= 16 * hidden, "{name}");
        }
    }

    #[test]
    fn odd_sizes_are_padded() {
        let shape = ModelShape { num_layers: 1, num_kv_heads: 1, head_dim: 3, hidden_dim: 3 };
        // Keys: 3 codes in 2 bytes and 3 scales; values: 3 codes in 2 bytes and 1 scale.
        assert_eq!(TransferMode::Int4.tensor_bytes(&shape, 1), Some(2 + 6 + 2 + 2));
        assert_eq!(TransferMode::Full.tensor_bytes(&shape, u64::MAX), None);
    }

    #[test]
    fn bandwidths_of_the_requirement() {
        let modes = [2000.0, 1000.0, 700.0, 499.0, 300.0, 40.0].map(TransferMode::recommended);
        let expected = [
            Some(TransferMode::Full),
            Some(TransferMode::Int8),
            Some(TransferMode::Int8),
            Some(TransferMode::Hidden),
            Some(TransferMode::Hidden),
            None,
        ];
        assert_eq!(modes, expected);
    }

    #[test]
    fn a_message_says_its_mode() {
        let mode = |payload_type, dtype, mode| {
            TransferMode::of_message(&Metadata { payload_type, dtype, mode, ..Metadata::default() })
        };
        let (cache, hidden) = (PayloadType::KvCache, PayloadType::HiddenState);
        for dtype in [DataType::Float32, DataType::Float16, DataType::BFloat16] {
            assert_eq!(mode(cache, dtype, Mode::Latent), Some(TransferMode::Full));
            assert_eq!(mode(hidden, dtype, Mode::Latent), Some(TransferMode::Hidden));
            assert_eq!(mode(hidden, dtype, Mode::Json), None);
        }
        assert_eq!(mode(cache, DataType::Int8, Mode::Latent), Some(TransferMode::Int8));
        assert_eq!(mode(PayloadType::Embedding, DataType::Float32, Mode::Latent), None);
    }

    #[test]
    fn a_shape_needs_all_sizes() {
        let identity = ModelIdentity { hidden_dim: 8, num_layers: 2, num_kv_heads: 2, ..Default::default() };
        assert_eq!(ModelShape::of(&identity).unwrap_err().field, "config.head_dim");
    }
}
