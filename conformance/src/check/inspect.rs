//! Messages that are only looked at.

use serde_json::{Value, json};

use super::decoding::any_valid;
use super::draft::{Draft, Property, V04, ok, part, reject};
use super::fault::spoilt;
use super::message::Sample;
use super::random::Random;
use super::share::Share;
use crate::dissect::{self, Stage, flag_bits};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "inspect",
        share: Share::Weight(48),
        specs: V04,
        requirements: &["AVP-API-016"],
        why: "Whoever looks at a message sees what is in its header and its metadata, whatever they hold.",
        bug: "inspect-fields",
        make: inspect,
    },
    Property {
        name: "inspect-fault",
        share: Share::Weight(24),
        specs: V04,
        requirements: &["AVP-API-016"],
        why: "What can't be read is refused with the decoder's own classes.",
        bug: "inspect-accepts-junk",
        make: fault,
    },
];

fn inspect(random: &mut Random, draft: &mut Draft) {
    let sample = any_valid(random, draft.spec);
    let message = sample.message(draft.spec);
    let bytes = message.to_bytes();
    let done = dissect::message(&bytes, draft.spec);
    let mut right = done.metadata_json().unwrap_or_default();
    // Not everybody shows what is not there.
    for optional in ["compression", "payload_checksum"] {
        let value = right.shift_remove(optional).filter(|value| !value.is_null());
        right.insert(format!("{optional}?"), value.unwrap_or(json!({"$absent": true})));
    }
    let (compressed, _, map, kv) = flag_bits(draft.spec);
    let is_set = |bit: u8| message.flags & bit != 0;
    right.insert("version".to_owned(), json!(1));
    right.insert("flags".to_owned(), json!(message.flags));
    right.insert("compressed".to_owned(), json!(is_set(compressed)));
    right.insert("has_map".to_owned(), json!(is_set(map)));
    right.insert("kv_cache".to_owned(), json!(is_set(kv)));
    right.insert("payload_length".to_owned(), json!(message.metadata.len() + message.payload.len()));
    right.insert("metadata_length".to_owned(), json!(message.metadata.len()));
    right.insert("raw_size".to_owned(), json!(bytes.len()));
    if sample.compressed {
        draft.requires("zstd");
    }
    draft.step("inspect", json!({}), vec![part("message", bytes)], ok(Value::Object(right), Vec::new()));
}

fn fault(random: &mut Random, draft: &mut Draft) {
    let mut message = Sample::new(random, draft.spec).message(draft.spec);
    // Of header and metadata, which is what is shown; whether a payload is good is not asked.
    let code = spoilt(random, draft, &mut message, |stage| stage <= Stage::Metadata);
    draft.step("inspect", json!({}), vec![part("message", message.to_bytes())], reject(&[code]));
}
