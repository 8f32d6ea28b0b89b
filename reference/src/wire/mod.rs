//! BYTES ⇄ MESSAGE, borrowed and bounded.
//!
//! ```text
//! 0        2    3     4                8                 12              12+m             12+n
//! | "AV"   | 1  |flags| payload_length | metadata_length | metadata (m)  | payload section |
//!                       u32 LE, = n      u32 LE, = m       protobuf        raw or one zstd frame
//! ```
//!
//! [`Decoder`] reads a message from memory, [`StreamDecoder`] from pieces, [`Encoder`] writes one. An uncompressed
//! payload is never copied in decoding. Every length is checked before anything is allocated for it; the bounds are
//! [`Limits`].

mod checksum;
mod compress;
mod decoder;
mod diagnostic;
mod dialect;
mod encoder;
mod enums;
mod frame;
/// Messages of `proto/avp.proto` as prost makes them; never edited, see `tests/generated.rs`.
// The messages of hybrid payloads are there to be checked against: `hybrid.rs` writes them without a copy.
#[allow(missing_docs, unreachable_pub, unused_qualifications, dead_code, clippy::all, clippy::use_self)]
#[rustfmt::skip]
pub(crate) mod generated;
mod head;
mod header;
mod hybrid;
mod limits;
mod message;
mod metadata;
pub(crate) mod proto;
mod stream;

pub use checksum::crc32;
#[cfg(feature = "model")]
pub(crate) use checksum::crc32_more;
pub use compress::{Compression, inflated_bound};
#[cfg(feature = "model")]
pub(crate) use decoder::PayloadSum;
pub use decoder::{Decoder, decode};
pub use diagnostic::{Diagnostic, DiagnosticCode};
pub use dialect::{Dialect, DialectChoice};
pub use encoder::{Encoder, Vectored};
pub use enums::{DataType, Mode, PayloadType};
pub use head::Head;
pub use header::{Flags, HEADER_LEN, Header, MAGIC, MAX_BODY_LEN, VERSION};
pub use hybrid::{ChunkKind, ChunkSpan, HybridChunk, MAX_HYBRID_CHUNKS};
pub use limits::{
    DEFAULT_MAX_MESSAGE, DEFAULT_MAX_METADATA, DEFAULT_MAX_PAYLOAD, DEFAULT_MAX_WINDOW_LOG, Limits,
    UNAUTHENTICATED_MAX_MESSAGE,
};
pub use message::Message;
pub use metadata::Metadata;
pub use stream::{Gathered, StreamDecoder};
