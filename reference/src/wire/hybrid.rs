//! Hybrid payloads of 0.2: latent state and text in one message (AVP-PAY-013, AVP-PAY-014).

use std::{borrow::Cow, ops::Range};

use prost::encoding::{WireType, encode_key, encode_varint};

use super::{
    generated,
    proto::{Field, FieldReader, Value, text},
};
use crate::error::{Error, ErrorClass, Result};

/// What a chunk holds (AVP-ENUM-012).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// UTF-8 text.
    Text,
    /// Tensor bytes.
    Latent,
}

/// One chunk of a hybrid payload.
#[derive(Clone, Debug, PartialEq)]
pub struct HybridChunk<'a> {
    /// What `data` is.
    pub kind: ChunkKind,
    /// Text as UTF-8, or tensor bytes.
    pub data: Cow<'a, [u8]>,
    /// Confidence from 0 to 1.
    pub confidence: f32,
}

impl<'a> HybridChunk<'a> {
    /// A chunk of tensor bytes.
    pub fn latent(data: &'a [u8], confidence: f32) -> Self {
        Self { kind: ChunkKind::Latent, data: Cow::Borrowed(data), confidence }
    }

    /// A chunk of text.
    pub fn text(text: &'a str, confidence: f32) -> Self {
        Self { kind: ChunkKind::Text, data: Cow::Borrowed(text.as_bytes()), confidence }
    }
}

/// Where a chunk of a decoded hybrid payload stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkSpan {
    /// What it holds.
    pub kind: ChunkKind,
    /// Its bytes within the whole payload section after decompression.
    pub range: Range<usize>,
    /// Confidence from 0 to 1.
    pub confidence: f32,
}

/// Most chunks that a hybrid payload may have. Encoders write two; an empty chunk takes two bytes on the wire and twenty
/// times that once decoded, so the count must be bounded.
pub const MAX_HYBRID_CHUNKS: usize = 4096;

/// Protobuf bytes of the chunks, in their order.
///
/// By hand rather than through the generated message: that one would want its own copy of every latent chunk.
pub(super) fn encode(chunks: &[HybridChunk<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in chunks {
        let kind = match chunk.kind {
            ChunkKind::Text => generated::hybrid_chunk::Type::Text,
            ChunkKind::Latent => generated::hybrid_chunk::Type::Latent,
        };
        let mut head = Vec::new();
        if kind as i32 != 0 {
            encode_key(1, WireType::Varint, &mut head);
            encode_varint(kind as u64, &mut head);
        }
        if !chunk.data.is_empty() {
            encode_key(2, WireType::LengthDelimited, &mut head);
            encode_varint(chunk.data.len() as u64, &mut head);
        }
        let mut tail = Vec::new();
        if chunk.confidence != 0.0 {
            encode_key(3, WireType::ThirtyTwoBit, &mut tail);
            tail.extend_from_slice(&chunk.confidence.to_le_bytes());
        }
        encode_key(1, WireType::LengthDelimited, &mut out);
        encode_varint((head.len() + chunk.data.len() + tail.len()) as u64, &mut out);
        out.extend_from_slice(&head);
        out.extend_from_slice(&chunk.data);
        out.extend_from_slice(&tail);
    }
    out
}

/// The chunks of a hybrid payload. `base` is its offset in the message.
///
/// # Errors
/// `decode` for malformed protobuf, an unknown chunk type or text that is not UTF-8; `limit_exceeded` for more than
/// [`MAX_HYBRID_CHUNKS`].
pub(super) fn decode(payload: &[u8], base: usize) -> Result<Vec<ChunkSpan>> {
    let mut chunks = Vec::new();
    let mut reader = FieldReader::new(payload, base, "payload.hybrid");
    while let Some(field) = reader.next()? {
        if let (1, Value::Bytes(bytes, at)) = (field.number, field.value) {
            if chunks.len() == MAX_HYBRID_CHUNKS {
                let expected = format!("at most {MAX_HYBRID_CHUNKS} chunks");
                let error = Error::new(ErrorClass::LimitExceeded, "payload.hybrid", expected, "more");
                return Err(error.at(field.offset));
            }
            chunks.push(chunk(bytes, at, base)?);
        }
    }
    Ok(chunks)
}

fn chunk(bytes: &[u8], at: usize, base: usize) -> Result<ChunkSpan> {
    let (mut kind, mut data, mut data_at, mut confidence) = (ChunkKind::Text, &[][..], at, 0.0);
    let mut reader = FieldReader::new(bytes, at, "payload.hybrid.chunk");
    while let Some(Field { number, offset, value }) = reader.next()? {
        match (number, value) {
            (1, Value::Varint(0)) => kind = ChunkKind::Text,
            (1, Value::Varint(1)) => kind = ChunkKind::Latent,
            (1, Value::Varint(other)) => {
                let expected = "chunk type 0 or 1";
                let error =
                    Error::new(ErrorClass::Decode, "payload.hybrid.chunk_type", expected, other.to_string());
                return Err(error.at(offset));
            }
            (2, Value::Bytes(bytes, offset)) => (data, data_at) = (bytes, offset),
            (3, Value::Fixed32(bits)) => confidence = f32::from_bits(bits),
            _ => {}
        }
    }
    if kind == ChunkKind::Text {
        text(data, data_at, "payload.hybrid.text")?;
    }
    let start = data_at - base;
    Ok(ChunkSpan { kind, range: start..start + data.len(), confidence })
}
