//! Bytes that nobody would send on purpose, to everything that reads bytes of strangers.

use serde_json::json;

use super::cache::shape;
use super::decoding::any_valid;
use super::draft::{BOTH, Draft, Property, part};
use super::random::Random;
use super::share::Share;
use crate::build::{KvPayload, Message};
use crate::case::Expect;

/// Most elements of a cache whose header lies: an implementation that believes it gets by without a hang. The golden
/// vectors have those that hang.
const CLAIM: u32 = 1000;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "hostile-message",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-SEC-012"],
        why: "Whatever comes where a message belongs, the reader answers and lives.",
        bug: "decoder-dies",
        make: message,
    },
    Property {
        name: "hostile-cache",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-SEC-012"],
        why: "Whatever comes where a cache belongs, the reader answers and lives.",
        bug: "kv-decoder-dies",
        make: cache,
    },
    Property {
        name: "hostile-context",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-SEC-012"],
        why: "Whatever comes where a context belongs, the reader answers and lives.",
        bug: "context-reader-dies",
        make: context,
    },
    Property {
        name: "hostile-text",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-SEC-012"],
        why: "Whatever comes where a text message or a hello belongs, the reader answers and lives.",
        bug: "text-reader-dies",
        make: text,
    },
];

/// Bytes spoilt in several places, some of them many times over.
fn spoil(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..random.between(1, 8) {
        let at = random.below(bytes.len() + 1);
        let len = random.between(1, 40);
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                let more = random.bytes(len);
                bytes.splice(at..at, more);
            }
            2 => {
                let piece = bytes[at..bytes.len().min(at + len)].to_vec();
                (0..random.between(1, 30)).for_each(|_| bytes.extend_from_slice(&piece));
            }
            3 => bytes
                .splice(at..at, vec![random.pick(&[0x80, 0xff, 0x00, 0x0a, 0x72, 0x0b]); len])
                .for_each(drop),
            4 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => bytes.iter_mut().skip(at).take(len).for_each(|byte| *byte = random.below(256) as u8),
        }
    }
}

fn spoilt_message(random: &mut Random, draft: &Draft) -> Vec<u8> {
    let mut sample = any_valid(random, draft.spec);
    if random.once_in(3) {
        let data = random.bytes(64);
        sample.payload = KvPayload { data, ..KvPayload::default() }.to_bytes();
    }
    let mut message: Message = sample.message(draft.spec);
    // The header stays in most, or nothing behind it would be looked at.
    match random.below(8) {
        0 => {
            let mut bytes = message.to_bytes();
            spoil(random, &mut bytes);
            return bytes;
        }
        1..=3 => spoil(random, &mut message.metadata),
        4..=5 => spoil(random, &mut message.payload),
        _ => {
            spoil(random, &mut message.metadata);
            spoil(random, &mut message.payload);
        }
    }
    message.flags = if random.once_in(4) { random.below(256) as u8 } else { message.flags };
    message.to_bytes()
}

fn message(random: &mut Random, draft: &mut Draft) {
    let bytes = match random.below(8) {
        0 => {
            let len = random.below(80);
            random.bytes(len)
        }
        _ => spoilt_message(random, draft),
    };
    // A bomb that comes about by chance is kept small for everybody.
    let args = json!({"limits": {"max_payload": 1 << 20}});
    draft.step("decode", args, vec![part("message", bytes)], Expect::Alive);
}

fn cache(random: &mut Random, draft: &mut Draft) {
    let real = shape(random);
    let mut claims = [real.num_layers, real.num_kv_heads, real.head_dim, real.seq_len];
    for _ in 0..random.below(3) {
        let at = random.below(4);
        claims[at] = random.below(CLAIM as usize) as u32;
    }
    let [num_layers, num_kv_heads, head_dim, seq_len] = claims;
    let (any, dtype) = (random.below(300), random.below(256) as u8);
    let len = if random.once_in(2) { any } else { real.data_len() };
    let data = random.bytes(len);
    let dtype = if random.once_in(2) { dtype % 3 } else { dtype };
    let mut bytes = KvPayload { num_layers, num_kv_heads, head_dim, seq_len, dtype, data }.to_bytes();
    if random.once_in(4) {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    draft.step("kv_decode", json!({}), vec![part("kv", bytes)], Expect::Alive);
}

fn context(random: &mut Random, draft: &mut Draft) {
    let bytes = spoilt_message(random, draft);
    draft.step("context_from_bytes", json!({}), vec![part("message", bytes)], Expect::Alive);
}

fn text(random: &mut Random, draft: &mut Draft) {
    let mut bytes = match random.below(4) {
        0 => random.bytes(30),
        1 => {
            let open = random.pick(&["[", "{\"extra\":", "{\"a\":["]);
            open.repeat(random.between(1, 60)).into_bytes()
        }
        2 => {
            let number =
                random.pick(&["1e999", "-0", "123456789012345678901234567890", "1.0e-400", "NaN", "true"]);
            let key = random.pick(&["content", "extra", "session_id", "identity", "agent_id", "avp_version"]);
            format!("{{\"{key}\":{number}}}").into_bytes()
        }
        _ => {
            let content = random.text(30);
            json!({"avp_version": "0.4", "agent_id": content, "content": content, "extra": {"k": content}})
                .to_string()
                .into_bytes()
        }
    };
    if random.once_in(2) {
        spoil(random, &mut bytes);
    }
    let op = random.pick(&["json_decode", "hello_decode"]);
    draft.step(op, json!({}), vec![part("json", bytes)], Expect::Alive);
}
