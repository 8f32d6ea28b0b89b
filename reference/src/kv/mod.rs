//! The KV payload: a 17-byte header and every layer's keys and values, contiguous.
//!
//! ```text
//! 0            4              8          12        16      17
//! | num_layers | num_kv_heads | head_dim | seq_len | dtype | K0 | V0 | K1 | V1 | …
//!   u32 LE       u32 LE         u32 LE     u32 LE    u8      each [num_kv_heads, seq_len, head_dim], row-major
//! ```
//!
//! Tensors are borrowed both ways: reading hands out slices of the payload, writing takes slices of the cache and
//! copies each once. Values are never converted (AVP-KV-005).
//!
//! From a cache to a message in one pass over its bytes, and back without a copy:
//!
//! ```
//! use avp::{
//!     kv::{self, KvLayer, KvPayload},
//!     tensor::TensorView,
//!     wire::{DataType, Decoder, Encoder, Metadata, PayloadType},
//! };
//!
//! // One layer, 2 heads, 3 tokens, 4 elements a head, as float16.
//! let (keys, values) = ([0x3c; 48], [0x40; 48]);
//! let tensor = |bytes| TensorView::new(DataType::Float16, &[2, 3, 4], bytes);
//! let cache = kv::encode_vectored(&[KvLayer { k: tensor(&keys)?, v: tensor(&values)? }])?;
//!
//! let metadata = Metadata {
//!     payload_type: PayloadType::KvCache,
//!     dtype: DataType::Float16,
//!     num_layers: 1,
//!     ..Metadata::default()
//! };
//! let mut bytes = Vec::new();
//! Encoder::new().encode_pieces_into(&metadata, &cache.pieces(), &mut bytes)?;
//!
//! let message = Decoder::new().decode(&bytes)?;
//! let payload = KvPayload::parse(&message.payload)?;
//! assert_eq!(payload.header().seq_len, 3);
//! assert_eq!(payload.layer(0).expect("a layer").v.bytes(), values);
//! # Ok::<(), avp::Error>(())
//! ```

mod encode;
mod header;
mod paged;
mod payload;

pub use encode::{KvVectored, encode, encode_into, encode_vectored};
pub use header::{KV_HEADER_LEN, KvDtype, KvHeader, MAX_LAYERS, payload_bytes};
pub use paged::PageLayout;
pub use payload::{KvLayer, KvPayload};
