//! Valid messages with something changed, and what the dissector says of them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::decoding::any_valid;
use super::draft::{BOTH, Draft, Property, V04, ok, part, reject};
use super::fault::bug_of;
use super::message::Sample;
use super::random::Random;
use super::share::Share;
use crate::case::Spec;
use crate::dissect::{self, Dissection, Limits};

/// A window that every reader of the format is asked to support.
const SAFE_WINDOW: u64 = 8 << 20;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "mutated",
        share: Share::Permille(500),
        specs: BOTH,
        requirements: &["AVP-HDR-018"],
        why: "A message with a few bytes changed is either still a message, and says something else, or is refused.",
        bug: "changed-message-misread",
        make: mutated,
    },
    Property {
        name: "bit-flip",
        share: Share::Weight(128),
        specs: V04,
        requirements: &["AVP-CMP-014"],
        why: "One turned bit in a payload with a checksum is found.",
        bug: "checksum-unchecked",
        make: bit_flip,
    },
];

fn mutated(random: &mut Random, draft: &mut Draft) {
    // Most changes break a message; every second case looks for one that does not.
    let refused = draft.index().is_multiple_of(2);
    loop {
        let mut sample = any_valid(random, draft.spec);
        sample.checksum &= refused || random.once_in(8);
        let mut bytes = sample.message(draft.spec).to_bytes();
        let changed = if refused { change(random, &mut bytes) } else { vec![overwrite(random, &mut bytes)] };
        let done = dissect::message_within(&bytes, draft.spec, Limits { max_payload: 1 << 26 });
        if done.faults.is_empty() == refused {
            continue;
        }
        if let Some(expect) = expectation(&done, draft) {
            draft.step("decode", json!({}), vec![part("message", bytes)], expect);
            for at in changed {
                draft.patched("message", at, at + 1);
            }
            return;
        }
    }
}

/// Changes one to three places; lengths in the header stay as they are.
fn change(random: &mut Random, bytes: &mut Vec<u8>) -> Vec<usize> {
    let mut changed = Vec::new();
    for _ in 0..random.between(1, 3) {
        // The header is small and the metadata next to it; most changes belong there.
        let reach = if random.once_in(3) { bytes.len() } else { bytes.len().min(40) };
        let at = random.below(reach.max(1));
        match random.below(5) {
            0 if bytes.len() > 13 => {
                bytes.remove(at);
            }
            1 => bytes.insert(at, random.below(256) as u8),
            2 => bytes[at] ^= 1 << random.below(8),
            _ => bytes[at] = random.pick(&[0, 1, 2, 4, 0x7f, 0x80, 0xff, 0x28, 0x40, 0x4a, 0x78]),
        }
        changed.push(at);
    }
    changed.retain(|&at| at < bytes.len());
    changed
}

/// Changes one byte to another, behind magic and version.
fn overwrite(random: &mut Random, bytes: &mut [u8]) -> usize {
    let at = 3 + random.below(bytes.len() - 3);
    // Lengths that no longer fit are always refused.
    let at = if (4..12).contains(&at) { 3 } else { at };
    bytes[at] = if random.once_in(2) { bytes[at] ^ 1 << random.below(8) } else { random.below(256) as u8 };
    at
}

/// What must come of a message; `None` where the requirements leave it open.
pub(super) fn expectation(done: &Dissection<'_>, draft: &mut Draft) -> Option<crate::case::Expect> {
    let open = done.contested()
        || done.warnings.iter().any(|w| w.requirement == "AVP-HDR-022")
        || done.zstd.as_ref().is_some_and(|frame| !frame.single_segment && frame.window > SAFE_WINDOW);
    if open {
        return None;
    }
    if let Some(first) = done.faults.first() {
        let mut ids: Vec<&str> = done.faults.iter().flat_map(|fault| fault.requirements).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        if ids == ["AVP-CMP-014"] {
            draft.requires("checksum");
        }
        if ids == ["AVP-ENUM-003"] {
            draft.requires("!embedding");
        }
        if done.header.is_some_and(|header| header.flags & 1 != 0) {
            draft.requires("zstd");
        }
        draft.requirements(&ids);
        draft.bug(bug_of(first.requirements[0]));
        draft.why(format!("A changed message is refused: {}.", first.text));
        return Some(reject(&[first.class.as_str()]));
    }
    accepted(done, draft)
}

fn accepted(done: &Dissection<'_>, draft: &mut Draft) -> Option<crate::case::Expect> {
    let (header, metadata, payload) = (done.header?, done.metadata.as_ref()?, done.payload.as_deref()?);
    // JSON has no numbers for these.
    if !metadata.confidence_score.is_finite() {
        return None;
    }
    // Payloads of hybrid messages are handed over in parts (AVP-PAY-014), and a message of 0.1 in disguise may be told.
    if (draft.spec == Spec::V02 && metadata.mode == 1)
        || crate::oracle::dialect(0, metadata) == crate::oracle::Dialect::V01
    {
        return None;
    }
    let mut ids = vec!["AVP-HDR-018", "AVP-META-025", "AVP-META-026"];
    ids.extend(
        done.warnings
            .iter()
            .map(|w| w.requirement)
            .filter(|id| ["AVP-HDR-015", "AVP-PAY-015", "AVP-PAY-016"].contains(id)),
    );
    if header.flags & 1 != 0 {
        draft.requires("zstd");
        if done.zstd.as_ref().is_none_or(|frame| frame.content_size.is_none()) {
            ids = vec!["AVP-CMP-005"];
        }
    }
    let mut object = done.metadata_json()?;
    object.shift_remove("payload_checksum");
    draft.requirements(&ids);
    draft.why("A changed message that is still well-formed says what its bytes say now.");
    let content = json!({
        "header": {
            "version": header.version,
            "flags": header.flags,
            "payload_length": header.payload_length,
            "metadata_length": header.metadata_length,
        },
        "metadata": object,
    });
    Some(ok(content, vec![("payload".to_owned(), Arc::from(payload))]))
}

fn bit_flip(random: &mut Random, draft: &mut Draft) {
    let mut sample = Sample::new(random, draft.spec);
    sample.checksum = true;
    let len = random.between(1, 300);
    sample.payload = random.bytes(len);
    let message = sample.message(draft.spec);
    let start = 12 + message.metadata.len();
    let mut bytes = message.to_bytes();
    let at = start + random.below(len);
    bytes[at] ^= 1 << random.below(8);
    draft.requires("checksum");
    draft.step("decode", Value::Null, vec![part("message", bytes)], reject(&["decode"]));
    draft.patched("message", at, at + 1);
}
