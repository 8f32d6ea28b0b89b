//! HDR, META, ENUM and PAY on the writing side.

use std::collections::BTreeMap;

use avp::{
    ErrorClass,
    wire::{
        ChunkKind, Compression, DataType, Decoder, DiagnosticCode, Dialect, Encoder, HEADER_LEN, HybridChunk,
        MAX_BODY_LEN, Metadata, Mode, PayloadType, crc32, decode,
    },
};

use crate::{VEC2_PAYLOAD, noise, vec2};

/// Metadata bytes of a message without checksum.
fn section(dialect: Dialect, metadata: &Metadata) -> Vec<u8> {
    let message = Encoder::new().dialect(dialect).checksum(false).encode(metadata, b"").unwrap();
    message[HEADER_LEN..].to_vec()
}

/// Sets one field of a default metadata.
fn with(set: impl FnOnce(&mut Metadata)) -> Metadata {
    let mut metadata = Metadata::default();
    set(&mut metadata);
    metadata
}

/// AVP-META-001 to AVP-META-017, AVP-META-023: the bytes of each field alone.
#[test]
fn every_field_has_its_bytes() {
    let both: [(Metadata, &[u8]); 19] = [
        (Metadata::default(), b""),
        (with(|m| m.session_id = "s1".into()), b"\x0a\x02s1"),
        (with(|m| m.source_agent_id = "agent-a".into()), b"\x12\x07agent-a"),
        (with(|m| m.target_agent_id = "agent-b".into()), b"\x1a\x07agent-b"),
        (with(|m| m.model_id = "test-model".into()), b"\x22\x0atest-model"),
        (with(|m| m.hidden_dim = 4096), b"\x28\x80\x20"),
        (with(|m| m.hidden_dim = u32::MAX), b"\x28\xff\xff\xff\xff\x0f"),
        (with(|m| m.num_layers = 28), b"\x30\x1c"),
        (with(|m| m.payload_type = PayloadType::KvCache), b"\x38\x01"),
        (with(|m| m.dtype = DataType::Float16), b"\x40\x01"),
        (with(|m| m.dtype = DataType::BFloat16), b"\x40\x02"),
        (with(|m| m.dtype = DataType::Int8), b"\x40\x03"),
        (with(|m| m.tensor_shape = vec![4]), b"\x4a\x01\x04"),
        (with(|m| m.tensor_shape = vec![1, 8]), b"\x4a\x02\x01\x08"),
        (with(|m| m.tensor_shape = vec![0]), b"\x4a\x01\x00"),
        (with(|m| m.tensor_shape = vec![300, 4096]), b"\x4a\x04\xac\x02\x80\x20"),
        (with(|m| m.avp_map_id = "vocab:0123456789abcdef".into()), b"\x6a\x16vocab:0123456789abcdef"),
        (with(|m| m.extra = [("a".into(), "1".into())].into()), b"\x72\x06\x0a\x01a\x12\x011"),
        (with(|m| m.payload_checksum = Some(7)), b""),
    ];
    for (metadata, bytes) in &both {
        for dialect in [Dialect::V02, Dialect::V04] {
            assert_eq!(section(dialect, metadata), *bytes, "{dialect} {metadata:?}");
        }
    }
    let json = with(|m| m.mode = Mode::Json);
    assert_eq!((section(Dialect::V04, &json), section(Dialect::V02, &json)), (vec![0x50, 1], vec![0x50, 2]));
    assert_eq!(section(Dialect::V02, &with(|m| m.mode = Mode::Hybrid)), [0x50, 1]);
    assert_eq!(section(Dialect::V02, &with(|m| m.payload_type = PayloadType::Embedding)), [0x38, 2]);
    // AVP-META-013, AVP-META-014.
    let confident = with(|m| m.confidence_score = 0.5);
    assert_eq!(section(Dialect::V02, &confident), b"\x65\x00\x00\x00\x3f");
    assert_eq!(section(Dialect::V04, &confident), b"");
}

/// AVP-HDR-008 to AVP-HDR-014.
#[test]
fn flags_follow_the_metadata() {
    let flags = |dialect, metadata: &Metadata, compression| {
        Encoder::new().dialect(dialect).compression(compression).encode(metadata, b"x").unwrap()[3]
    };
    let kv = with(|m| m.payload_type = PayloadType::KvCache);
    let map = with(|m| m.avp_map_id = "m".into());
    let hybrid = with(|m| m.mode = Mode::Hybrid);
    let plain = Metadata::default();
    for (dialect, metadata, expected) in [
        (Dialect::V04, &plain, 0),
        (Dialect::V04, &map, 2),
        (Dialect::V04, &kv, 4),
        (Dialect::V02, &plain, 0),
        (Dialect::V02, &hybrid, 2),
        (Dialect::V02, &map, 4),
        (Dialect::V02, &kv, 8),
    ] {
        assert_eq!(flags(dialect, metadata, Compression::None), expected);
        assert_eq!(flags(dialect, metadata, Compression::Fast), expected | 1);
    }
}

/// AVP-META-018, AVP-META-019, AVP-META-024: sorted entries, ascending fields, the same bytes each time.
#[test]
fn output_is_canonical() {
    let extra: BTreeMap<String, String> = [("b", "1"), ("a", "2"), ("", "empty"), ("é", "")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let metadata =
        Metadata { extra: extra.clone(), num_layers: 2, avp_map_id: "m".into(), ..Metadata::default() };
    let bytes = section(Dialect::V04, &metadata);
    assert_eq!(bytes, section(Dialect::V04, &metadata));
    assert_eq!(
        bytes,
        b"\x30\x02\x6a\x01m\x72\x07\x12\x05empty\x72\x06\x0a\x01a\x12\x012\x72\x06\x0a\x01b\x12\x011\x72\x04\x0a\x02\xc3\xa9"
    );
    let message = Encoder::new().encode(&metadata, b"").unwrap();
    assert_eq!(decode(&message).unwrap().metadata.extra, extra);
}

/// AVP-META-020 to AVP-META-022, AVP-CMP-012, AVP-CMP-016.
#[test]
fn checksums_are_written_under_0_4() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    let encoder = Encoder::new();
    let message = encoder.encode(&Metadata::default(), b"123456789").unwrap();
    assert_eq!(decode(&message).unwrap().metadata.payload_checksum, Some(0xcbf4_3926));
    for encoder in [encoder.checksum(false), encoder.dialect(Dialect::V02)] {
        assert_eq!(
            encoder.encode(&Metadata::default(), b"123456789").unwrap()[4..12],
            [9, 0, 0, 0, 0, 0, 0, 0]
        );
    }
}

/// All forms of encoding give the same bytes, for checksums of every varint length.
#[test]
fn all_forms_agree() {
    let metadata = with(|m| m.model_id = "m".into());
    let mut lengths = [false; 6];
    let mut payloads: Vec<Vec<u8>> = (0..4000u32).map(|i| i.to_le_bytes().to_vec()).collect();
    payloads.extend([vec![], noise(16 << 10), noise((16 << 10) + 1), noise(100_000)]);
    for payload in &payloads {
        for dialect in [Dialect::V02, Dialect::V04] {
            let encoder = Encoder::new().dialect(dialect);
            let whole = encoder.encode(&metadata, payload).unwrap();
            let mut appended = b"before".to_vec();
            let written = encoder.encode_into(&metadata, payload, &mut appended).unwrap();
            let vectored = encoder.encode_vectored(&metadata, payload).unwrap();
            assert_eq!((&appended[6..], written), (&whole[..], whole.len()));
            assert_eq!(vectored.pieces().concat(), whole);
            assert_eq!(vectored.message_len(), whole.len());
            let pieces: Vec<&[u8]> = payload.chunks(7000).collect();
            let mut gathered = b"before".to_vec();
            encoder.encode_pieces_into(&metadata, &pieces, &mut gathered).unwrap();
            assert_eq!(gathered, appended);
            assert_eq!(
                [encoder.head_for_pieces(&metadata, &pieces).unwrap(), payload.clone()].concat(),
                whole
            );
            if !payload.is_empty() {
                assert_eq!(vectored.payload.as_ptr(), payload.as_ptr(), "borrowed");
            }
            assert_eq!(*decode(&whole).unwrap().payload, payload[..]);
            if dialect == Dialect::V04 {
                // header, tag and text of model_id, tag of the checksum
                lengths[whole.len() - HEADER_LEN - 4 - payload.len()] = true;
            }
        }
    }
    assert_eq!(lengths[4..], [true, true], "both usual lengths of the checksum were met");
}

/// Compression puts the pieces together.
#[test]
fn pieces_are_compressed_as_one() {
    let encoder = Encoder::new().compression(Compression::Fast);
    let payload = noise(50_000);
    let pieces: Vec<&[u8]> = payload.chunks(999).collect();
    let mut gathered = Vec::new();
    encoder.encode_pieces_into(&Metadata::default(), &pieces, &mut gathered).unwrap();
    assert_eq!(gathered, encoder.encode(&Metadata::default(), &payload).unwrap());
}

/// AVP-HDR-024, A-018: refused by its length, without the bytes.
#[test]
fn what_exceeds_32_bits_is_refused() {
    let encoder = Encoder::new().checksum(false);
    let head = |metadata: &Metadata, len| encoder.head_for_len(metadata, len);
    assert_eq!(head(&Metadata::default(), MAX_BODY_LEN).unwrap()[4..8], [0xff; 4]);
    let shaped = with(|m| m.tensor_shape = vec![2]);
    assert_eq!(head(&shaped, MAX_BODY_LEN - 3).unwrap()[4..12], [0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0]);
    for (metadata, len) in
        [(&shaped, MAX_BODY_LEN - 2), (&Metadata::default(), MAX_BODY_LEN + 1), (&shaped, u64::MAX)]
    {
        assert_eq!(head(metadata, len).unwrap_err().class, ErrorClass::LimitExceeded);
    }
    // Eight times 1 GiB of the same bytes, checked before any are read: the sum alone decides.
    let gigabyte = vec![0u8; 1 << 30];
    let mut out = b"before".to_vec();
    let error = encoder.encode_pieces_into(&Metadata::default(), &[&gigabyte[..]; 8], &mut out).unwrap_err();
    assert_eq!((error.class, &out[..]), (ErrorClass::LimitExceeded, &b"before"[..]));
    let vec2_metadata = decode(&vec2()).unwrap().metadata;
    assert_eq!(head(&vec2_metadata, VEC2_PAYLOAD.len() as u64).unwrap(), vec2()[..17]);
}

/// Values that a dialect doesn't have; the buffer stays as it was.
#[test]
fn foreign_values_are_refused() {
    for (dialect, metadata) in [
        (Dialect::V04, with(|m| m.mode = Mode::Hybrid)),
        (Dialect::V04, with(|m| m.payload_type = PayloadType::Embedding)),
        (Dialect::V01, Metadata::default()),
    ] {
        for compression in [Compression::None, Compression::Fast] {
            let mut out = b"before".to_vec();
            let encoder = Encoder::new().dialect(dialect).compression(compression);
            let error = encoder.encode_into(&metadata, b"payload", &mut out).unwrap_err();
            assert_eq!((error.class, &out[..]), (ErrorClass::InvalidArgument, &b"before"[..]));
            assert!(encoder.encode_vectored(&metadata, b"payload").is_err());
        }
    }
    let hybrid = Encoder::new().encode_hybrid(&Metadata::default(), &[]);
    assert_eq!(hybrid.unwrap_err().class, ErrorClass::InvalidArgument);
}

/// AVP-PAY-013, AVP-ENUM-012.
#[test]
fn hybrid_messages_have_their_bytes() {
    let encoder = Encoder::new().dialect(Dialect::V02);
    let chunks = [HybridChunk::latent(&[1, 2, 3, 4], 0.5), HybridChunk::text("hi", 0.25)];
    let bytes = encoder.encode_hybrid(&Metadata::default(), &chunks).unwrap();
    let payload =
        b"\x0a\x0d\x08\x01\x12\x04\x01\x02\x03\x04\x1d\x00\x00\x00\x3f\x0a\x09\x12\x02hi\x1d\x00\x00\x80\x3e";
    assert_eq!(bytes[12..], [&[0x50, 1][..], payload].concat());
    for compression in [Compression::None, Compression::Balanced] {
        let bytes = encoder.compression(compression).encode_hybrid(&Metadata::default(), &chunks).unwrap();
        let message = Decoder::new().strict(true).decode(&bytes).unwrap();
        assert_eq!((&*message.payload, message.text_fallback.as_deref()), (&[1, 2, 3, 4][..], Some("hi")));
        let kinds: Vec<_> =
            message.chunks.iter().map(|c| (c.kind, c.confidence, &payload[c.range.clone()])).collect();
        assert_eq!(kinds, [(ChunkKind::Latent, 0.5, &[1, 2, 3, 4][..]), (ChunkKind::Text, 0.25, b"hi")]);
    }
}

/// AVP-PAY-014: the last chunk of each kind; garbage is handed over as it is.
#[test]
fn odd_hybrid_payloads_are_read() {
    let decode = |payload: &[u8]| {
        let bytes = crate::message(2, &[0x50, 1], payload);
        let message = Decoder::new().dialect(Dialect::V02).decode(&bytes).unwrap().into_owned();
        let codes: Vec<_> = message.diagnostics.iter().map(|d| d.code).collect();
        (message.payload.into_owned(), message.text_fallback, codes)
    };
    let two = b"\x0a\x03\x12\x01a\x0a\x05\x08\x01\x12\x01x\x0a\x03\x12\x01b\x0a\x05\x08\x01\x12\x01y";
    assert_eq!(decode(two), (b"y".to_vec(), Some("b".to_owned()), vec![]));
    assert_eq!(decode(b"\x0a\x03\x12\x01a"), (vec![], Some("a".to_owned()), vec![]));
    for garbage in [&b"\xff\xff\xff"[..], b"\x0a\x03\x12\x01\xff", b"\x0a\x02\x08\x02"] {
        assert_eq!(decode(garbage), (garbage.to_vec(), None, vec![DiagnosticCode::HybridUnparsable]));
    }
    // More chunks than any encoder writes are not taken apart.
    let many = [0x0a, 0].repeat(avp::wire::MAX_HYBRID_CHUNKS + 1);
    assert_eq!(decode(&many).2, [DiagnosticCode::HybridUnparsable]);
}
