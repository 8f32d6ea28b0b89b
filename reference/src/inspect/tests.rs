use proptest::prelude::*;

use super::*;
use crate::kv::{self, KvLayer};
use crate::tensor::TensorView;
use crate::wire::{Compression, DataType, Encoder, HybridChunk, Metadata, PayloadType};

fn fields(input: &[u8]) -> Vec<(String, Range<usize>, String)> {
    let dissection = dissect(input, DialectChoice::Auto, Limits::default());
    dissection.spans.into_iter().map(|span| (span.field, span.range, span.value)).collect()
}

fn hidden() -> Metadata {
    Metadata {
        source_agent_id: "agent-a".into(),
        hidden_dim: 2,
        tensor_shape: vec![2],
        ..Metadata::default()
    }
}

fn cache_message() -> Vec<u8> {
    let bytes = [7; 24];
    let tensor = || TensorView::new(DataType::Float16, &[2, 3, 2], &bytes).unwrap();
    let payload = kv::encode(&[KvLayer { k: tensor(), v: tensor() }]).unwrap();
    let metadata = Metadata {
        payload_type: PayloadType::KvCache,
        dtype: DataType::Float16,
        num_layers: 1,
        extra: [("num_steps".to_owned(), "20".to_owned())].into(),
        ..Metadata::default()
    };
    Encoder::new().encode(&metadata, &payload).unwrap()
}

#[test]
fn every_field_of_a_hidden_state() {
    let message = Encoder::new().checksum(false).encode(&hidden(), &[0; 8]).unwrap();
    let expected = [
        ("header.magic", 0..2, "\"AV\""),
        ("header.version", 2..3, "1"),
        ("header.flags", 3..4, "none"),
        ("header.payload_length", 4..8, "22 (metadata and payload)"),
        ("header.metadata_length", 8..12, "14"),
        ("metadata.source_agent_id", 12..21, "\"agent-a\""),
        ("metadata.hidden_dim", 21..23, "2"),
        ("metadata.tensor_shape", 23..26, "[2]"),
        ("payload", 26..34, "8 bytes of FLOAT32 [2]"),
    ];
    let found = fields(&message);
    assert_eq!(found, expected.map(|(field, range, value)| (field.to_owned(), range, value.to_owned())));
}

#[test]
fn a_cache_down_to_its_tensors() {
    let message = cache_message();
    let names: Vec<_> =
        fields(&message).into_iter().skip(5).map(|(field, _, value)| (field, value)).collect();
    let expected = [
        ("metadata.num_layers", "1"),
        ("metadata.payload_type", "KV_CACHE"),
        ("metadata.dtype", "FLOAT16"),
        ("metadata.extra", "\"num_steps\" = \"20\""),
        ("metadata.payload_checksum", "CRC-32 0x"),
        ("kv.num_layers", "1"),
        ("kv.num_kv_heads", "2"),
        ("kv.head_dim", "2"),
        ("kv.seq_len", "3"),
        ("kv.dtype", "float16"),
        ("kv.layer 0.keys", "[2, 3, 2]"),
        ("kv.layer 0.values", "[2, 3, 2]"),
    ];
    assert_eq!(names.len(), expected.len(), "{names:?}");
    for ((field, value), (name, start)) in names.iter().zip(expected) {
        assert_eq!(field, name);
        assert!(value.starts_with(start), "{field}: {value}");
    }
}

#[test]
fn a_hybrid_message_by_chunk() {
    let chunks = [HybridChunk::latent(&[1; 8], 0.0), HybridChunk::text("hi", 0.5)];
    let message = Encoder::new().dialect(Dialect::V02).encode_hybrid(&hidden(), &chunks).unwrap();
    let found = fields(&message);
    let values: Vec<_> =
        found.iter().filter(|(field, ..)| field.contains("chunk")).map(|(_, _, value)| value).collect();
    assert_eq!(values, ["8 bytes of FLOAT32 [2]", "2 bytes"]);
}

#[test]
fn faults_come_with_what_can_be_named() {
    // The last byte of the KV header, in front of two tensors of 24 bytes: no such element type.
    let mut message = cache_message();
    let dtype_at = message.len() - 49;
    message[dtype_at] = 9;
    let dissection = dissect(&message, DialectChoice::Auto, Limits::default());
    assert_eq!(dissection.fault.unwrap().field, "metadata.payload_checksum");
    assert_eq!(dissection.message, None);

    let decoded = Decoder::new().decode(&cache_message()).unwrap().into_owned();
    let mut payload = decoded.payload.into_owned();
    payload[16] = 9;
    let message = Encoder::new().checksum(false).encode(&decoded.metadata, &payload).unwrap();
    let dissection = dissect(&message, DialectChoice::Auto, Limits::default());
    let fault = dissection.fault.unwrap();
    assert_eq!((fault.field, fault.offset), ("kv.dtype", Some(message.len() as u64 - 49)));
    assert!(dissection.message.is_some());
}

#[test]
fn oddities_carry_their_requirement() {
    let mut message = Encoder::new().encode(&hidden(), &[0; 8]).unwrap();
    message[3] |= 0x84;
    message.push(0);
    let warnings = dissect(&message, DialectChoice::Fixed(Dialect::V04), Limits::default()).warnings;
    let found: Vec<_> = warnings.iter().map(|warning| (warning.code, warning.requirement)).collect();
    assert_eq!(
        found,
        [
            ("flag_conflict", "AVP-PAY-015"),
            ("reserved_flags", "AVP-HDR-015"),
            ("trailing_bytes", "AVP-HDR-022")
        ]
    );
}

fn samples() -> Vec<Vec<u8>> {
    let chunks = [HybridChunk::latent(&[1; 8], 0.0), HybridChunk::text("hi", 0.5)];
    vec![
        Encoder::new().encode(&hidden(), &[0; 8]).unwrap(),
        Encoder::new().compression(Compression::Fast).encode(&hidden(), &[0; 800]).unwrap(),
        Encoder::new().dialect(Dialect::V02).encode_hybrid(&hidden(), &chunks).unwrap(),
        cache_message(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Every byte belongs to exactly one span, whatever the bytes are.
    #[test]
    fn spans_tile_the_input(
        sample in 0..4_usize,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
        fixed in any::<bool>(),
        junk: Vec<u8>,
        use_junk in proptest::bool::weighted(0.2),
    ) {
        let mut input = if use_junk { junk } else { samples().swap_remove(sample) };
        for (index, byte) in changes {
            if !input.is_empty() {
                let at = index.index(input.len());
                input[at] = byte;
            }
        }
        if let Some(cut) = cut {
            input.truncate(cut.index(input.len() + 1));
        }
        let choice = if fixed { DialectChoice::Fixed(Dialect::V02) } else { DialectChoice::Auto };
        let limits = Limits { max_payload: 1 << 20, ..Limits::default() };
        let dissection = dissect(&input, choice, limits);
        let mut at = 0;
        for span in &dissection.spans {
            prop_assert_eq!(span.range.start, at);
            prop_assert!(span.range.end > at);
            at = span.range.end;
        }
        prop_assert_eq!(at, input.len());
        prop_assert!(dissection.message.is_some() || dissection.fault.is_some());
    }
}
