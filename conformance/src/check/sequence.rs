//! Several messages one after another: what one says must not depend on those before it.

use serde_json::Value;

use super::decoding::{any_valid, decode};
use super::draft::{BOTH, Draft, Property, part, reject};
use super::encoding::encode;
use super::message::Sample;
use super::random::Random;
use super::share::Share;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "decode-sequence",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-HDR-016", "AVP-HDR-018"],
        why: "A message means the same whatever was read before it: another message, a compressed one, or one that was \
              refused.",
        bug: "decoder-remembers",
        make: decode_sequence,
    },
    Property {
        name: "codec-sequence",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-HDR-016", "AVP-HDR-018"],
        why: "A message is written and read the same whatever was written and read before it.",
        bug: "codec-remembers",
        make: codec_sequence,
    },
];

/// Most messages of a case: enough for one to prepare and one to be caught, and for both to be likely.
const MESSAGES: usize = 6;

fn decode_sequence(random: &mut Random, draft: &mut Draft) {
    for _ in 0..random.between(1, MESSAGES) {
        random.mark();
        let sample = plain_or_empty(random, draft);
        let message = sample.message(draft.spec);
        if random.once_in(4) {
            // Cut short, so that whatever a reader holds back of it has a chance to show up in the next.
            let bytes = message.to_bytes();
            if sample.compressed {
                draft.requires("zstd");
            }
            draft.step(
                "decode",
                Value::Null,
                vec![part("message", &bytes[..bytes.len() - 1])],
                reject(&["decode"]),
            );
        } else {
            decode(draft, &message, &sample);
        }
    }
}

fn codec_sequence(random: &mut Random, draft: &mut Draft) {
    for _ in 0..random.between(1, MESSAGES) {
        random.mark();
        let mut sample = plain_or_empty(random, draft);
        if random.once_in(2) {
            decode(draft, &sample.message(draft.spec), &sample);
        } else {
            (sample.compressed, sample.checksum) = (false, false);
            encode(draft, &sample, "none");
        }
    }
}

/// A valid message; one in three says nothing, so that what is left of another shows.
fn plain_or_empty(random: &mut Random, draft: &Draft) -> Sample {
    if random.once_in(3) { Sample::default() } else { any_valid(random, draft.spec) }
}
