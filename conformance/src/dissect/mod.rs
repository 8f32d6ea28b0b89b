//! BYTES → FIELDS: every byte of a message, a KV payload or a zstd frame with the field it belongs to.
//!
//! A dissection never fails and never stops at the first thing that is wrong: it names what it can, collects what a
//! correct decoder must refuse ([`Fault`]) in the order of AVP-HDR-007, and what is merely odd ([`Warning`]). It is
//! bounded in time and memory on any input.

mod content;
mod context;
mod fault;
mod field;
mod findings;
mod hybrid;
mod kv;
mod message;
mod metadata;
mod preview;
mod protobuf;
pub mod render;
#[cfg(test)]
mod tests;
mod zstd_frame;

pub use context::{ContextDissection, Held, context};
pub use fault::{Class, Fault, Stage, Warning};
pub use field::Field;
pub use findings::{Finding, encoder_findings};
pub use hybrid::{Chunk, Hybrid};
pub use kv::{KvDissection, KvHeader, kv};
pub use message::{Dissection, Header, Limits, flag_bits, message, message_within};
pub use metadata::Metadata;
pub use protobuf::{RawField, RawValue};
pub use zstd_frame::{BlockKind, FrameDissection, FrameInfo, zstd_frame};
