//! The numbers of enumerations, read and written.

use serde_json::{Value, json};

use super::draft::{BOTH, Draft, Property, encoded, part};
use super::encoding::{arguments, expectation as written};
use super::message::Sample;
use super::mutation::expectation;
use super::random::Random;
use super::share::Share;
use crate::build::Fields;
use crate::case::Spec;
use crate::dissect::{self, Limits};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "enum-read",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-ENUM-001", "AVP-ENUM-006"],
        why: "A number of an enumeration means what the dialect's list says, and one that is not on the list is refused.",
        bug: "enum-misread",
        make: read,
    },
    Property {
        name: "enum-written",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-ENUM-001", "AVP-ENUM-006"],
        why: "Every name of an enumeration is written as the number that the dialect's list gives it.",
        bug: "enum-miswritten",
        make: write,
    },
];

/// The requirement that lists the values of a field.
fn list_of(field: u32, spec: Spec) -> &'static str {
    match (field, spec) {
        (7, _) => "AVP-ENUM-001",
        (8, _) => "AVP-ENUM-006",
        (_, Spec::V04) => "AVP-ENUM-004",
        (_, Spec::V02) => "AVP-ENUM-005",
    }
}

/// Half of the values are on the lists or next to them; of the others, any length of varint is as likely.
fn value(random: &mut Random) -> u64 {
    match random.below(4) {
        0 | 1 => random.below(8) as u64,
        2 => {
            random.pick(&[127, 128, 255, 256, 65_535, (1 << 31) - 1, 1 << 31, u64::from(u32::MAX), u64::MAX])
        }
        _ => random.u64() >> random.below(64),
    }
}

fn read(random: &mut Random, draft: &mut Draft) {
    loop {
        let sample = Sample::new(random, draft.spec);
        let (field, value) = (random.pick(&[7, 8, 10]), value(random));
        let mut message = sample.message(draft.spec);
        let start = 12 + message.metadata.len();
        // Behind the others: of a repeated field the last value counts.
        let mut last = Fields::new();
        last.varint(field, value);
        message.metadata.extend(last.into_bytes());
        let bytes = message.to_bytes();
        let done = dissect::message_within(&bytes, draft.spec, Limits::default());
        let refused = !done.faults.is_empty();
        let Some(expect) = expectation(&done, draft) else { continue };
        if !refused {
            let embedding = field == 7 && value == 2 && draft.spec == Spec::V02;
            draft.requirements(&[if embedding { "AVP-ENUM-002" } else { list_of(field, draft.spec) }]);
        }
        draft.why(format!("Field {field} with the value {value}."));
        let end = 12 + message.metadata.len();
        draft.step("decode", Value::Null, vec![part("message", bytes)], expect);
        draft.patched("message", start, end);
        return;
    }
}

fn write(random: &mut Random, draft: &mut Draft) {
    let sample = Sample::new(random, draft.spec);
    let mut expect = written(&sample, draft.spec);
    let mut ids = Vec::new();
    for (field, value) in sample.enums() {
        ids.push(list_of(field, draft.spec));
        // The first value of a list is what a field that is left out means.
        if value != 0 {
            let mut fields = Fields::new();
            fields.varint(field, value.into());
            expect.has_field.push((field, fields.into_bytes()));
        }
    }
    draft.requirements(&ids);
    let mut args = arguments(&sample, draft.spec, "none");
    if draft.spec == Spec::V04 {
        args["checksum"] = json!(false);
        draft.requires("checksum_off");
    }
    draft.step("encode", args, vec![part("payload", sample.payload.clone())], encoded(expect));
}
