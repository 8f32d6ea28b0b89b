//! Payloads of any length: buffers, counters and blocks have borders that nobody announces.

use serde_json::json;

use super::decoding::decode;
use super::draft::{BOTH, Draft, Property, ok, part};
use super::encoding::encode;
use super::message::Sample;
use super::random::Random;
use super::share::Share;
use crate::case::Dtype;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "decode-volume",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-HDR-016", "AVP-HDR-018"],
        why: "A payload is read to its last byte, however long it is.",
        bug: "decoder-volume",
        make: decode_volume,
    },
    Property {
        name: "encode-volume",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-HDR-016", "AVP-HDR-018"],
        why: "A payload is written to its last byte, however long it is.",
        bug: "encoder-volume",
        make: encode_volume,
    },
    Property {
        name: "tensor-volume",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-PAY-001", "AVP-PAY-006"],
        why: "A tensor becomes its bytes and back, however many they are.",
        bug: "tensor-volume",
        make: tensor_volume,
    },
];

/// Longest payload. Above the borders of 16 and 17 bits, and of the blocks that compressors and pipes work in; short
/// enough that hundreds of them take no time.
const LONGEST: usize = 160_000;

/// From here on a length is long: below the border of 16 bits, so that both its sides are met.
const LONG: usize = 60_000;

/// A length; one in four is long.
fn volume(random: &mut Random) -> usize {
    if random.once_in(4) { random.between(LONG, LONGEST) } else { random.length(LONGEST) }
}

fn sample(random: &mut Random, draft: &Draft) -> Sample {
    let len = volume(random);
    let payload = random.bytes(len);
    let mut sample = Sample::new(random, draft.spec);
    sample.payload = payload;
    sample
}

fn decode_volume(random: &mut Random, draft: &mut Draft) {
    let sample = sample(random, draft);
    decode(draft, &sample.message(draft.spec), &sample);
}

fn encode_volume(random: &mut Random, draft: &mut Draft) {
    let sample = sample(random, draft);
    encode(draft, &sample, "none");
}

fn tensor_volume(random: &mut Random, draft: &mut Draft) {
    let count = volume(random);
    let bytes = random.bytes(count);
    draft.step(
        "encode_tensor",
        json!({ "dtype": "INT8" }),
        vec![super::draft::tensor("values", Dtype::I8, &[count as u64], bytes.clone())],
        ok(json!({}), vec![("payload".to_owned(), bytes.clone().into())]),
    );
    draft.step(
        "decode_tensor",
        json!({ "dtype": "INT8", "shape": [count] }),
        vec![part("payload", bytes.clone())],
        ok(json!({ "count": count }), vec![("values".to_owned(), bytes.into())]),
    );
}
