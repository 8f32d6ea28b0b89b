//! Where the numbers of a KV cache stand (AVP-KV-001 … 004).

use std::ops::Range;

use crate::build::KvPayload;
use crate::case::Dtype;

/// Shape of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the protocol's fields")]
pub struct KvShape {
    pub num_layers: u32,
    pub num_kv_heads: u32,
    pub head_dim: u32,
    pub seq_len: u32,
    pub dtype: Dtype,
}

impl KvShape {
    /// Bytes of one K or V tensor, [kv_heads, seq_len, head_dim].
    pub fn tensor_len(&self) -> usize {
        self.num_kv_heads as usize * self.seq_len as usize * self.head_dim as usize * self.dtype.size()
    }

    /// Bytes of all tensors (AVP-KV-016).
    pub fn data_len(&self) -> usize {
        2 * self.num_layers as usize * self.tensor_len()
    }

    /// The dtype byte (AVP-KV-004); `None` for a dtype that the format can't carry.
    pub fn dtype_byte(&self) -> Option<u8> {
        match self.dtype {
            Dtype::F32 => Some(0),
            Dtype::F16 => Some(1),
            Dtype::Bf16 => Some(2),
            _ => None,
        }
    }
}

/// The payload for `data`, which holds K and V of every layer in order. `None` when the shape can't be written or the
/// data has another length.
pub fn kv_payload(shape: &KvShape, data: Vec<u8>) -> Option<Vec<u8>> {
    let dtype = shape.dtype_byte().filter(|_| data.len() == shape.data_len())?;
    let KvShape { num_layers, num_kv_heads, head_dim, seq_len, .. } = *shape;
    Some(KvPayload { num_layers, num_kv_heads, head_dim, seq_len, dtype, data }.to_bytes())
}

/// Where K (or V) of a layer stands in the data.
pub fn kv_tensor(shape: &KvShape, layer: usize, value: bool) -> Range<usize> {
    let start = (2 * layer + usize::from(value)) * shape.tensor_len();
    start..start + shape.tensor_len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let shape = KvShape { num_layers: 2, num_kv_heads: 2, head_dim: 2, seq_len: 3, dtype: Dtype::F16 };
        assert_eq!(shape.data_len(), 96);
        assert_eq!(kv_tensor(&shape, 0, false), 0..24);
        assert_eq!(kv_tensor(&shape, 1, true), 72..96);
        assert_eq!(kv_payload(&shape, vec![0; 95]), None);
        let bytes = kv_payload(&shape, vec![0; 96]).unwrap();
        assert_eq!(bytes[..17], [2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1]);
    }
}
