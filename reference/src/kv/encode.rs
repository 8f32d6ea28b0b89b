//! A cache's tensors → KV payload.

use super::{
    header::{KV_HEADER_LEN, KvDtype, KvHeader, MAX_LAYERS},
    payload::KvLayer,
};
use crate::{
    error::{Error, ErrorClass, Result},
    tensor::TensorView,
};

/// A KV payload in pieces, for vectored writes: the tensors are borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvVectored<'a> {
    /// The 17-byte header.
    pub head: [u8; KV_HEADER_LEN],
    /// K0, V0, K1, V1, …
    pub tensors: Vec<&'a [u8]>,
}

impl KvVectored<'_> {
    /// The pieces in order, header first.
    pub fn pieces(&self) -> Vec<&[u8]> {
        std::iter::once(&self.head[..]).chain(self.tensors.iter().copied()).collect()
    }

    /// Bytes of the whole payload (AVP-KV-017).
    pub fn payload_len(&self) -> usize {
        KV_HEADER_LEN + self.tensors.iter().map(|tensor| tensor.len()).sum::<usize>()
    }
}

/// The cache as a KV payload. Tensors are [num_kv_heads, seq_len, head_dim] or [1, num_kv_heads, seq_len, head_dim].
///
/// # Errors
/// See [`encode_vectored`].
pub fn encode(layers: &[KvLayer<'_>]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    encode_into(layers, &mut out)?;
    Ok(out)
}

/// Appends the KV payload to `out`; every tensor is copied once. Returns the payload's length.
///
/// # Errors
/// See [`encode_vectored`].
pub fn encode_into(layers: &[KvLayer<'_>], out: &mut Vec<u8>) -> Result<usize> {
    let payload = encode_vectored(layers)?;
    let len = payload.payload_len();
    out.reserve(len);
    out.extend_from_slice(&payload.head);
    for tensor in payload.tensors {
        out.extend_from_slice(tensor);
    }
    Ok(len)
}

/// The KV payload in pieces, without copying a tensor.
///
/// # Errors
/// What the format can't carry is refused: `invalid_argument` for no layers (AVP-KV-011) or an element type without a
/// code (AVP-KV-014); `shape_mismatch` for a batch other than 1 (AVP-KV-012) or layers that differ in shape or element
/// type (AVP-KV-013); `limit_exceeded` for more than [`MAX_LAYERS`] layers.
pub fn encode_vectored<'a>(layers: &[KvLayer<'a>]) -> Result<KvVectored<'a>> {
    let Some(first) = layers.first() else {
        return Err(Error::new(ErrorClass::InvalidArgument, "kv.num_layers", "at least one layer", "none"));
    };
    let num_layers = u32::try_from(layers.len()).ok().filter(|&count| count <= MAX_LAYERS);
    let Some(num_layers) = num_layers else {
        let (expected, found) = (format!("at most {MAX_LAYERS}"), layers.len().to_string());
        return Err(Error::new(ErrorClass::LimitExceeded, "kv.num_layers", expected, found));
    };
    let dtype = KvDtype::try_from(first.k.dtype())?;
    let shape = unbatched(&first.k)?;
    for (index, layer) in layers.iter().enumerate() {
        for (name, tensor) in [("keys", &layer.k), ("values", &layer.v)] {
            let found = unbatched(tensor)?;
            if found != shape || tensor.dtype() != first.k.dtype() {
                return Err(Error::new(
                    ErrorClass::ShapeMismatch,
                    "kv.layers",
                    format!("{} {shape:?} as in layer 0", first.k.dtype().as_str()),
                    format!("{} {found:?} in the {name} of layer {index}", tensor.dtype().as_str()),
                ));
            }
        }
    }
    let [num_kv_heads, seq_len, head_dim] = shape;
    let header = KvHeader { num_layers, num_kv_heads, head_dim, seq_len, dtype };
    let tensors = layers.iter().flat_map(|layer| [layer.k.bytes(), layer.v.bytes()]).collect();
    Ok(KvVectored { head: header.write(), tensors })
}

/// [num_kv_heads, seq_len, head_dim] of a tensor, without its batch dimension of 1.
fn unbatched(tensor: &TensorView<'_>) -> Result<[u32; 3]> {
    let dims = match *tensor.shape() {
        [heads, seq, head_dim] | [1, heads, seq, head_dim] => [heads, seq, head_dim],
        _ => {
            let expected = "[heads, tokens, head_dim], or the same with a batch of 1 in front";
            let found = format!("{:?}", tensor.shape());
            return Err(Error::new(ErrorClass::ShapeMismatch, "kv.layers", expected, found));
        }
    };
    let mut out = [0; 3];
    for (to, from) in out.iter_mut().zip(dims) {
        *to = u32::try_from(from).map_err(|_| {
            let found = format!("{dims:?}");
            Error::new(ErrorClass::InvalidArgument, "kv.layers", "dimensions below 2^32", found)
        })?;
    }
    Ok(out)
}
