//! The KV payload: a 17-byte header and the tensors behind it.

/// A KV payload whose header may say anything. Nothing is checked against the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvPayload {
    /// Layers; each has a K and a V tensor.
    pub num_layers: u32,
    /// KV heads a layer.
    pub num_kv_heads: u32,
    /// Elements a head.
    pub head_dim: u32,
    /// Tokens.
    pub seq_len: u32,
    /// 0 float32, 1 float16, 2 bfloat16 (AVP-KV-004); others where a message must be wrong.
    pub dtype: u8,
    /// What follows the header: K0, V0, K1, V1, …
    pub data: Vec<u8>,
}

impl KvPayload {
    /// Header (AVP-KV-001: four little-endian u32 and the dtype byte) and data.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(17 + self.data.len());
        for field in [self.num_layers, self.num_kv_heads, self.head_dim, self.seq_len] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.push(self.dtype);
        bytes.extend_from_slice(&self.data);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_seventeen_bytes_without_padding() {
        let payload = KvPayload {
            num_layers: 1,
            num_kv_heads: 2,
            head_dim: 0x0304,
            seq_len: u32::MAX,
            dtype: 9,
            data: vec![7],
        };
        assert_eq!(payload.to_bytes(), [1, 0, 0, 0, 2, 0, 0, 0, 4, 3, 0, 0, 255, 255, 255, 255, 9, 7]);
    }
}
