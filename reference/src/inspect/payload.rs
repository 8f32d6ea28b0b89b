//! Names for the bytes of a payload section.

use super::{Section, Spans, Warning, warning};
use crate::error::Error;
use crate::kv::{KV_HEADER_LEN, KvHeader, KvPayload, MAX_LAYERS};
use crate::wire::{ChunkKind, Message, Metadata, Mode, PayloadType};

/// What was found in a payload.
#[derive(Default)]
pub(super) struct Found {
    pub(super) warnings: Vec<Warning>,
    pub(super) fault: Option<Error>,
}

/// Names the bytes of `input` up to `end`. Without a decoded message nothing tells what the payload is.
pub(super) fn walk(input: &[u8], end: usize, message: Option<&Message<'_>>, spans: &mut Spans) -> Found {
    let Some(message) = message else {
        spans.push(end, Section::Payload, "payload", "");
        return Found::default();
    };
    let (start, metadata) = (spans.at(), &message.metadata);
    let is_cache = metadata.payload_type == PayloadType::KvCache && metadata.mode == Mode::Latent;
    if message.flags().compressed() {
        let value = format!("zstd frame of {} bytes of payload", message.payload.len());
        spans.push(end, Section::Payload, "payload", value);
        // Offsets inside the inflated payload say nothing about the input.
        return if is_cache { judge_cache(&message.payload, metadata, None) } else { Found::default() };
    }
    if !message.chunks.is_empty() {
        for (index, chunk) in message.chunks.iter().enumerate() {
            spans.push(start + chunk.range.start, Section::Payload, "payload.hybrid", "framing");
            let (name, value) = match chunk.kind {
                ChunkKind::Text => ("text", format!("{} bytes", chunk.range.len())),
                ChunkKind::Latent => ("latent", tensor(metadata, chunk.range.len())),
            };
            let field = format!("payload.hybrid.chunk {index}.{name}");
            spans.push(start + chunk.range.end, Section::Payload, field, value);
        }
        spans.push(end, Section::Payload, "payload.hybrid", "framing");
        return Found::default();
    }
    if is_cache {
        cache(input, end, spans);
        return judge_cache(&message.payload, metadata, Some(start));
    }
    spans.push(end, Section::Payload, "payload", tensor(metadata, end - start));
    Found::default()
}

fn tensor(metadata: &Metadata, len: usize) -> String {
    match metadata.mode {
        Mode::Json => format!("{len} bytes"),
        _ if metadata.tensor_shape.is_empty() => format!("{len} bytes of {}", metadata.dtype.as_str()),
        _ => format!("{len} bytes of {} {:?}", metadata.dtype.as_str(), metadata.tensor_shape),
    }
}

/// The verdict on a KV payload, with offsets moved to where it stands in the input.
fn judge_cache(payload: &[u8], metadata: &Metadata, start: Option<usize>) -> Found {
    let place = |mut error: Error| {
        if let (Some(start), true) = (start, error.field.starts_with("kv.")) {
            error.offset = error.offset.map(|offset| offset + start as u64);
        } else {
            error.offset = None;
        }
        error
    };
    match KvPayload::parse(payload) {
        Ok(parsed) => {
            let placed = |mut warning: Warning| {
                warning.error = place(warning.error);
                warning
            };
            let warnings = parsed.diagnose(metadata).iter().map(|found| placed(warning(found))).collect();
            Found { warnings, fault: None }
        }
        Err(error) => Found { warnings: Vec::new(), fault: Some(place(error)) },
    }
}

fn cache(input: &[u8], end: usize, spans: &mut Spans) {
    let start = spans.at();
    let payload = &input[start..end];
    let byte = |at: usize| payload.get(at).copied().unwrap_or_default();
    let word = |at: usize| u32::from_le_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)]);
    let dtype = match byte(16) {
        0 => "float32".to_owned(),
        1 => "float16".to_owned(),
        2 => "bfloat16".to_owned(),
        code => format!("{code}, which is no element type"),
    };
    let fields = [
        (4, "num_layers", word(0).to_string()),
        (8, "num_kv_heads", word(4).to_string()),
        (12, "head_dim", word(8).to_string()),
        (16, "seq_len", word(12).to_string()),
        (KV_HEADER_LEN, "dtype", dtype),
    ];
    for (field_end, name, value) in fields {
        let value = if field_end <= payload.len() { value } else { "cut short".to_owned() };
        spans.push((start + field_end).min(end), Section::KvHeader, format!("kv.{name}"), value);
    }
    if let Ok(header) = KvHeader::parse(payload)
        && let Some(size) = header.tensor_bytes().and_then(|size| usize::try_from(size).ok())
        && size > 0
    {
        let [heads, tokens, width] = header.tensor_shape();
        let tensors =
            (0..header.num_layers.min(MAX_LAYERS)).flat_map(|layer| [(layer, "keys"), (layer, "values")]);
        for (layer, name) in tensors {
            let tensor_end = spans.at().saturating_add(size);
            let shape = format!("[{heads}, {tokens}, {width}]");
            let value = if tensor_end <= end { shape } else { format!("{shape}, cut short") };
            spans.push(tensor_end.min(end), Section::Payload, format!("kv.layer {layer}.{name}"), value);
        }
    }
    spans.push(end, Section::Rest, "kv.rest", "behind the last tensor");
}
