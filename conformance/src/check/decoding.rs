//! What decoders read: valid messages, whatever the order and form of their fields.

use std::sync::Arc;

use serde_json::{Value, json};

use super::draft::{BOTH, Draft, Property, ok, part, reject};
use super::message::Sample;
use super::random::Random;
use super::share::Share;
use crate::build::{Content, ContentSize, Fields, Frame, Message};
use crate::case::Spec;
use crate::dissect;
use crate::oracle::{self, Dialect};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "decode-message",
        share: Share::Weight(192),
        specs: BOTH,
        requirements: &["AVP-HDR-016", "AVP-HDR-017", "AVP-HDR-018"],
        why: "Any well-formed message is read in full: header, every metadata field, every payload byte.",
        bug: "decoder-layout",
        make: decode_message,
    },
    Property {
        name: "decode-any-field-order",
        share: Share::Weight(128),
        specs: BOTH,
        requirements: &["AVP-META-025", "AVP-META-026", "AVP-META-010"],
        why: "Fields may stand in any order, among unknown ones; a repeated one counts last; a shape may be unpacked.",
        bug: "decoder-field-order",
        make: decode_any_field_order,
    },
    Property {
        name: "decode-compressed",
        share: Share::Permille(100),
        specs: BOTH,
        requirements: &["AVP-HDR-008", "AVP-CMP-005", "AVP-CMP-008"],
        why: "A frame of any legal form is opened: stored or repeated blocks, with and without size and checksum.",
        bug: "decoder-frame-form",
        make: decode_compressed,
    },
    Property {
        name: "decode-dialect",
        share: Share::Weight(96),
        specs: BOTH,
        requirements: &["AVP-HDR-030"],
        why: "Flags and metadata give a consistent message's dialect away; one that fits both is neutral.",
        bug: "dialect-misdetected",
        make: decode_dialect,
    },
    Property {
        name: "prefix",
        share: Share::Weight(128),
        specs: BOTH,
        requirements: &["AVP-HDR-020", "AVP-HDR-021"],
        why: "No proper beginning of a message is a message.",
        bug: "truncation-accepted",
        make: prefix,
    },
    Property {
        name: "magic",
        share: Share::Weight(128),
        specs: BOTH,
        requirements: &["AVP-HDR-002"],
        why: "Whatever else stands in the first two bytes, it is no message of this protocol.",
        bug: "magic-unchecked",
        make: magic,
    },
];

/// `ok` of a decode of this message: header, metadata, consumed, payload.
fn whole(message: &Message, sample: &Sample, spec: Spec) -> crate::case::Expect {
    let (metadata, section) = (message.metadata.len(), message.payload.len());
    let content = json!({
        "header": {
            "version": 1,
            "flags": message.flags,
            "payload_length": metadata + section,
            "metadata_length": metadata,
        },
        "metadata": sample.metadata(spec),
        "consumed?": 12 + metadata + section,
    });
    ok(content, vec![("payload".to_owned(), Arc::from(sample.payload.as_slice()))])
}

pub(super) fn decode(draft: &mut Draft, message: &Message, sample: &Sample) {
    if sample.compressed {
        draft.requires("zstd");
    }
    let expect = whole(message, sample, draft.spec);
    draft.step("decode", json!({}), vec![part("message", message.to_bytes())], expect);
}

/// A valid message that may be compressed or carry a checksum.
pub(super) fn any_valid(random: &mut Random, spec: Spec) -> Sample {
    let mut sample = Sample::new(random, spec);
    sample.compressed = random.once_in(4);
    sample.checksum = spec == Spec::V04 && random.once_in(2);
    sample
}

fn decode_message(random: &mut Random, draft: &mut Draft) {
    let sample = any_valid(random, draft.spec);
    decode(draft, &sample.message(draft.spec), &sample);
}

fn decode_any_field_order(random: &mut Random, draft: &mut Draft) {
    let mut sample = any_valid(random, draft.spec);
    let spec = draft.spec;
    // A repeated singular field: a first value that the real one, behind it, replaces.
    let real = sample.fields(spec);
    let mut pieces = Vec::new();
    for number in [1, 4, 13] {
        if let Some(at) = real.iter().position(|piece| piece[0] >> 3 == number) {
            let mut earlier = Fields::new();
            earlier.string(u32::from(number), &random.word(5));
            pieces.push(earlier.into_bytes());
            pieces.push(real[at].clone());
        }
    }
    let mut rest: Vec<_> = real.into_iter().filter(|piece| ![1, 4, 13].contains(&(piece[0] >> 3))).collect();
    for _ in 0..random.below(4) {
        rest.push(unknown(random));
    }
    random.shuffle(&mut rest);
    for piece in rest {
        pieces.insert(0, piece);
    }
    if random.once_in(3) {
        let shape: Vec<u32> = (0..random.between(1, 4)).map(|_| random.number()).collect();
        pieces.retain(|piece| piece[0] >> 3 != 9);
        let unpacked = shape.iter().map(|&d| {
            let mut field = Fields::new();
            field.varint(9, d.into());
            field.into_bytes()
        });
        pieces.extend(unpacked);
        sample.set_shape(shape);
    }
    let message = sample.message_of(spec, pieces.concat());
    decode(draft, &message, &sample);
}

/// A field of a number that no dialect knows, of any wire type.
/// A field of a number that no dialect knows.
fn unknown(random: &mut Random) -> Vec<u8> {
    let number = random.pick(&[16, 17, 99, 150, 200, 2047, 2048, 19_999, 536_870_911]);
    any_field(random, number)
}

/// A field of any wire type.
pub(super) fn any_field(random: &mut Random, number: u32) -> Vec<u8> {
    let mut field = Fields::new();
    match random.below(4) {
        0 => field.varint(number, random.u64()),
        1 => field.fixed32(number, random.u32()),
        2 => field.fixed64(number, random.u64()),
        _ => {
            let len = random.below(20);
            field.bytes(number, &random.bytes(len))
        }
    };
    field.into_bytes()
}

fn decode_compressed(random: &mut Random, draft: &mut Draft) {
    let mut sample = Sample::new(random, draft.spec);
    sample.compressed = true;
    let run = random.once_in(2);
    // Borders of the forms in which a size is written, and more than one block of 128 KiB.
    let len =
        if draft.index() == 0 { 140_000 } else { random.pick(&[0, 1, 255, 256, 257, 3000, 65_791, 65_792]) };
    sample.payload = if run { vec![random.below(256) as u8; len] } else { random.bytes(len) };
    let mut frame = Frame::new(Content::Bytes(Arc::from(sample.payload.as_slice())));
    if run {
        frame.blocks = crate::build::Blocks::Rle;
    }
    frame.checksum = random.once_in(2);
    let sized = !random.once_in(3);
    if !sized {
        frame.size = ContentSize::Absent;
    }
    if random.once_in(3) {
        frame.block = Some(random.pick(&[1000, 4096, 65_536]));
    }
    // Every frame described above can be written: stored or repeated blocks of a content that is held.
    let section = frame.to_bytes().unwrap_or_default();
    let mut message = sample.message(draft.spec);
    message.payload = section;
    let mut ids = vec!["AVP-HDR-008"];
    if !sized {
        ids = vec!["AVP-CMP-005"];
    } else if frame.checksum {
        ids.push("AVP-CMP-008");
    }
    draft.requirements(&ids);
    decode(draft, &message, &sample);
}

fn decode_dialect(random: &mut Random, draft: &mut Draft) {
    draft.requires("auto_dialect");
    loop {
        // A message as an encoder of the case's dialect writes it; detection must not need to be told which.
        let mut sample = Sample::new(random, draft.spec);
        sample.checksum = draft.spec == Spec::V04 && random.once_in(4);
        let message = sample.message(draft.spec).to_bytes();
        let done = dissect::message(&message, draft.spec);
        let (Some(metadata), Some(header)) = (&done.metadata, done.header) else { continue };
        let found = oracle::dialect(header.flags, metadata);
        if let (Some(word), true) = (found.as_str(), found != Dialect::V01) {
            let content = json!({ "dialect": word, "metadata": sample.metadata(draft.spec) });
            let payload = vec![("payload".to_owned(), Arc::from(sample.payload.as_slice()))];
            draft.step(
                "decode",
                json!({"dialect": "auto"}),
                vec![part("message", message)],
                ok(content, payload),
            );
            return;
        }
    }
}

fn prefix(random: &mut Random, draft: &mut Draft) {
    let sample = any_valid(random, draft.spec);
    let bytes = sample.message(draft.spec).to_bytes();
    let len = random.below(bytes.len());
    if sample.compressed {
        draft.requires("zstd");
    }
    draft.requirements(if len < 12 { &["AVP-HDR-020"] } else { &["AVP-HDR-021"] });
    draft.step("decode", Value::Null, vec![part("message", &bytes[..len])], reject(&["decode"]));
}

fn magic(random: &mut Random, draft: &mut Draft) {
    let sample = Sample::new(random, draft.spec);
    let mut message = sample.message(draft.spec);
    let wrong: [u8; 2] = match random.below(4) {
        0 => [random.below(256) as u8, b'V'],
        1 => [b'A', random.below(256) as u8],
        2 => [random.below(256) as u8, random.below(256) as u8],
        _ => random.pick(&[*b"av", *b"aV", *b"Av", *b"VA", *b"AE", [0, 0], [0xff, 0xff], *b"AW", *b"BV"]),
    };
    message.magic = if wrong == *b"AV" { *b"VA" } else { wrong };
    draft.step("decode", Value::Null, vec![part("message", message.to_bytes())], reject(&["invalid_magic"]));
    draft.patched("message", 0, 2);
}
