//! The same messages in other pieces: a stream means the same wherever it is cut, and messages back to back are those
//! messages. Like [`super::metamorphic`], without an oracle.

use std::sync::Arc;

use serde_json::json;

use super::draft::{BOTH, Draft, Property, part};
use super::message::Sample;
use super::metamorphic::{FORMS, all_same, talkative};
use super::random::Random;
use super::share::Share;
use crate::case::{Expect, Spec};

/// Longest stream that is cut at every place: one request a place.
const CUT_EVERYWHERE: usize = 96;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "same-cut",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-HDR-022"],
        why: "Messages that arrive in pieces say what they say in one piece, wherever the pieces end.",
        bug: "stream-depends-on-pieces",
        make: cut,
    },
    Property {
        name: "same-cut-everywhere",
        share: Share::Weight(6),
        specs: BOTH,
        requirements: &["AVP-HDR-022"],
        why: "A short stream cut at each single place says the same each time.",
        bug: "stream-depends-on-pieces",
        make: cut_everywhere,
    },
    Property {
        name: "same-back-to-back",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-HDR-022"],
        why: "Two messages back to back are the two messages, and a reader of one message reads the first.",
        bug: "neighbour-changes-message",
        make: back_to_back,
    },
];

/// Up to three messages, and now and then the beginning of one more.
fn stream_of(random: &mut Random, spec: Spec, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.between(1, 3) {
        let message = Sample::new(random, spec).message(spec).to_bytes();
        if bytes.is_empty() || bytes.len() + message.len() <= most {
            bytes.extend(message);
        }
    }
    if random.once_in(2) {
        let next = Sample::new(random, spec).message(spec).to_bytes();
        let len = random.below(next.len()).min(most / 4);
        bytes.extend_from_slice(&next[..len]);
    }
    bytes
}

fn cut(random: &mut Random, draft: &mut Draft) {
    let stream: Arc<[u8]> = stream_of(random, draft.spec, usize::MAX).into();
    for form in 0..=FORMS {
        let splits: Vec<usize> = match form {
            0 => Vec::new(),
            // Byte by byte.
            1 => (1..stream.len()).collect(),
            _ => {
                let mut at: Vec<usize> =
                    (0..random.between(1, 6)).map(|_| random.between(1, stream.len() - 1)).collect();
                at.sort_unstable();
                at.dedup();
                at
            }
        };
        let args = json!({ "splits": splits });
        draft.step("decode_stream", args, vec![part("stream", stream.clone())], Expect::Alive);
    }
    draft.all_mean_the_same();
}

fn cut_everywhere(random: &mut Random, draft: &mut Draft) {
    let spec = draft.spec;
    let mut stream = Vec::new();
    // Messages of few bytes are common enough that this ends soon; an empty one always fits.
    for _ in 0..16 {
        let message = Sample::new(random, spec).message(spec).to_bytes();
        if stream.len() + message.len() <= CUT_EVERYWHERE {
            stream.extend(message);
        }
    }
    stream.extend(Sample::default().message(spec).to_bytes());
    let stream: Arc<[u8]> = stream.into();
    for at in 0..stream.len() {
        let splits = if at == 0 { Vec::new() } else { vec![at] };
        let args = json!({ "splits": splits });
        draft.step("decode_stream", args, vec![part("stream", stream.clone())], Expect::Alive);
    }
    draft.all_mean_the_same();
}

fn back_to_back(random: &mut Random, draft: &mut Draft) {
    let spec = draft.spec;
    // After one that says much, one that says nothing shows best what is carried over.
    let one = talkative(random, spec);
    let two = if random.once_in(2) { Sample::default() } else { Sample::new(random, spec) };
    let (one, two) = (one.message(spec).to_bytes(), two.message(spec).to_bytes());
    let both = [one.as_slice(), &two].concat();
    if random.once_in(3) {
        // A reader of one message leaves what follows it alone.
        let junk = random.between(1, 30);
        let followed = [one.as_slice(), &random.bytes(junk)].concat();
        return all_same(draft, vec![one, both, followed]);
    }
    for alone in [one, two] {
        draft.step("decode", json!({}), vec![part("message", alone)], Expect::Alive);
    }
    draft.step("decode_stream", json!({ "splits": [] }), vec![part("stream", both)], Expect::Alive);
    draft.last_joins(vec![0, 1]);
}
