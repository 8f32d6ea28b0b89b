//! Goldens, a table of faults, and the promise that nothing panics and every byte has a field.

use std::ops::Range;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::case::Spec;

fn golden(name: &str) -> Vec<u8> {
    let all: serde_json::Value = serde_json::from_str(include_str!("../../../vectors/goldens.json")).unwrap();
    unhex(all[name].as_str().unwrap())
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// A message with these flags, metadata and payload section.
fn message_of(flags: u8, metadata: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x41, 0x56, 1, flags];
    bytes.extend(((metadata.len() + payload.len()) as u32).to_le_bytes());
    bytes.extend((metadata.len() as u32).to_le_bytes());
    bytes.extend(metadata);
    bytes.extend(payload);
    bytes
}

/// A message with VEC2's metadata and `more` metadata behind it, and its payload.
fn vec2_with(more: &[u8]) -> Vec<u8> {
    let mut metadata = unhex("28024a0102");
    metadata.extend(more);
    message_of(0, &metadata, &unhex("0000803f00000040"))
}

fn assert_tiled(fields: &[Field], len: usize) {
    let mut at = 0;
    for (i, field) in fields.iter().enumerate() {
        assert!(field.start <= field.end && field.end <= len, "{field:?} in {len} bytes");
        let parent = fields.get(i + 1).is_some_and(|next| next.depth > field.depth && next.start < field.end);
        if !parent {
            assert_eq!(field.start, at, "{field:?}");
            at = field.end;
        }
    }
    assert_eq!(at, len);
}

#[test]
fn the_published_vectors() {
    for name in ["VEC1", "VEC1c", "VEC2", "VEC2c", "EMPTY", "EMPTYc"] {
        let bytes = golden(name);
        let done = message(&bytes, Spec::V04);
        assert_eq!(done.faults, [], "{name}");
        assert_eq!(done.warnings, [], "{name}");
        assert_tiled(&done.fields, bytes.len());
        for finding in encoder_findings(&done, Spec::V04) {
            assert!(finding.ok, "{name}: {finding:?}");
        }
    }
    let bytes = golden("VEC1c");
    let metadata = message(&bytes, Spec::V04).metadata_json().unwrap();
    let expected = json!({
        "session_id": "", "source_agent_id": "agent-a", "target_agent_id": "", "model_id": "test-model",
        "hidden_dim": 4, "num_layers": 0, "payload_type": "HIDDEN_STATE", "dtype": "FLOAT32", "tensor_shape": [4],
        "mode": "LATENT", "compression": null, "avp_map_id": "", "extra": {}, "payload_checksum": 2_743_642_564_u32,
    });
    assert_eq!(serde_json::Value::Object(metadata), expected);
}

#[test]
fn single_faults() {
    let vec2 = golden("VEC2");
    let patched = |at: usize, bytes: &[u8]| {
        let mut message = vec2.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    let zstd = |frame: &[u8]| message_of(1, &unhex("5a047a737464"), frame);
    let empty_frame = golden("ZSTD_EMPTY");
    let skippable = [&unhex("502a4d180100000000")[..], &empty_frame].concat();
    for (name, bytes, stage, class, id) in [
        ("short", vec2[..11].to_vec(), Stage::TooShort, Class::Decode, "AVP-HDR-020"),
        ("nothing", Vec::new(), Stage::TooShort, Class::Decode, "AVP-HDR-020"),
        ("magic", patched(0, &[0x56, 0x41]), Stage::Magic, Class::InvalidMagic, "AVP-HDR-002"),
        ("version", patched(2, &[2]), Stage::Version, Class::UnsupportedVersion, "AVP-HDR-005"),
        ("cut", vec2[..24].to_vec(), Stage::Truncation, Class::Decode, "AVP-HDR-021"),
        ("4 GiB", unhex("41560100ffffffff00000000"), Stage::Truncation, Class::Decode, "AVP-HDR-021"),
        ("mlen", patched(8, &[100]), Stage::Truncation, Class::Decode, "AVP-HDR-019"),
        ("mlen max", patched(8, &[255; 4]), Stage::Truncation, Class::Decode, "AVP-HDR-019"),
        ("junk", vec2_with(&[0xff, 0xff, 0xff]), Stage::Metadata, Class::Decode, "AVP-META-028"),
        ("packed junk", vec2_with(&[0x4a, 1, 0x80]), Stage::Metadata, Class::Decode, "AVP-META-028"),
        ("entry junk", vec2_with(&[0x72, 1, 0x0f]), Stage::Metadata, Class::Decode, "AVP-META-028"),
        ("utf-8", vec2_with(&unhex("2202fffe")), Stage::Metadata, Class::Decode, "AVP-META-029"),
        ("entry utf-8", vec2_with(&unhex("72030a01ff")), Stage::Metadata, Class::Decode, "AVP-META-029"),
        ("not zstd", zstd(b"hello"), Stage::Decompression, Class::Decode, "AVP-CMP-006"),
        ("no frame", zstd(b""), Stage::Decompression, Class::Decode, "AVP-CMP-006"),
        ("frame cut", zstd(&empty_frame[..8]), Stage::Decompression, Class::Decode, "AVP-CMP-006"),
        (
            "junk behind",
            zstd(&[&empty_frame[..], b"x"].concat()),
            Stage::Decompression,
            Class::Decode,
            "AVP-CMP-005",
        ),
        ("two frames", zstd(&empty_frame.repeat(2)), Stage::Decompression, Class::Decode, "AVP-CMP-005"),
        ("skippable", zstd(&skippable), Stage::Decompression, Class::Decode, "AVP-CMP-005"),
        (
            "2^62",
            zstd(&unhex("28b52ffde0000000000000004001000078")),
            Stage::Decompression,
            Class::LimitExceeded,
            "AVP-CMP-018",
        ),
        (
            "lz4",
            message_of(1, &unhex("5a036c7a34"), &empty_frame),
            Stage::Decompression,
            Class::Decode,
            "AVP-CMP-009",
        ),
        ("crc 0", vec2_with(&[0x78, 0]), Stage::Checksum, Class::Decode, "AVP-CMP-014"),
        ("embedding", vec2_with(&[0x38, 2]), Stage::Enums, Class::Decode, "AVP-ENUM-003"),
        ("float8", vec2_with(&[0x40, 4]), Stage::Enums, Class::Decode, "AVP-ENUM-007"),
        ("mode", vec2_with(&[0x50, 2]), Stage::Enums, Class::Decode, "AVP-ENUM-008"),
        (
            "minus one",
            vec2_with(&unhex("40ffffffffffffffffff01")),
            Stage::Enums,
            Class::Decode,
            "AVP-ENUM-008",
        ),
    ] {
        let done = message(&bytes, Spec::V04);
        let fault = done.faults.first().unwrap_or_else(|| panic!("{name}: no fault"));
        assert_eq!((fault.stage, fault.class), (stage, class), "{name}: {fault:?}");
        assert!(fault.requirements.contains(&id), "{name}: {fault:?}");
        assert_tiled(&done.fields, bytes.len());
        assert!(done.fields.iter().any(|f| f.note.as_deref().is_some_and(|n| n.contains('✗'))), "{name}");
    }
}

#[test]
fn what_is_legal_under_one_dialect_only() {
    let accepted = |bytes: &[u8], spec| message(bytes, spec).faults.is_empty();
    for (name, bytes, v02, v04) in [
        ("embedding", vec2_with(&[0x38, 2]), true, false),
        ("json under 0.2", vec2_with(&[0x50, 2]), true, false),
        ("wrong checksum", vec2_with(&[0x78, 7]), true, false),
        ("field 12 as a varint", vec2_with(&[0x60, 3]), true, true),
        ("field 12 as a float", vec2_with(&unhex("650000003f")), true, true),
        ("unknown field", vec2_with(&unhex("c00c03")), true, true),
        ("wrong wire type", vec2_with(&unhex("2a0161")), true, true),
        ("trailing", [golden("VEC2"), b"xyz".to_vec()].concat(), true, true),
        ("v0.1", golden("V01"), true, true),
    ] {
        assert_eq!(accepted(&bytes, Spec::V02), v02, "{name} under 0.2");
        assert_eq!(accepted(&bytes, Spec::V04), v04, "{name} under 0.4");
    }
    let with_score = vec2_with(&unhex("650000003f"));
    assert_eq!(message(&with_score, Spec::V02).metadata.unwrap().confidence_score, 0.5);
}

#[test]
fn faults_come_in_the_order_of_the_requirement() {
    let mut bytes = vec2_with(&unhex("78004004"));
    bytes[..3].copy_from_slice(b"XX\x07");
    let stages: Vec<_> = message(&bytes, Spec::V04).faults.iter().map(|f| f.stage).collect();
    assert_eq!(stages, [Stage::Magic, Stage::Version, Stage::Checksum, Stage::Enums]);
}

#[test]
fn metadata_by_the_rules_of_proto3() {
    let read = |hex: &str| {
        let bytes = message_of(0, &unhex(hex), &[]);
        let done = message(&bytes, Spec::V04);
        assert_eq!(done.faults, []);
        done.metadata.unwrap()
    };
    assert_eq!(read("48024803").tensor_shape, [2, 3]);
    assert_eq!(read("48024a0203054807").tensor_shape, [2, 3, 5, 7]);
    assert_eq!(read("220161220162").model_id, "b");
    assert_eq!(read("72060a0161120131").extra["a"], json!("1"));
    assert_eq!(read("72060a016112013172060a0161120132").extra["a"], json!("2"));
    assert_eq!(read("72030a0161").extra["a"], json!(""));
    assert_eq!(read("7200").extra[""], json!(""));
    assert_eq!(read("28858080808001").hidden_dim, 5 + (1u64 << 35) as u32);
    assert_eq!(read("7800").payload_checksum, Some(0));
    assert_eq!(read("").payload_checksum, None);
}

#[test]
fn encoder_findings_name_what_is_wrong() {
    for (bytes, spec, check) in [
        (message_of(0x80, &[], &[]), Spec::V04, "reserved-flags"),
        (message_of(0x00, &unhex("3801"), &[]), Spec::V04, "flag-kv"),
        (message_of(0x00, &unhex("3801"), &[]), Spec::V02, "flag-kv"),
        (message_of(0x04, &[], &[]), Spec::V02, "flag-map"),
        (message_of(0, &unhex("6a0161"), &[]), Spec::V04, "flag-map"),
        (message_of(0, &unhex("5001"), &[]), Spec::V02, "flag-hybrid"),
        (message_of(0, &unhex("650000003f"), &[]), Spec::V04, "field-12"),
        (message_of(0, &unhex("6500000000"), &[]), Spec::V02, "defaults"),
        (message_of(0, &unhex("2800"), &[]), Spec::V04, "defaults"),
        (message_of(0, &unhex("2200"), &[]), Spec::V04, "defaults"),
        (message_of(0, &unhex("4a01022802"), &[]), Spec::V04, "field-order"),
        (message_of(0, &unhex("48024803"), &[]), Spec::V04, "shape-packed"),
        (message_of(0, &unhex("7801"), b"x"), Spec::V04, "checksum"),
        (message_of(0, &unhex("5a047a737464"), &[]), Spec::V04, "compression-field"),
        (message_of(1, &unhex("5a047a737464"), b"raw"), Spec::V04, "flag-compressed"),
        (message_of(1, &unhex("5a047a737464"), &unhex("28b52ffd0058010000")), Spec::V04, "zstd-content-size"),
        (
            message_of(1, &unhex("5a047a737464"), &golden("ZSTD_EMPTY").repeat(2)),
            Spec::V04,
            "zstd-single-frame",
        ),
        (message_of(0, &unhex("4006"), &[]), Spec::V04, "dtype-value"),
        (vec2_with(&[0xff]), Spec::V04, "metadata-length"),
        ([golden("VEC2"), vec![0]].concat(), Spec::V04, "payload-length"),
        (vec![0x41; 5], Spec::V04, "sections"),
    ] {
        let done = message(&bytes, spec);
        let wrong: Vec<_> =
            encoder_findings(&done, spec).into_iter().filter(|f| !f.ok).map(|f| f.check).collect();
        assert_eq!(wrong, [check], "{bytes:02x?} under {spec:?}");
    }
}

#[test]
fn compressed_payloads_are_opened_within_the_limit() {
    let text = "the same words again and again, ".repeat(64);
    let frame = zstd::bulk::compress(text.as_bytes(), 3).unwrap();
    let bytes = message_of(1, &unhex("5a047a737464"), &frame);
    let done = message(&bytes, Spec::V04);
    assert_eq!(done.payload.as_deref(), Some(text.as_bytes()));
    assert_eq!(done.zstd.as_ref().and_then(|f| f.content_size), Some(text.len() as u64));
    assert_tiled(&done.fields, bytes.len());
    let tight = message_within(&bytes, Spec::V04, Limits { max_payload: 100 });
    assert_eq!(tight.faults[0].class, Class::LimitExceeded);
    assert_eq!(tight.payload, None);
}

#[test]
fn hybrid_payloads_of_dialect_02() {
    let payload = unhex("0a0d08011204010203041d0000003f0a0912026869 1d0000803e".replace(' ', "").as_str());
    let bytes = message_of(2, &unhex("5001"), &payload);
    let done = message(&bytes, Spec::V02);
    assert_eq!(done.faults, []);
    assert_eq!(&payload[done.hybrid.as_ref().unwrap().text().unwrap()], b"hi");
    assert_tiled(&done.fields, bytes.len());
}

fn check_everything(bytes: &[u8]) {
    for spec in [Spec::V02, Spec::V04] {
        let done = message_within(bytes, spec, Limits { max_payload: 1 << 16 });
        assert_tiled(&done.fields, bytes.len());
        encoder_findings(&done, spec);
        let lines = render::dump(bytes, &done.fields, &[Range { start: 1, end: 3 }]);
        render::text(&lines, &render::Style { ansi: true, width: 40 });
        if done.faults.is_empty() {
            assert!(done.metadata.is_some() && done.payload.is_some());
        }
    }
    assert_tiled(&kv(bytes).fields, bytes.len());
    assert_tiled(&zstd_frame(bytes, 1 << 16).fields, bytes.len());
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_everything(&bytes);
    }

    #[test]
    fn arbitrary_sections(flags in any::<u8>(), metadata in prop::collection::vec(any::<u8>(), 0..60),
                          payload in prop::collection::vec(any::<u8>(), 0..60)) {
        check_everything(&message_of(flags, &metadata, &payload));
    }

    #[test]
    fn mutated_goldens(which in 0usize..7, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
                       cut in any::<prop::sample::Index>()) {
        let frame = zstd::bulk::compress(&[7u8; 999], 1).unwrap();
        let mut bytes = match which {
            0..=5 => golden(["VEC1", "VEC2c", "V01", "KV1", "EMPTYc", "ZSTD_EMPTY"][which]),
            _ => message_of(1, &unhex("5a047a737464"), &frame),
        };
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() * 4) + 1);
        check_everything(&bytes);
    }
}
