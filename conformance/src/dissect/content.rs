//! What the uncompressed payload holds: a hybrid message, a KV cache, or a tensor.

use std::ops::Range;

use super::kv::{HEADER as KV_HEADER, KvHeader, kv};
use super::message::{Header, Reader};
use super::metadata::Metadata;
use super::{hybrid, preview};
use crate::case::{Dtype, Spec};

impl Reader<'_> {
    /// Reads the uncompressed payload as what the metadata says it is.
    pub(super) fn interpret(&mut self, header: &Header, metadata: &Metadata, section: Range<usize>) {
        let Some(payload) = self.out.payload.take() else { return };
        let plain = header.flags & 1 == 0;
        if self.out.spec == Spec::V02 && metadata.mode == 1 {
            self.hybrid(&payload, plain, section);
        } else if metadata.payload_type == 1 && payload.len() >= KV_HEADER {
            self.kv(&payload, metadata, plain, section);
        } else {
            self.tensor(&payload, metadata, plain, section);
        }
        self.out.payload = Some(payload);
    }

    fn hybrid(&mut self, payload: &[u8], plain: bool, section: Range<usize>) {
        let Some((hybrid, fields)) = hybrid::read(payload) else {
            self.warn("AVP-PAY-014", section.clone(), "no hybrid payload, handed over as it is");
            if plain {
                self.fields.push(section.clone(), 0, "payload", format!("{} bytes", section.len()));
            }
            return;
        };
        if plain {
            self.fields.push(section.clone(), 0, "payload (hybrid)", format!("{} bytes", section.len()));
            self.fields.nest(fields, section.start, 0);
        }
        self.out.hybrid = Some(hybrid);
    }

    fn kv(&mut self, payload: &[u8], metadata: &Metadata, plain: bool, section: Range<usize>) {
        let done = kv(payload);
        let shown = if plain { section.clone() } else { section.start..section.start };
        if let Some(KvHeader { dtype_byte, num_layers, .. }) = done.header {
            if i32::from(dtype_byte) != metadata.dtype {
                let text = format!("metadata.dtype {} against the KV header's {dtype_byte}", metadata.dtype);
                self.warn("AVP-KV-015", shown.clone(), text);
            }
            if metadata.num_layers != 0 && metadata.num_layers != num_layers {
                let text = format!("metadata.num_layers {} against {num_layers}", metadata.num_layers);
                self.warn("AVP-KV-015", shown, text);
            }
        }
        for fault in done.faults {
            let at = if plain { section.start + fault.offset } else { section.start };
            self.warn(fault.requirements[0], at..at, format!("read as a KV cache: {}", fault.text));
        }
        if plain {
            self.fields.push(section.clone(), 0, "payload (KV cache)", format!("{} bytes", section.len()));
            self.fields.nest(done.fields, section.start, 0);
        }
    }

    fn tensor(&mut self, payload: &[u8], metadata: &Metadata, plain: bool, section: Range<usize>) {
        let dtype = match metadata.dtype {
            0 => Dtype::F32,
            1 => Dtype::F16,
            2 => Dtype::Bf16,
            3 => Dtype::I8,
            _ => Dtype::U8,
        };
        if plain {
            self.fields.push(section.clone(), 0, "payload", preview::numbers(payload, dtype));
        }
        if metadata.payload_type != 0 || metadata.tensor_shape.is_empty() {
            return;
        }
        let shape = &metadata.tensor_shape;
        let product = shape.iter().try_fold(dtype.size() as u128, |n, &d| n.checked_mul(u128::from(d)));
        if product != Some(payload.len() as u128) {
            let text =
                format!("tensor_shape {shape:?} of {} against {} bytes", preview::name(dtype), payload.len());
            self.warn("AVP-PAY-007", section.start..section.start, cut(text));
        }
        if metadata.hidden_dim != 0 && shape.last() != Some(&metadata.hidden_dim) {
            let text = format!("tensor_shape {shape:?} with hidden_dim {}", metadata.hidden_dim);
            self.warn("AVP-PAY-011", section.start..section.start, cut(text));
        }
    }
}

/// A shape may have a million dimensions; a sentence has room for the first few.
fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(160) {
        text.truncate(at);
        text.push('…');
    }
    text
}
