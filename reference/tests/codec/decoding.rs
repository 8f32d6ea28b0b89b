//! HDR, META, ENUM and the conflicts of PAY, on the reading side.

use std::borrow::Cow;

use avp::{
    ErrorClass,
    wire::{
        DataType, Decoder, DiagnosticCode, Dialect, Header, Limits, Metadata, Mode, PayloadType, crc32,
        decode,
    },
};

use crate::{VEC2_METADATA, VEC2_PAYLOAD, message, vec2, vec2_with};

fn fixed(dialect: Dialect) -> Decoder {
    Decoder::new().dialect(dialect)
}

fn class(input: &[u8]) -> ErrorClass {
    fixed(Dialect::V04).decode(input).unwrap_err().class
}

fn codes(dialect: Dialect, input: &[u8]) -> Vec<DiagnosticCode> {
    fixed(dialect).decode(input).unwrap().diagnostics.iter().map(|d| d.code).collect()
}

/// AVP-HDR-002, AVP-HDR-003.
#[test]
fn every_other_magic_is_refused_and_shown() {
    for magic in 0..=u16::MAX {
        let mut input = vec2();
        input[..2].copy_from_slice(&magic.to_be_bytes());
        let result = decode(&input);
        if magic == 0x4156 {
            assert!(result.is_ok());
        } else {
            let error = result.unwrap_err();
            assert_eq!(error.class, ErrorClass::InvalidMagic);
            assert_eq!(error.found, format!("{magic:04x}"));
        }
    }
}

/// AVP-HDR-005, AVP-HDR-006.
#[test]
fn every_other_version_is_refused_and_shown() {
    for version in (0..=255).filter(|&v| v != 1) {
        let mut input = vec2();
        input[2] = version;
        let error = decode(&input).unwrap_err();
        assert_eq!((error.class, error.found), (ErrorClass::UnsupportedVersion, version.to_string()));
    }
}

/// AVP-HDR-020, AVP-HDR-021, AVP-HDR-025.
#[test]
fn cut_messages_are_refused_at_every_length() {
    for len in 0..vec2().len() {
        assert_eq!(class(&vec2()[..len]), ErrorClass::Decode, "{len} bytes");
    }
    assert_eq!(class(&[0x41, 0x56, 1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), ErrorClass::Decode);
}

/// AVP-HDR-019.
#[test]
fn metadata_beyond_the_body_is_refused() {
    for (payload_length, metadata_length) in [(2u32, 5u32), (5, 100), (13, u32::MAX), (13, 14)] {
        let mut input = vec2();
        input[4..8].copy_from_slice(&payload_length.to_le_bytes());
        input[8..12].copy_from_slice(&metadata_length.to_le_bytes());
        let error = decode(&input).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Decode, "header.metadata_length"));
    }
}

/// AVP-HDR-022, A-017.
#[test]
fn bytes_behind_the_message_are_noted() {
    let input = [&vec2()[..], b"xyz"].concat();
    let message = decode(&input).unwrap();
    assert_eq!((&*message.payload, message.consumed), (VEC2_PAYLOAD, 25));
    assert_eq!(message.diagnostics[0].code, DiagnosticCode::TrailingBytes);
    let error = Decoder::new().strict(true).decode(&input).unwrap_err();
    assert_eq!((error.class, error.offset), (ErrorClass::Decode, Some(25)));
}

/// AVP-HDR-026.
#[test]
fn the_header_is_reported_as_it_stood() {
    let header = decode(&vec2()).unwrap().header;
    assert_eq!(header, Header { version: 1, flags: 0, payload_length: 13, metadata_length: 5 });
}

/// AVP-HDR-007: of two faults the earlier one is reported.
#[test]
fn faults_have_an_order() {
    type Fault = (&'static str, ErrorClass, fn(&mut Parts));
    struct Parts {
        magic: u8,
        version: u8,
        metadata: Vec<u8>,
        payload: Vec<u8>,
        flags: u8,
        cut: usize,
    }
    let faults: [Fault; 8] = [
        ("short", ErrorClass::Decode, |p| p.cut = 1000),
        ("magic", ErrorClass::InvalidMagic, |p| p.magic = b'X'),
        ("version", ErrorClass::UnsupportedVersion, |p| p.version = 9),
        ("truncated", ErrorClass::Decode, |p| p.cut = p.cut.max(1)),
        ("metadata", ErrorClass::Decode, |p| p.metadata.extend_from_slice(&[0x0b])),
        ("decompression", ErrorClass::Decode, |p| p.flags = 1),
        ("checksum", ErrorClass::Decode, |p| p.metadata.extend_from_slice(&[0x78, 1])),
        ("enum", ErrorClass::Decode, |p| p.metadata.splice(..0, [0x40, 99]).for_each(drop)),
    ];
    let field = |name| match name {
        "short" => "header",
        "magic" => "header.magic",
        "version" => "header.version",
        "truncated" => "message",
        "metadata" => "metadata",
        "decompression" => "payload.zstd.magic",
        "checksum" => "metadata.payload_checksum",
        _ => "metadata.dtype",
    };
    for (i, first) in faults.iter().enumerate() {
        for second in &faults[i..] {
            let mut parts = Parts {
                magic: b'A',
                version: 1,
                metadata: VEC2_METADATA.to_vec(),
                payload: VEC2_PAYLOAD.to_vec(),
                flags: 0,
                cut: 0,
            };
            // Later faults first: the one that breaks the protobuf must stand behind the others.
            (second.2)(&mut parts);
            (first.2)(&mut parts);
            let mut input = message(parts.flags, &parts.metadata, &parts.payload);
            input[0] = parts.magic;
            input[2] = parts.version;
            input.truncate(if parts.cut == 1000 { 11 } else { input.len() - parts.cut });
            let error = fixed(Dialect::V04).decode(&input).unwrap_err();
            assert_eq!(
                (error.class, error.field),
                (first.1, field(first.0)),
                "{} with {}",
                first.0,
                second.0
            );
        }
    }
}

/// AVP-HDR-015.
#[test]
fn reserved_flags_are_noted_and_change_nothing() {
    for (dialect, reserved) in [(Dialect::V04, 0xf8u8), (Dialect::V02, 0xf0)] {
        for bit in (0..8).map(|bit| 1 << bit).filter(|bit| bit & reserved != 0).chain([reserved]) {
            let input = message(bit, VEC2_METADATA, VEC2_PAYLOAD);
            let found = fixed(dialect).decode(&input).unwrap();
            assert_eq!((&*found.payload, found.header.flags), (VEC2_PAYLOAD, bit));
            assert_eq!(found.diagnostics[0].code, DiagnosticCode::ReservedFlags);
        }
    }
}

/// AVP-PAY-015, AVP-PAY-016, AVP-HDR-011: the metadata wins, the conflict is noted, strict decoding refuses it.
#[test]
fn conflicting_flags_are_noted() {
    use DiagnosticCode::{FlagConflict, MapFlagConflict};
    let kv: &[u8] = &[0x38, 1];
    let map: &[u8] = &[0x6a, 1, b'm'];
    let hybrid: &[u8] = &[0x50, 1];
    let cases: [(Dialect, u8, &[u8], DiagnosticCode); 10] = [
        (Dialect::V04, 0x04, b"", FlagConflict),
        (Dialect::V04, 0x00, kv, FlagConflict),
        (Dialect::V04, 0x02, b"", MapFlagConflict),
        (Dialect::V04, 0x00, map, MapFlagConflict),
        (Dialect::V02, 0x08, b"", FlagConflict),
        (Dialect::V02, 0x00, kv, FlagConflict),
        (Dialect::V02, 0x04, b"", MapFlagConflict),
        (Dialect::V02, 0x00, map, MapFlagConflict),
        (Dialect::V02, 0x02, b"", FlagConflict),
        (Dialect::V02, 0x00, hybrid, FlagConflict),
    ];
    for (dialect, flags, metadata, code) in cases {
        let input = message(flags, metadata, b"");
        assert_eq!(codes(dialect, &input), [code], "{dialect} {flags:#x} {metadata:x?}");
        let error = fixed(dialect).strict(true).decode(&input).unwrap_err();
        assert_eq!((error.class, error.offset), (ErrorClass::Decode, Some(3)));
    }
    for (dialect, flags, metadata) in [
        (Dialect::V04, 0x04, kv),
        (Dialect::V04, 0x02, map),
        (Dialect::V02, 0x08, kv),
        (Dialect::V02, 4, map),
    ] {
        assert_eq!(codes(dialect, &message(flags, metadata, b"")), []);
    }
}

/// AVP-PAY-007, AVP-PAY-011.
#[test]
fn shape_conflicts_are_noted() {
    for (metadata, len, conflicts) in [
        (&[0x4a, 1, 4][..], 16, 0),                     // shape [4]
        (&[0x4a, 1, 4], 8, 1),                          // too few bytes
        (&[0x28, 8, 0x4a, 2, 1, 8], 32, 0),             // hidden_dim 8, shape [1, 8]
        (&[0x28, 9, 0x4a, 2, 1, 8], 32, 1),             // hidden_dim 9
        (&[0x28, 9, 0x4a, 2, 1, 8], 31, 2),             // both
        (&[0x4a, 1, 4, 0x38, 1], 3, 0),                 // a cache has its own header
        (&[0x4a, 1, 4, 0x50, 1], 3, 0),                 // a text has no shape
        (&[0x4a, 5, 0xff, 0xff, 0xff, 0xff, 15], 4, 1), // 16 GiB
    ] {
        let flags = if metadata.contains(&0x38) { 4 } else { 0 };
        let input = message(flags, metadata, &vec![0; len]);
        assert_eq!(
            codes(Dialect::V04, &input),
            vec![DiagnosticCode::ShapeMismatch; conflicts],
            "{metadata:x?}"
        );
        if conflicts > 0 {
            let error = fixed(Dialect::V04).strict(true).decode(&input).unwrap_err();
            assert_eq!(error.class, ErrorClass::ShapeMismatch);
        }
    }
}

/// AVP-META-001 to AVP-META-020 and AVP-META-025, on the reading side, with fields in reverse order.
#[test]
fn every_field_is_read() {
    let fields: [&[u8]; 14] = [
        b"\x78\xf6\xca\xfe\xf1\x02",
        b"\x72\x06\x0a\x01a\x12\x011",
        b"\x6a\x01m",
        b"\x5a\x04zstd",
        b"\x50\x01",
        b"\x4a\x02\x01\x02",
        b"\x40\x01",
        b"\x38\x01",
        b"\x30\x1c",
        b"\x28\x80\x20",
        b"\x22\x01d",
        b"\x1a\x01c",
        b"\x12\x01b",
        b"\x0a\x01a",
    ];
    let input = message(6, &fields.concat(), VEC2_PAYLOAD);
    let metadata = decode(&input).unwrap().metadata;
    let expected = Metadata {
        session_id: "a".into(),
        source_agent_id: "b".into(),
        target_agent_id: "c".into(),
        model_id: "d".into(),
        hidden_dim: 4096,
        num_layers: 28,
        payload_type: PayloadType::KvCache,
        dtype: DataType::Float16,
        tensor_shape: vec![1, 2],
        mode: Mode::Json,
        compression: None, // AVP-META-037: the flag is clear
        confidence_score: 0.0,
        avp_map_id: "m".into(),
        extra: [("a".to_owned(), "1".to_owned())].into(),
        payload_checksum: Some(crc32(VEC2_PAYLOAD)),
    };
    assert_eq!(metadata, expected);
}

/// AVP-META-010, AVP-META-018, AVP-META-025.
#[test]
fn repeated_fields_follow_protobuf() {
    let shape = |bytes: &[u8]| decode(&message(0, bytes, b"")).unwrap().metadata.tensor_shape;
    assert_eq!(shape(&[0x48, 2, 0x48, 3]), [2, 3]);
    assert_eq!(shape(&[0x48, 2, 0x4a, 2, 3, 4, 0x48, 5]), [2, 3, 4, 5]);
    let metadata = decode(&message(0, b"\x22\x01a\x22\x01b", b"")).unwrap().metadata;
    assert_eq!(metadata.model_id, "b");
    let twice = b"\x72\x06\x0a\x01a\x12\x011\x72\x06\x0a\x01a\x12\x012\x72\x00";
    let extra = decode(&message(0, twice, b"")).unwrap().metadata.extra;
    assert_eq!(extra, [("", ""), ("a", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into());
}

/// AVP-META-015, AVP-META-026, AVP-META-027, AVP-META-036.
#[test]
fn what_is_unknown_is_skipped() {
    let plain = fixed(Dialect::V04).decode(&vec2()).unwrap().metadata;
    for extra in [
        &[0xc0, 0x0c, 3][..],                              // field 200, varint
        &[0xc1, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8],             // fixed64
        &[0xc2, 0x0c, 2, 9, 9],                            // bytes
        &[0xc5, 0x0c, 1, 2, 3, 4],                         // fixed32
        &[0x65, 0, 0, 0, 0x3f],                            // field 12 as float
        &[0x60, 3],                                        // field 12 as varint
        &[0x2a, 1, 7],                                     // hidden_dim as bytes
        &[0x20, 5],                                        // model_id as varint
        &[0x7a, 1, 1],                                     // checksum as bytes
        &[0xa0, 6, 0x80, 3, 0xaa, 6, 3, b'f', b'3', b'2'], // fields 100 and 101
    ] {
        let input = vec2_with(extra);
        assert_eq!(fixed(Dialect::V04).decode(&input).unwrap().metadata, plain, "{extra:x?}");
    }
}

/// AVP-META-028, AVP-META-029.
#[test]
fn malformed_metadata_is_refused() {
    for bad in [
        &[0xff, 0xff, 0xff][..],
        &[0x22, 5, b'a'],
        &[0x2b],
        &[0x2c],
        &[0x2b, 0x2c],
        &[0x00, 0x01],
        &[0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[0x22, 2, 0xff, 0xfe],
        &[0x72, 3, 0x0a, 1, 0xff],
        &[0x72, 2, 0x0a, 9],
        &[0x4a, 1, 0x80],
        &[0x5a, 1, 0xff],
    ] {
        let error = fixed(Dialect::V04).decode(&vec2_with(bad)).unwrap_err();
        assert_eq!(error.class, ErrorClass::Decode, "{bad:x?}");
        assert!(error.offset.is_some_and(|at| at >= 17), "{bad:x?}: {error}");
    }
    let error = decode(&vec2_with(&[0x22, 2, b'a', 0xfe])).unwrap_err();
    assert_eq!((error.field, error.offset), ("metadata.model_id", Some(12 + 5 + 3)));
}

/// AVP-ENUM-001 to AVP-ENUM-009.
#[test]
fn unknown_enums_are_refused_by_name_and_value() {
    let minus_one = |tag: u8| {
        let mut bytes = vec![tag];
        bytes.extend_from_slice(&[0xff; 9]);
        bytes.push(1);
        bytes
    };
    for (dialect, bytes, field, value) in [
        (Dialect::V04, vec![0x38, 2], "metadata.payload_type", "2"),
        (Dialect::V04, vec![0x38, 3], "metadata.payload_type", "3"),
        (Dialect::V02, vec![0x38, 3], "metadata.payload_type", "3"),
        (Dialect::V04, minus_one(0x38), "metadata.payload_type", "-1"),
        (Dialect::V04, vec![0x40, 4], "metadata.dtype", "4"),
        (Dialect::V04, vec![0x40, 5], "metadata.dtype", "5"),
        (Dialect::V02, vec![0x40, 99], "metadata.dtype", "99"),
        (Dialect::V04, minus_one(0x40), "metadata.dtype", "-1"),
        (Dialect::V04, vec![0x50, 2], "metadata.mode", "2"),
        (Dialect::V02, vec![0x50, 3], "metadata.mode", "3"),
        (Dialect::V04, minus_one(0x50), "metadata.mode", "-1"),
    ] {
        let error = fixed(dialect).decode(&vec2_with(&bytes)).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Decode, field));
        assert_eq!((&*error.found, error.offset), (value, Some(17)), "{dialect}");
    }
    let embedding = fixed(Dialect::V02).decode(&message(0, &[0x38, 2], b"")).unwrap().metadata;
    assert_eq!(embedding.payload_type, PayloadType::Embedding);
}

/// AVP-META-013, AVP-META-021, AVP-CMP-014, AVP-CMP-015, AVP-CMP-017.
#[test]
fn checksums_are_verified_where_they_exist() {
    let right = vec2_with(b"\x78\xf6\xca\xfe\xf1\x02");
    assert!(fixed(Dialect::V04).decode(&right).is_ok());
    for bit in 0..64 {
        let mut flipped = right.clone();
        let at = flipped.len() - 8 + bit / 8;
        flipped[at] ^= 1 << (bit % 8);
        let error = fixed(Dialect::V04).decode(&flipped).unwrap_err();
        assert_eq!((error.class, error.field), (ErrorClass::Decode, "metadata.payload_checksum"));
        let old = fixed(Dialect::V02).decode(&flipped).unwrap();
        assert_eq!(old.metadata.payload_checksum, None);
    }
    assert!(fixed(Dialect::V04).decode(&vec2_with(&[0x78, 0])).is_err(), "an explicit zero counts");
    assert!(fixed(Dialect::V04).decode(&message(0, &[0x78, 0], b"")).is_ok());
    let confident = vec2_with(&[0x65, 0, 0, 0, 0x3f]);
    assert_eq!(fixed(Dialect::V02).decode(&confident).unwrap().metadata.confidence_score, 0.5);
}

/// An uncompressed payload is a slice of the input.
#[test]
fn payloads_are_borrowed() {
    let input = vec2();
    let message = decode(&input).unwrap();
    let Cow::Borrowed(payload) = message.payload else { panic!("copied") };
    assert_eq!(payload.as_ptr(), input[17..].as_ptr());
}

#[test]
fn limits_hold() {
    let limits = |max_message, max_metadata, max_payload| {
        let limits = Limits { max_message, max_metadata, max_payload, ..Limits::default() };
        Decoder::new().limits(limits).decode(&vec2()).map(|m| m.consumed).map_err(|e| (e.class, e.field))
    };
    assert_eq!(limits(25, 5, 8), Ok(25));
    assert_eq!(limits(24, 5, 8), Err((ErrorClass::LimitExceeded, "message")));
    assert_eq!(limits(25, 4, 8), Err((ErrorClass::LimitExceeded, "metadata")));
    assert_eq!(limits(25, 5, 7), Err((ErrorClass::LimitExceeded, "payload")));
}

/// Every error says where, what was expected and what was found; a peer's text is cut.
#[test]
fn errors_are_readable() {
    let mut input = vec2();
    input[2] = 7;
    assert_eq!(decode(&input).unwrap_err().to_string(), "header.version: expected 1, found 7 at byte 2");
    let long = [&[0x5a, 0x80, 0x02][..], &[b'x'; 256]].concat();
    let error = decode(&message(1, &long, b"")).unwrap_err();
    assert_eq!(error.field, "metadata.compression");
    assert!(error.to_string().len() < 150, "{error}");
}
