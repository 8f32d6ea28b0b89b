//! Bytes made by hand: protobuf fields, zstd frames, messages, KV payloads.
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
mod kv;
mod message;
mod number;
mod patch;
mod protobuf;
mod splitmix;
mod xxh64;
mod zstd_frame;

pub use content::{Content, MAX_HELD, TooLarge};
pub use crc32::{Crc32, crc32};
pub use kv::KvPayload;
pub use message::{HEADER_LEN, MAGIC, Message};
pub use number::{Number, NumberError, NumberType, bf16_bits, f16_bits, number_bytes};
pub use patch::{Change, PatchError, Patched};
pub use protobuf::Fields;
pub use splitmix::SplitMix64;
pub use xxh64::xxh64;
pub use zstd_frame::{Blocks, ContentSize, Frame, FrameError, skippable_frame};
