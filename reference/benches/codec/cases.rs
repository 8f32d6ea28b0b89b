//! What is measured.

use avp::wire::{DataType, Metadata, PayloadType};

/// A payload size.
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) len: usize,
}

/// From a short hidden state to the cache that the published tables quote for a 7B model.
pub(crate) const SIZES: [Size; 5] = [
    Size { name: "1KiB", len: 1 << 10 },
    Size { name: "64KiB", len: 64 << 10 },
    Size { name: "1MiB", len: 1 << 20 },
    Size { name: "16MiB", len: 16 << 20 },
    Size { name: "390MiB", len: 390 << 20 },
];

/// Largest size that is measured with compression.
pub(crate) const MAX_COMPRESSED: usize = 16 << 20;

/// Metadata as an agent would send it.
pub(crate) fn metadata(len: usize) -> Metadata {
    Metadata {
        session_id: "9f2c6c0e7b7f4d0f8a51d8a4b1c0ffee".into(),
        source_agent_id: "researcher".into(),
        target_agent_id: "writer".into(),
        model_id: "example/model-7b".into(),
        hidden_dim: 256,
        num_layers: 28,
        payload_type: PayloadType::HiddenState,
        dtype: DataType::Float32,
        tensor_shape: vec![(len / 1024) as u32, 256],
        ..Metadata::default()
    }
}

/// Values as hidden states have them, about normal around zero. Sums of uniform numbers from a fixed seed.
pub(crate) fn floats(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        let mut sum = 0.0f32;
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        }
        out.extend_from_slice(&sum.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// The same values with a last byte that makes the checksum's varint as long as fifteen of sixteen are, or shorter.
pub(crate) fn with_checksum(mut payload: Vec<u8>, short: bool) -> Vec<u8> {
    const SHORT: u32 = 1 << 28;
    let at = payload.len() - 1;
    while (avp::wire::crc32(&payload) < SHORT) != short {
        payload[at] = payload[at].wrapping_add(1);
    }
    payload
}
