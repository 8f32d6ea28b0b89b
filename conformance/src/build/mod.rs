//! Bytes made by hand: protobuf fields, zstd frames, messages, KV payloads, weights of tiny models.
//!
//! Nothing in here calls a codec library. The bytes of a golden vector must not change when a dependency does, and most
//! of what is built here is wrong on purpose, which no library offers.
//!
//! ```
//! use avp_conformance::build::{Fields, Message};
//!
//! let mut metadata = Fields::new();
//! metadata.varint(5, 2).packed(9, &[2]);
//! let mut message = Message::default();
//! message.metadata = metadata.into_bytes();
//! message.payload = [1.0f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
//! let bytes = message.to_bytes();
//! assert_eq!(bytes[..12], *b"AV\x01\x00\x0d\0\0\0\x05\0\0\0");
//! ```

mod content;
mod crc32;
mod extended_kv;
mod kv;
mod message;
mod number;
mod patch;
mod protobuf;
mod safetensors;
mod splitmix;
mod tiny_model;
mod xxh64;
mod zstd_frame;

pub use content::{Content, MAX_HELD, TooLarge};
pub use crc32::{Crc32, crc32};
pub use extended_kv::{Cache, CodeBits};
pub use kv::KvPayload;
pub use message::{HEADER_LEN, MAGIC, Message};
pub use number::{Number, NumberError, NumberType, bf16_bits, f16_bits, number_bytes};
pub use patch::{Change, PatchError, Patched};
pub use protobuf::Fields;
pub use safetensors::{WeightTensor, safetensors};
pub use splitmix::SplitMix64;
pub use tiny_model::{TinyFamily, TinyModel, TinyShape};
pub use xxh64::xxh64;
pub use zstd_frame::{Blocks, ContentSize, Frame, FrameError, skippable_frame};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::case::Spec;
    use crate::dissect;

    proptest! {
        /// What is built here is read back by the dissector, which shares no code with it.
        #[test]
        fn messages_read_back(
            session in "\\PC{0,20}", hidden_dim: u32, shape in prop::collection::vec(any::<u32>(), 0..5),
            extra in prop::collection::btree_map("[a-z]{1,8}", "\\PC{0,8}", 0..4),
            payload in prop::collection::vec(any::<u8>(), 0..600), compressed: bool, block in 1u64..300,
        ) {
            let mut metadata = Fields::new();
            metadata.string(1, &session).varint(5, hidden_dim.into());
            metadata.packed(9, &shape.iter().map(|dim| u64::from(*dim)).collect::<Vec<_>>());
            if compressed {
                metadata.string(11, "zstd");
            }
            for (key, value) in &extra {
                metadata.entry(14, Some(key), Some(value));
            }
            metadata.varint(15, crc32(&payload).into());
            let mut message =
                Message { metadata: metadata.into_bytes(), payload: payload.clone(), ..Message::default() };
            if compressed {
                let frame = Frame { block: Some(block), checksum: true, ..Frame::new(payload.clone().into()) };
                message.flags = 1;
                message.payload = frame.to_bytes().unwrap();
            }

            let bytes = message.to_bytes();
            let dissection = dissect::message(&bytes, Spec::V04);
            prop_assert_eq!(&dissection.faults, &[]);
            prop_assert_eq!(dissection.payload.as_deref(), Some(&payload[..]));
            let read = dissection.metadata_json().unwrap();
            prop_assert_eq!(&read["session_id"], &json!(session));
            prop_assert_eq!(&read["hidden_dim"], &json!(hidden_dim));
            prop_assert_eq!(&read["tensor_shape"], &json!(shape));
            prop_assert_eq!(&read["extra"], &json!(extra));
            prop_assert_eq!(&read["payload_checksum"], &json!(crc32(&payload)));
        }

        #[test]
        fn kv_payloads_read_back(
            layers in 0u32..4, heads in 0u32..4, dim in 0u32..4, tokens in 0u32..4, dtype in 0u8..3, missing in 0usize..3,
        ) {
            let size = [4, 2, 2][usize::from(dtype)];
            let len = 2 * layers as usize * heads as usize * dim as usize * tokens as usize * size;
            let (num_layers, num_kv_heads, head_dim, seq_len) = (layers, heads, dim, tokens);
            let data = vec![7; len.saturating_sub(missing)];
            let cut = data.len() < len;
            let built = KvPayload { num_layers, num_kv_heads, head_dim, seq_len, dtype, data };
            let dissection = dissect::kv(&built.to_bytes());
            prop_assert_eq!(!dissection.faults.is_empty(), cut);
            let header = dissection.header.unwrap();
            prop_assert_eq!(
                (header.num_layers, header.num_kv_heads, header.head_dim, header.seq_len, header.dtype_byte),
                (num_layers, num_kv_heads, head_dim, seq_len, dtype)
            );
        }
    }
}
