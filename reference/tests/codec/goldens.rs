//! The published vectors and the measured goldens (`vectors/goldens.json`).

use std::{collections::BTreeMap, fs, path::Path};

use avp::{
    ErrorClass,
    wire::{DataType, Decoder, Dialect, Encoder, Flags, Metadata, Mode, PayloadType, decode},
};

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/goldens.json");
    let goldens: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let hex = goldens[name].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Inputs of the two published vectors.
fn inputs() -> [(&'static str, Metadata, Vec<u8>); 2] {
    let one = Metadata {
        source_agent_id: "agent-a".into(),
        model_id: "test-model".into(),
        hidden_dim: 4,
        tensor_shape: vec![4],
        ..Metadata::default()
    };
    let two = Metadata { hidden_dim: 2, tensor_shape: vec![2], ..Metadata::default() };
    [("VEC1", one, floats(&[0.1, 0.2, 0.3, 0.4])), ("VEC2", two, floats(&[1.0, 2.0]))]
}

#[test]
fn published_vectors_decode_and_encode_to_the_byte() {
    for (name, metadata, payload) in inputs() {
        let bytes = golden(name);
        let message = Decoder::new().strict(true).decode(&bytes).unwrap();
        assert_eq!((&message.metadata, &*message.payload), (&metadata, &payload[..]), "{name}");
        assert!(message.neutral, "{name}: nothing in it tells 0.2 from 0.4");
        assert_eq!(Encoder::new().checksum(false).encode(&metadata, &payload).unwrap(), bytes, "{name}");

        let summed = golden(&format!("{name}c"));
        assert_eq!(Encoder::new().encode(&metadata, &payload).unwrap(), summed, "{name}c");
        let message = decode(&summed).unwrap();
        assert_eq!((message.dialect, message.neutral), (Dialect::V04, false));
        assert!(message.metadata.payload_checksum.is_some());
    }
}

#[test]
fn the_empty_message_is_a_bare_header() {
    let message = decode(&[0x41, 0x56, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!((message.metadata, message.payload.len()), (Metadata::default(), 0));
    assert_eq!(Encoder::new().checksum(false).encode(&Metadata::default(), b"").unwrap(), golden("EMPTY"));
    assert_eq!(Encoder::new().encode(&Metadata::default(), b"").unwrap(), golden("EMPTYc"));
}

#[test]
fn a_message_of_0_1_is_read() {
    let bytes = golden("V01");
    let message = Decoder::new().strict(true).decode(&bytes).unwrap();
    assert_eq!(message.dialect, Dialect::V01);
    let expected = Metadata {
        model_id: "test-model".into(),
        source_agent_id: "agent-a".into(),
        hidden_dim: 4,
        payload_type: PayloadType::Embedding,
        dtype: DataType::Float32,
        mode: Mode::Latent,
        ..Metadata::default()
    };
    assert_eq!(message.metadata, expected);
    assert_eq!(*message.payload, floats(&[0.1, 0.2, 0.3, 0.4]));
    let error = Encoder::new().dialect(Dialect::V01).encode(&expected, b"").unwrap_err();
    assert_eq!(error.class, ErrorClass::InvalidArgument);
}

#[test]
fn the_empty_payload_compresses_to_the_known_frame() {
    use avp::wire::Compression;
    let encoder = Encoder::new().compression(Compression::Balanced);
    let bytes = encoder.encode(&Metadata::default(), b"").unwrap();
    assert!(bytes.ends_with(&golden("ZSTD_EMPTY")));
    let message = decode(&bytes).unwrap();
    assert_eq!(message.payload.len(), 0);
    assert_eq!(message.metadata.compression.as_deref(), Some("zstd"));
    assert_eq!(message.flags(), Flags(Flags::COMPRESSED));
}
