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

mod encode;
mod header;
mod paged;
mod payload;

pub use encode::{KvVectored, encode, encode_into, encode_vectored};
pub use header::{KV_HEADER_LEN, KvDtype, KvHeader, MAX_LAYERS, payload_bytes};
pub use paged::PageLayout;
pub use payload::{KvLayer, KvPayload};
