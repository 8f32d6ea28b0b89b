//! What encoders write, and that decoders read it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::draft::{BOTH, Draft, Property, V04, encoded, ok, part, part_of};
use super::message::Sample;
use super::random::Random;
use super::share::Share;
use crate::build::crc32;
use crate::case::{EncodedExpect, Spec};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "encode-message",
        share: Share::Weight(256),
        specs: BOTH,
        requirements: &[
            "AVP-HDR-001",
            "AVP-HDR-004",
            "AVP-HDR-014",
            "AVP-HDR-016",
            "AVP-HDR-017",
            "AVP-HDR-018",
        ],
        why: "Any metadata and payload become a message whose every byte follows the layout.",
        bug: "encoder-layout",
        make: encode_message,
    },
    Property {
        name: "encode-compressed",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-HDR-008", "AVP-META-012", "AVP-CMP-001", "AVP-CMP-003", "AVP-CMP-004"],
        why: "A compressed message carries one zstd frame of the payload, with its size, and says so in flag and field.",
        bug: "encoder-compression",
        make: encode_compressed,
    },
    Property {
        name: "encode-checksum",
        share: Share::Weight(64),
        specs: V04,
        requirements: &["AVP-META-020", "AVP-CMP-012", "AVP-CMP-013"],
        why: "The checksum is the CRC-32 of the payload before compression.",
        bug: "encoder-checksum",
        make: encode_checksum,
    },
    Property {
        name: "round-trip",
        share: Share::Weight(192),
        specs: BOTH,
        requirements: &["AVP-META-032", "AVP-META-033", "AVP-HDR-018"],
        why: "What an implementation writes it also reads, to the last byte and character.",
        bug: "round-trip-lossy",
        make: round_trip,
    },
    Property {
        name: "text-round-trip",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-META-033"],
        why: "Texts may hold any Unicode scalar value, of any length in UTF-8, NUL included.",
        bug: "text-damaged",
        make: text_round_trip,
    },
    Property {
        name: "shape-round-trip",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-META-009", "AVP-META-032"],
        why: "Up to eight dimensions of any size, zeros included, come back as they were.",
        bug: "shape-damaged",
        make: shape_round_trip,
    },
];

pub(super) fn arguments(sample: &Sample, spec: Spec, compression: &str) -> Value {
    let mut metadata = sample.metadata(spec);
    metadata.shift_remove("compression");
    json!({ "metadata": metadata, "compression": compression })
}

pub(super) fn expectation(sample: &Sample, spec: Spec) -> EncodedExpect {
    EncodedExpect {
        metadata: Some(sample.metadata(spec)),
        payload: Some(Arc::from(sample.payload.as_slice())),
        compressed: Some(sample.compressed),
        flags: Some(sample.flags(spec)),
        ..EncodedExpect::default()
    }
}

pub(super) fn encode(draft: &mut Draft, sample: &Sample, compression: &str) {
    let spec = draft.spec;
    let parts = vec![part("payload", sample.payload.clone())];
    draft.step("encode", arguments(sample, spec, compression), parts, encoded(expectation(sample, spec)));
}

fn encode_message(random: &mut Random, draft: &mut Draft) {
    let mut sample = Sample::new(random, draft.spec);
    if random.once_in(8) {
        sample.payload = random.bytes([255, 256, 65535, 65536][draft.index() / 8 % 4]);
    }
    encode(draft, &sample, "none");
}

fn encode_compressed(random: &mut Random, draft: &mut Draft) {
    let mut sample = Sample::new(random, draft.spec);
    sample.payload = compressible(random);
    sample.compressed = true;
    draft.requires("zstd");
    encode(draft, &sample, random.pick(&["fast", "balanced", "max"]));
}

/// Payloads that shrink, stay, or are one long run.
fn compressible(random: &mut Random) -> Vec<u8> {
    let len = random.pick(&[0, 1, 100, 255, 256, 257, 5000, 70_000]);
    match random.below(3) {
        0 => random.bytes(len),
        1 => vec![random.below(256) as u8; len],
        _ => random.bytes(1 + len / 50).into_iter().cycle().take(len).collect(),
    }
}

fn encode_checksum(random: &mut Random, draft: &mut Draft) {
    let mut sample = Sample::new(random, draft.spec);
    sample.compressed = random.once_in(3);
    if sample.compressed {
        draft.requires("zstd");
        sample.payload = compressible(random);
    }
    draft.requires("checksum");
    let mut field = vec![0x78];
    let mut rest = crc32(&sample.payload);
    while rest >= 0x80 {
        field.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    field.push(rest as u8);
    let mut expect = expectation(&sample, draft.spec);
    expect.has_field = vec![(15, field)];
    let level = if sample.compressed { "balanced" } else { "none" };
    let mut args = arguments(&sample, draft.spec, level);
    args["checksum"] = json!(true);
    draft.step("encode", args, vec![part("payload", sample.payload.clone())], encoded(expect));
}

fn decode_back(draft: &mut Draft, sample: &Sample) {
    let content = json!({ "metadata": sample.metadata(draft.spec) });
    let payload = vec![("payload".to_owned(), Arc::from(sample.payload.as_slice()))];
    draft.step("decode", json!({}), vec![part_of("message", 0)], ok(content, payload));
}

fn round_trip(random: &mut Random, draft: &mut Draft) {
    let mut sample = Sample::new(random, draft.spec);
    sample.compressed = random.once_in(3);
    let level = if sample.compressed {
        draft.requires("zstd");
        sample.payload = compressible(random);
        random.pick(&["fast", "balanced"])
    } else {
        "none"
    };
    encode(draft, &sample, level);
    decode_back(draft, &sample);
}

fn text_round_trip(random: &mut Random, draft: &mut Draft) {
    let mut sample = Sample::default();
    for which in 0..4 {
        let long = if random.once_in(8) { 2000 } else { 40 };
        let text: String = (0..random.below(long)).map(|_| scalar(random)).collect();
        sample.set_text(which, text);
    }
    sample.set_map_id((0..random.below(20)).map(|_| scalar(random)).collect());
    for i in 0..random.below(5) {
        let key: String = (0..random.below(8)).map(|_| scalar(random)).collect();
        // A key that begins with a dollar or ends with a question mark means more than itself in an expectation.
        sample.add_extra(format!("{i}{key}{i}"), (0..random.below(30)).map(|_| scalar(random)).collect());
    }
    encode(draft, &sample, "none");
    decode_back(draft, &sample);
}

/// Any Unicode scalar value, each plane alike.
fn scalar(random: &mut Random) -> char {
    let limit = random.pick(&[0x80, 0x800, 0x1_0000, 0x11_0000]);
    char::from_u32(random.below(limit) as u32).unwrap_or('\u{fffd}')
}

fn shape_round_trip(random: &mut Random, draft: &mut Draft) {
    let mut sample = Sample::default();
    sample.set_shape((0..random.between(1, 8)).map(|_| random.number()).collect());
    encode(draft, &sample, "none");
    decode_back(draft, &sample);
}
