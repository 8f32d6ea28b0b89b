//! The HYBRID payload of dialect 0.2: a protobuf message of chunks.

use std::ops::Range;

use super::field::{Field, Fields};
use super::preview;
use super::protobuf::{self, RawValue};

/// Most chunks that are kept; the last of each kind is what counts (AVP-PAY-014).
const MAX_CHUNKS: usize = 4096;

/// One chunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// 0 text, 1 latent.
    pub kind: i32,
    /// Where its bytes are in the uncompressed payload.
    pub data: Range<usize>,
    /// Field 3.
    pub confidence: f32,
}

/// A hybrid payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Hybrid {
    /// Its chunks, in order.
    pub chunks: Vec<Chunk>,
}

impl Hybrid {
    /// Where the latent bytes are: those of the last latent chunk.
    pub fn latent(&self) -> Option<Range<usize>> {
        self.chunks.iter().rev().find(|c| c.kind == 1).map(|c| c.data.clone())
    }

    /// Where the text is: that of the last text chunk.
    pub fn text(&self) -> Option<Range<usize>> {
        self.chunks.iter().rev().find(|c| c.kind == 0).map(|c| c.data.clone())
    }
}

/// Reads a hybrid payload. `None` when it can't be parsed; a decoder then hands the bytes over as they are.
pub(super) fn read(payload: &[u8]) -> Option<(Hybrid, Vec<Field>)> {
    let mut fields = Fields::default();
    let mut chunks = Vec::new();
    let mut whole = true;
    let ended = protobuf::walk(payload, &mut Vec::new(), |raw| {
        let RawValue::Len(content) = raw.value else {
            fields.push(raw.range, 0, format!("{} unknown", raw.number), "skipped");
            return;
        };
        if raw.number != 1 {
            fields.push(raw.range, 0, format!("{} unknown", raw.number), "skipped");
            return;
        }
        fields.push(raw.range.clone(), 0, "1 chunk", format!("{} bytes", content.len()));
        fields.push(raw.range.start..content.start, 1, "tag, length", content.len().to_string());
        match chunk(payload, content, &mut fields) {
            Some(chunk) if chunks.len() < MAX_CHUNKS => chunks.push(chunk),
            Some(_) => {}
            None => whole = false,
        }
    });
    (ended.is_ok() && whole).then(|| (Hybrid { chunks }, fields.finish(payload.len())))
}

fn chunk(payload: &[u8], content: Range<usize>, fields: &mut Fields) -> Option<Chunk> {
    let mut chunk = Chunk { kind: 0, data: content.start..content.start, confidence: 0.0 };
    let base = content.start;
    let ended = protobuf::walk(&payload[content], &mut Vec::new(), |raw| {
        let range = raw.range.start + base..raw.range.end + base;
        let (name, value) = match (raw.number, raw.value) {
            (1, RawValue::Varint(v)) => {
                chunk.kind = (v as u32).cast_signed();
                let kind = ["TEXT_CHUNK", "LATENT_CHUNK"].get(v as usize).copied().unwrap_or("no such value");
                ("1 chunk_type".to_owned(), format!("{v} {kind}"))
            }
            (2, RawValue::Len(at)) => {
                chunk.data = at.start + base..at.end + base;
                let bytes = &payload[chunk.data.clone()];
                let shown = std::str::from_utf8(bytes)
                    .map_or_else(|_| format!("{} bytes", bytes.len()), preview::text);
                ("2 data".to_owned(), shown)
            }
            (3, RawValue::Fixed32(bits)) => {
                chunk.confidence = f32::from_bits(bits);
                ("3 confidence".to_owned(), chunk.confidence.to_string())
            }
            (number, _) => (format!("{number} unknown"), "skipped".to_owned()),
        };
        fields.push(range, 1, name, value);
    });
    ended.ok().map(|()| chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_and_their_ranges() {
        let payload = [
            0x0a, 0x0d, 0x08, 1, 0x12, 4, 1, 2, 3, 4, 0x1d, 0, 0, 0, 0x3f, // latent, 0.5
            0x0a, 0x09, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3e, // text, 0.25
        ];
        let (hybrid, fields) = read(&payload).unwrap();
        assert_eq!(hybrid.latent(), Some(6..10));
        assert_eq!(hybrid.text(), Some(19..21));
        assert_eq!(hybrid.chunks[1].confidence, 0.25);
        assert_eq!(fields.last().unwrap().end, payload.len());
        assert!(read(&[0xff]).is_none());
        assert!(read(&[0x0a, 1, 0xff]).is_none());
        assert_eq!(read(&[]).unwrap().0.chunks.len(), 0);
    }
}
