//! The same message in another form: it means the same. What an implementation says of one form is held against what it
//! says of the other, and against nothing else: no oracle has a say here, so that none can be wrong.

use std::sync::Arc;

use serde_json::{Value, json};

use super::decoding::any_field;
use super::draft::{BOTH, Draft, Property, part, part_of};
use super::message::Sample;
use super::random::Random;
use super::share::Share;
use super::value::Node;
use crate::build::{Blocks, Content, ContentSize, Fields, Frame, Message};
use crate::case::{Expect, Spec};

/// Forms of a message that are held against the first: enough that each kind of change comes about in a few cases.
pub(super) const FORMS: usize = 4;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "same-field-order",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-META-025"],
        why: "The fields of the metadata in any order say the same.",
        bug: "field-order-matters",
        make: field_order,
    },
    Property {
        name: "same-repeated-field",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-META-025"],
        why: "An earlier value of a field that has one value changes nothing.",
        bug: "earlier-value-kept",
        make: repeated_field,
    },
    Property {
        name: "same-unknown-fields",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-META-026"],
        why: "Fields that no dialect knows, anywhere among the others, change nothing.",
        bug: "unknown-field-matters",
        make: unknown_fields,
    },
    Property {
        name: "same-map-order",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-META-018"],
        why: "The entries of `extra` in any order, and an earlier value of a key, say the same.",
        bug: "map-order-matters",
        make: map_order,
    },
    Property {
        name: "same-map-written",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-META-018"],
        why: "In whatever order the entries of `extra` are handed to an encoder, its messages say the same.",
        bug: "map-order-matters",
        make: map_written,
    },
    Property {
        name: "same-longer-varints",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-META-005", "AVP-META-006", "AVP-META-010"],
        why: "A number in more bytes than it needs is the same number.",
        bug: "varint-length-matters",
        make: longer_varints,
    },
    Property {
        name: "same-packing",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-META-010"],
        why: "A shape in one run, in several, dimension by dimension or mixed is the same shape.",
        bug: "packing-matters",
        make: packing,
    },
    Property {
        name: "same-compressed",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-HDR-008", "AVP-CMP-005", "AVP-CMP-008"],
        why: "A payload in any legal frame, or in none, is the same payload.",
        bug: "compression-matters",
        make: compressed,
    },
    Property {
        name: "same-text",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-JSON-005"],
        why: "A text message with its members in another order, other white space and other escapes says the same.",
        bug: "json-form-matters",
        make: text,
    },
];

/// Asks about each form; all must mean the same.
pub(super) fn all_same(draft: &mut Draft, forms: Vec<Vec<u8>>) {
    for form in forms {
        draft.step("decode", json!({}), vec![part("message", form)], Expect::Alive);
    }
    draft.all_mean_the_same();
}

/// A message that has something to say in every kind of field.
pub(super) fn talkative(random: &mut Random, spec: Spec) -> Sample {
    let mut sample = Sample::new(random, spec);
    sample.set_text(0, random.word(8));
    sample.set_shape((0..random.between(1, 4)).map(|_| random.number()).collect());
    if random.once_in(2) {
        sample.add_extra(format!("_k{}", random.word(4)), random.text(8));
    }
    sample.checksum = spec == Spec::V04 && random.once_in(4);
    sample
}

/// Another form of the fields of a metadata section, each with its tag.
type Rewording = fn(&mut Random, Vec<Vec<u8>>, Spec) -> Vec<Vec<u8>>;

/// The message, and forms of it whose metadata `change` made of its fields.
fn reworded(random: &mut Random, draft: &mut Draft, change: Rewording) {
    let spec = draft.spec;
    let sample = talkative(random, spec);
    let fields = sample.fields(spec);
    let mut forms = vec![sample.message(spec).to_bytes()];
    for _ in 0..FORMS {
        let changed = change(random, fields.clone(), spec);
        forms.push(sample.message_of(spec, changed.concat()).to_bytes());
    }
    all_same(draft, forms);
}

fn number_of(field: &[u8]) -> u8 {
    // Every number that a dialect knows fits one byte with its wire type.
    field.first().map_or(0, |tag| tag >> 3)
}

fn field_order(random: &mut Random, draft: &mut Draft) {
    reworded(random, draft, |random, mut fields, _| {
        random.shuffle(&mut fields);
        fields
    });
}

fn repeated_field(random: &mut Random, draft: &mut Draft) {
    reworded(random, draft, |random, fields, _| {
        let mut changed = Vec::new();
        for field in fields {
            let number = number_of(&field);
            if !matches!(number, 9 | 14) && random.once_in(2) {
                let mut earlier = Fields::new();
                match field[0] & 7 {
                    // Values that are known, so that a refusal of an unknown one is not what shows.
                    0 if matches!(number, 7 | 8 | 10) => earlier.varint(number.into(), 0),
                    0 => earlier.varint(number.into(), random.number().into()),
                    2 => earlier.string(number.into(), &random.word(6)),
                    _ => earlier.fixed32(number.into(), 1f32.to_bits()),
                };
                // Anywhere before the one that counts.
                changed.insert(random.below(changed.len() + 1), earlier.into_bytes());
            }
            changed.push(field);
        }
        changed
    });
}

fn unknown_fields(random: &mut Random, draft: &mut Draft) {
    reworded(random, draft, |random, mut fields, spec| {
        for _ in 0..random.between(1, 4) {
            let at = random.below(fields.len() + 1);
            fields.insert(at, unknown(random, spec));
        }
        fields
    });
}

/// A field of a number that the dialect does not know, of any wire type. Field 12 of the older dialect is unknown to the
/// newer one.
fn unknown(random: &mut Random, spec: Spec) -> Vec<u8> {
    let number = match spec {
        Spec::V04 if random.once_in(3) => 12,
        _ => random.pick(&[16, 17, 31, 99, 150, 2047, 2048, 18_999, 20_000, 536_870_911]),
    };
    any_field(random, number)
}

fn map_order(random: &mut Random, draft: &mut Draft) {
    let spec = draft.spec;
    let mut sample = talkative(random, spec);
    // No character of a random text is the line, so that no two keys are one.
    for i in 0..random.between(2, 6) {
        sample.add_extra(format!("{}_{i}", random.text(4)), random.text(6));
    }
    let fields = sample.fields(spec);
    let (entries, rest): (Vec<_>, Vec<_>) = fields.into_iter().partition(|field| number_of(field) == 14);
    let mut forms = vec![sample.message(spec).to_bytes()];
    for _ in 0..FORMS {
        let mut entries = entries.clone();
        random.shuffle(&mut entries);
        if random.once_in(2) {
            // The key of the last entry with another value, before it.
            let (key, _) = sample.last_extra();
            let mut earlier = Fields::new();
            earlier.entry(14, Some(key), Some(&random.word(5)));
            entries.insert(0, earlier.into_bytes());
        }
        let fields = [rest.concat(), entries.concat()].concat();
        forms.push(sample.message_of(spec, fields).to_bytes());
    }
    all_same(draft, forms);
}

fn map_written(random: &mut Random, draft: &mut Draft) {
    let spec = draft.spec;
    let mut sample = Sample::new(random, spec);
    for i in 0..random.between(2, 5) {
        sample.add_extra(format!("{}_{i}", random.text(4)), random.text(6));
    }
    let metadata = sample.metadata(spec);
    for _ in 0..FORMS {
        let mut metadata = metadata.clone();
        if let Some(Value::Object(extra)) = metadata.get_mut("extra") {
            let mut entries: Vec<_> = std::mem::take(extra).into_iter().collect();
            random.shuffle(&mut entries);
            extra.extend(entries);
        }
        let args = json!({ "metadata": metadata, "compression": "none" });
        draft.step("encode", args, vec![part("payload", sample.payload.clone())], Expect::Alive);
    }
    for step in 0..FORMS {
        draft.step("decode", json!({}), vec![part_of("message", step)], Expect::Alive);
    }
    draft.all_mean_the_same();
}

fn longer_varints(random: &mut Random, draft: &mut Draft) {
    // Numbers that stand alone, or those of a shape: they are read by different hands.
    if draft.index().is_multiple_of(2) {
        draft.requirements(&["AVP-META-005", "AVP-META-006"]);
        return reworded(random, draft, |random, fields, _| {
            fields
                .into_iter()
                .map(|field| if random.once_in(4) { field } else { longer(random, field) })
                .collect()
        });
    }
    draft.requirements(&["AVP-META-010"]);
    reworded(random, draft, |random, fields, _| {
        fields.into_iter().map(|field| longer_run(random, field)).collect()
    });
}

/// A field of one number, in more bytes.
fn longer(random: &mut Random, field: Vec<u8>) -> Vec<u8> {
    if field[0] & 7 != 0 {
        return field;
    }
    let mut padded = Fields::new();
    let value = varints(&field[1..]).first().copied().unwrap_or_default();
    padded.varint_padded(number_of(&field).into(), value, pad(random, value));
    padded.into_bytes()
}

/// A shape whose dimensions take more bytes.
fn longer_run(random: &mut Random, field: Vec<u8>) -> Vec<u8> {
    if (number_of(&field), field[0] & 7) != (9, 2) {
        return field;
    }
    // One byte of length stands behind the tag: a shape has few dimensions.
    let mut run = Vec::new();
    for value in varints(&field[2..]) {
        let mut padded = Fields::new();
        padded.varint_padded(1, value, pad(random, value));
        run.extend_from_slice(&padded.as_bytes()[1..]);
    }
    let mut padded = Fields::new();
    padded.bytes(9, &run);
    padded.into_bytes()
}

/// Bytes that a varint may be longer than it needs: ten in all are legal.
fn pad(random: &mut Random, value: u64) -> usize {
    let needed = (64 - value.leading_zeros() as usize).div_ceil(7).max(1);
    random.between(1, 10 - needed)
}

/// The numbers of a run of varints that a builder of this crate wrote.
fn varints(bytes: &[u8]) -> Vec<u64> {
    let mut values = Vec::new();
    let (mut value, mut shift) = (0, 0);
    for byte in bytes {
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            values.push(value);
            (value, shift) = (0, 0);
        }
    }
    values
}

fn packing(random: &mut Random, draft: &mut Draft) {
    let spec = draft.spec;
    let mut sample = talkative(random, spec);
    let shape: Vec<u64> = (0..random.between(1, 8)).map(|_| random.number().into()).collect();
    sample.set_shape(shape.iter().map(|&dim| dim as u32).collect());
    let rest: Vec<Vec<u8>> = sample.fields(spec).into_iter().filter(|field| number_of(field) != 9).collect();
    let mut forms = vec![sample.message(spec).to_bytes()];
    for form in 0..FORMS {
        let mut pieces = Vec::new();
        let mut left = shape.as_slice();
        while !left.is_empty() {
            // The first form is unpacked throughout, the others mix runs of any length.
            let run = if form == 0 { 1 } else { random.between(1, left.len()) };
            let (now, later) = left.split_at(run);
            let mut field = Fields::new();
            match now {
                [one] if form == 0 || random.once_in(2) => field.varint(9, *one),
                several => field.packed(9, several),
            };
            pieces.push(field.into_bytes());
            left = later;
        }
        // Other fields may stand between the dimensions, whose order alone counts.
        let mut fields = rest.clone();
        let mut at = 0;
        for piece in pieces {
            at = random.between(at, fields.len());
            fields.insert(at, piece);
            at += 1;
        }
        forms.push(sample.message_of(spec, fields.concat()).to_bytes());
    }
    all_same(draft, forms);
}

fn compressed(random: &mut Random, draft: &mut Draft) {
    let spec = draft.spec;
    draft.requires("zstd");
    let mut sample = talkative(random, spec);
    let run = random.once_in(2);
    let len = random.pick(&[0, 1, 17, 255, 256, 3000, 65_535, 65_536]);
    sample.payload = if run { vec![random.below(256) as u8; len] } else { random.bytes(len) };
    let mut forms = vec![sample.message(spec).to_bytes()];
    sample.compressed = true;
    // One freedom a case: a reader that needs the size, or has no use for a checksum, is wrong in that alone.
    let (requirement, sized, checksum) = random.pick(&[
        ("AVP-HDR-008", true, false),
        ("AVP-CMP-008", true, true),
        ("AVP-CMP-005", false, false),
    ]);
    for _ in 0..FORMS {
        let mut frame = Frame::new(Content::Bytes(Arc::from(sample.payload.as_slice())));
        if run && random.once_in(2) {
            frame.blocks = Blocks::Rle;
        }
        frame.checksum = checksum;
        if !sized {
            frame.size = ContentSize::Absent;
        }
        if random.once_in(3) {
            frame.block = Some(random.pick(&[1000, 4096, 65_536]));
        }
        // Stored and repeated blocks of a content that is held can always be written.
        let payload = frame.to_bytes().unwrap_or_default();
        forms.push(Message { payload, ..sample.message(spec) }.to_bytes());
    }
    draft.requirements(&[requirement]);
    all_same(draft, forms);
}

fn text(random: &mut Random, draft: &mut Draft) {
    let mut members: Vec<(String, Node)> =
        ["avp_version", "session_id", "source_agent_id", "target_agent_id"]
            .into_iter()
            .map(|name| (name.to_owned(), Node::Text(random.text(8))))
            .collect();
    members.push(("content".to_owned(), Node::Text(random.text(40))));
    let extra = (0..random.below(4)).map(|i| (format!("{}{i}", random.text(3)), Node::Text(random.text(6))));
    let extra = extra.collect();
    members.push(("extra".to_owned(), Node::Object(extra)));
    let mut message = Node::Object(members);
    for form in 0..=FORMS {
        if form > 0 {
            message.shuffle(random);
        }
        let text = message.text(random).into_bytes();
        draft.step("json_decode", json!({}), vec![part("json", text)], Expect::Alive);
    }
    let all = (0..=FORMS).collect();
    draft.relation("/message", vec![all], false);
}
