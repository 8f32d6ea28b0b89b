//! The codec through its public interface, requirement by requirement.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod compression;
mod decoding;
mod dialects;
mod encoding;
mod goldens;
mod kv_payload;
mod paging;
mod streaming;

use avp::wire::{HEADER_LEN, Header, VERSION};

/// A message put together by hand, with nothing derived but the lengths.
fn message(flags: u8, metadata: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = Header {
        version: VERSION,
        flags,
        payload_length: (metadata.len() + payload.len()) as u32,
        metadata_length: metadata.len() as u32,
    };
    [&header.write()[..], metadata, payload].concat()
}

/// Golden vector 2: hidden_dim 2, shape [2], [1.0, 2.0].
fn vec2() -> Vec<u8> {
    message(0, VEC2_METADATA, VEC2_PAYLOAD)
}

const VEC2_METADATA: &[u8] = &[0x28, 0x02, 0x4a, 0x01, 0x02];
const VEC2_PAYLOAD: &[u8] = &[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40];

/// Bytes that zstd can't shrink much, as real tensors are.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_9abc_def0u64;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

/// [`vec2`] with bytes appended to the metadata.
fn vec2_with(metadata: &[u8]) -> Vec<u8> {
    message(0, &[VEC2_METADATA, metadata].concat(), VEC2_PAYLOAD)
}

#[test]
fn helpers_build_the_golden() {
    assert_eq!(vec2().len(), HEADER_LEN + 13);
}
