//! Several messages in one stream, cut anywhere.

use std::sync::Arc;

use serde_json::{Value, json};

use super::draft::{BOTH, Draft, Property, ok, part, reject};
use super::message::Sample;
use super::random::Random;
use super::share::Share;
use crate::case::Spec;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "stream",
        share: Share::Weight(96),
        specs: BOTH,
        requirements: &["AVP-HDR-022"],
        why: "Messages that follow each other come apart at the right places, however the bytes arrive.",
        bug: "stream-out-of-step",
        make: stream,
    },
    Property {
        name: "stream-broken",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-HDR-002", "AVP-HDR-005", "AVP-HDR-022"],
        why: "A stream whose next message is no message is refused; skipping to something that looks right is a guess.",
        bug: "stream-resynchronised",
        make: broken,
    },
];

fn samples(random: &mut Random, spec: Spec) -> Vec<Sample> {
    (0..random.between(1, 4)).map(|_| Sample::new(random, spec)).collect()
}

/// Up to eight offsets inside the stream, ascending; now and then every one of a short stretch.
fn splits(random: &mut Random, len: usize) -> Vec<usize> {
    if len < 2 {
        return Vec::new();
    }
    let mut at: Vec<usize> = if random.once_in(4) {
        let start = random.between(1, len - 1);
        (start..len.min(start + 16)).collect()
    } else {
        (0..random.below(9)).map(|_| random.between(1, len - 1)).collect()
    };
    at.sort_unstable();
    at.dedup();
    at
}

fn stream(random: &mut Random, draft: &mut Draft) {
    let samples = samples(random, draft.spec);
    let mut bytes: Vec<u8> = samples.iter().flat_map(|s| s.message(draft.spec).to_bytes()).collect();
    // The beginning of one more message may be left over.
    let next = Sample::new(random, draft.spec).message(draft.spec).to_bytes();
    let rest = if random.once_in(2) { random.below(next.len()) } else { 0 };
    bytes.extend_from_slice(&next[..rest]);
    let messages: Vec<Value> = samples
        .iter()
        .map(|s| {
            let message = s.message(draft.spec);
            let length = message.metadata.len() + message.payload.len();
            json!({"$subset": {
                "header": {"$subset": {"flags": message.flags, "payload_length": length}},
                "metadata": s.metadata(draft.spec),
            }})
        })
        .collect();
    let payloads = samples
        .iter()
        .enumerate()
        .map(|(i, s)| (format!("payload{i}"), Arc::from(s.payload.as_slice())))
        .collect();
    let args = json!({ "splits": splits(random, bytes.len()) });
    let expect = ok(json!({ "messages": messages, "rest": rest }), payloads);
    draft.step("decode_stream", args, vec![part("stream", bytes)], expect);
}

fn broken(random: &mut Random, draft: &mut Draft) {
    let mut bytes: Vec<u8> =
        samples(random, draft.spec).iter().flat_map(|s| s.message(draft.spec).to_bytes()).collect();
    let start = bytes.len();
    let mut next = Sample::new(random, draft.spec).message(draft.spec);
    let code = if random.once_in(2) {
        next.magic[random.below(2)] ^= 1 << random.below(8);
        "invalid_magic"
    } else {
        next.version = random.pick(&[0, 2, 3, 255]);
        "unsupported_version"
    };
    bytes.extend(next.to_bytes());
    let args = json!({ "splits": splits(random, bytes.len()) });
    draft.step("decode_stream", args, vec![part("stream", bytes)], reject(&[code]));
    draft.patched("stream", start, start + 3);
}
