//! The KV payload: a 17-byte header, then K and V of every layer.

use super::fault::{Class, Fault, Stage, Warning};
use super::field::{Field, Fields};
use super::preview;
use crate::case::Dtype;

/// Bytes of the KV header (AVP-KV-001).
pub(super) const HEADER: usize = 17;
/// Most layers whose tensors may be empty. A cache of no tokens is legal (AVP-KV-011), but a header of 17 bytes must not
/// make a reader build four billion empty layers (AVP-KV-010, AVP-SEC-012). No model has more than some hundreds.
const MAX_EMPTY_LAYERS: u32 = 1 << 16;

/// The five fields of a KV header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the protocol's fields")]
pub struct KvHeader {
    pub num_layers: u32,
    pub num_kv_heads: u32,
    pub head_dim: u32,
    pub seq_len: u32,
    pub dtype_byte: u8,
}

impl KvHeader {
    /// The first 17 bytes of a payload.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.first_chunk::<HEADER>()?;
        let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Some(Self {
            num_layers: u32_at(0),
            num_kv_heads: u32_at(4),
            head_dim: u32_at(8),
            seq_len: u32_at(12),
            dtype_byte: head[16],
        })
    }

    /// Element type, when the byte is known (AVP-KV-004).
    pub fn dtype(&self) -> Option<Dtype> {
        match self.dtype_byte {
            0 => Some(Dtype::F32),
            1 => Some(Dtype::F16),
            2 => Some(Dtype::Bf16),
            _ => None,
        }
    }

    /// Elements of one K or V tensor. Three factors below 2^32 fit 128 bits.
    pub fn elements(&self) -> u128 {
        u128::from(self.num_kv_heads) * u128::from(self.seq_len) * u128::from(self.head_dim)
    }

    /// Bytes that the four numbers would come to without the zeros among them: what an intermediate result may reach,
    /// whatever the order of multiplication.
    fn nonzero_product(&self) -> u128 {
        let numbers = [self.num_layers, self.num_kv_heads, self.head_dim, self.seq_len];
        numbers.into_iter().filter(|&n| n != 0).map(u128::from).fold(8, u128::saturating_mul)
    }

    /// Bytes of all tensors; `None` with an unknown dtype, or beyond 128 bits.
    pub fn data_len(&self) -> Option<u128> {
        let size = self.dtype()?.size() as u128;
        (self.elements() * size).checked_mul(2 * u128::from(self.num_layers))
    }
}

/// A KV payload with its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct KvDissection {
    /// Every byte with its field.
    pub fields: Vec<Field>,
    /// The header, when there are 17 bytes.
    pub header: Option<KvHeader>,
    /// What a correct decoder refuses.
    pub faults: Vec<Fault>,
    /// What is odd.
    pub warnings: Vec<Warning>,
}

/// Dissects a KV payload.
pub fn kv(bytes: &[u8]) -> KvDissection {
    let mut fields = Fields::default();
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    let header = KvHeader::read(bytes);
    match header {
        Some(header) => {
            header_fields(&header, &mut fields);
            data(bytes, &header, &mut fields, &mut faults, &mut warnings);
        }
        None => {
            fields.push(0..bytes.len(), 0, "kv header", format!("{} of 17 bytes", bytes.len()));
            let text = format!("{} bytes; the header alone has 17", bytes.len());
            faults.push(fault(bytes.len(), "kv header", Class::Decode, &["AVP-KV-007"], text));
        }
    }
    KvDissection { fields: fields.finish(bytes.len()), header, faults, warnings }
}

fn header_fields(header: &KvHeader, fields: &mut Fields) {
    fields.push(0..4, 0, "num_layers", header.num_layers.to_string());
    fields.push(4..8, 0, "num_kv_heads", header.num_kv_heads.to_string());
    fields.push(8..12, 0, "head_dim", header.head_dim.to_string());
    fields.push(12..16, 0, "seq_len", header.seq_len.to_string());
    let dtype = match header.dtype() {
        Some(dtype) => format!("{} {}", header.dtype_byte, preview::name(dtype)),
        None => format!("{} (no such dtype)", header.dtype_byte),
    };
    fields.push(16..HEADER, 0, "dtype", dtype);
}

fn data(
    bytes: &[u8],
    header: &KvHeader,
    fields: &mut Fields,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<Warning>,
) {
    let have = (bytes.len() - HEADER) as u128;
    let Some(dtype) = header.dtype() else {
        let text = format!("dtype byte {} is none of 0, 1, 2", header.dtype_byte);
        faults.push(fault(16, "dtype", Class::Decode, &["AVP-KV-006"], text));
        return;
    };
    let want = header.data_len();
    if want.is_none_or(|want| want > have) {
        let want = want.map_or_else(|| "more than 2^128".to_owned(), |n| n.to_string());
        let text = format!("the header asks for {want} bytes of tensors, there are {have}");
        faults.push(fault(bytes.len(), "data", Class::Decode, &["AVP-KV-008", "AVP-KV-010"], text));
    } else if want == Some(0) && header.num_layers > MAX_EMPTY_LAYERS {
        let text = format!("{} layers without a byte of data", header.num_layers);
        faults.push(fault(0, "num_layers", Class::LimitExceeded, &["AVP-KV-010"], text));
    }
    if want == Some(0) && header.nonzero_product() > u128::from(u64::MAX) {
        let text = "nothing in all, but of tensors that could not exist: readers differ";
        warnings.push(Warning::contested("AVP-KV-011", 0..HEADER, text));
    }
    tensors(bytes, header, dtype, fields);
    if let Some(end) = want.and_then(|w| usize::try_from(w).ok()).and_then(|w| w.checked_add(HEADER))
        && end < bytes.len()
    {
        let rest = end..bytes.len();
        fields.push(rest.clone(), 0, "after the tensors", format!("{} bytes", rest.len()));
        warnings.push(Warning::new("AVP-KV-009", rest, "bytes behind the last tensor"));
    }
}

/// K and V of every layer, as far as there are bytes; the one that is cut shows what is there of it.
fn tensors(bytes: &[u8], header: &KvHeader, dtype: Dtype, fields: &mut Fields) {
    let size = header.elements().saturating_mul(dtype.size() as u128);
    let Some(size) = usize::try_from(size).ok().filter(|&size| size > 0) else {
        if size > 0 && bytes.len() > HEADER {
            fields.push(HEADER..bytes.len(), 0, "layer 0 K", "cut off");
        }
        return;
    };
    let mut at = HEADER;
    for layer in 0..header.num_layers {
        for half in ["K", "V"] {
            if at >= bytes.len() || fields.is_full() {
                return;
            }
            let end = at.saturating_add(size).min(bytes.len());
            let cut = if end - at < size { " (cut off)" } else { "" };
            let shown = preview::numbers(&bytes[at..end], dtype);
            fields.push(at..end, 0, format!("layer {layer} {half}"), format!("{shown}{cut}"));
            at = end;
        }
    }
}

fn fault(
    offset: usize,
    field: &str,
    class: Class,
    requirements: &'static [&'static str],
    text: String,
) -> Fault {
    Fault { stage: Stage::Kv, offset, field: field.to_owned(), class, requirements, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(layers: u32, heads: u32, dim: u32, seq: u32, dtype: u8, data: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = [layers, heads, dim, seq].iter().flat_map(|n| n.to_le_bytes()).collect();
        bytes.push(dtype);
        bytes.resize(HEADER + data, 0);
        bytes
    }

    #[test]
    fn sizes_and_faults() {
        const BIG: u32 = u32::MAX;
        for (bytes, expected) in [
            (payload(1, 2, 2, 3, 1, 48), None),
            (payload(0, 1, 1, 1, 0, 0), None),
            (payload(1, 2, 4, 0, 0, 0), None),
            (payload(1, 2, 2, 3, 1, 50), None),
            (payload(1, 2, 2, 3, 1, 47), Some(("data", Class::Decode))),
            (payload(1, 2, 2, 3, 3, 48), Some(("dtype", Class::Decode))),
            (payload(1, 1 << 31, 1 << 31, 1 << 31, 0, 0), Some(("data", Class::Decode))),
            (payload(BIG, BIG, BIG, BIG, 0, 3), Some(("data", Class::Decode))),
            (payload(BIG, 1, 1, 1, 0, 0), Some(("data", Class::Decode))),
            (payload(BIG, 1, 1, 0, 0, 0), Some(("num_layers", Class::LimitExceeded))),
            (vec![0; 16], Some(("kv header", Class::Decode))),
        ] {
            let done = kv(&bytes);
            let found = done.faults.first().map(|f| (f.field.as_str(), f.class));
            assert_eq!(found, expected, "{:?}", done.header);
        }
        assert_eq!(kv(&payload(1, 2, 2, 3, 1, 50)).warnings[0].range, 65..67);
        assert!(kv(&payload(0, BIG, BIG, BIG, 0, 0)).warnings.iter().any(|w| w.contested));
        assert!(kv(&payload(0, 8, 128, 4096, 0, 0)).warnings.is_empty());
        let (header, bytes) = (KvHeader::read(&payload(2, 2, 2, 3, 1, 0)), payload(2, 2, 2, 3, 1, 96));
        assert_eq!(header.and_then(|h| h.data_len()), Some(96));
        let names: Vec<_> = kv(&bytes).fields.into_iter().map(|f| f.name).collect();
        assert_eq!(names[5..], ["layer 0 K", "layer 0 V", "layer 1 K", "layer 1 V"]);
    }
}
