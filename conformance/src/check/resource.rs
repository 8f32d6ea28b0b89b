//! Little input that asks for much: memory and time stay bounded.

use serde_json::{Value, json};

use super::draft::{BOTH, Draft, Property, part, reject};
use super::random::Random;
use super::share::{MEASURED, Share};
use crate::build::{Blocks, Content, ContentSize, Fields, Frame, KvPayload, Message};
use crate::case::Level;

/// The limit that decompression is given, in bytes.
const LIMIT: u64 = 64 << 20;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "bomb",
        share: Share::Fixed(3, MEASURED),
        specs: BOTH,
        requirements: &["AVP-CMP-018"],
        why: "A frame that inflates to more than the limit is refused before it does, whether it says its size, lies or is silent.",
        bug: "decompression-unbounded",
        make: bomb,
    },
    Property {
        name: "announced",
        share: Share::Fixed(8, MEASURED),
        specs: BOTH,
        requirements: &["AVP-HDR-025"],
        why: "Lengths in a header are claims; nothing is allocated for bytes that have not come.",
        bug: "allocation-by-claim",
        make: announced,
    },
    Property {
        name: "kv-giant",
        share: Share::Fixed(6, MEASURED),
        specs: BOTH,
        requirements: &["AVP-KV-010"],
        why: "Seventeen bytes that describe a cache of billions of layers or elements are refused at once.",
        bug: "kv-giant-header",
        make: kv_giant,
    },
];

fn bomb(random: &mut Random, draft: &mut Draft) {
    // Twice the limit is as telling as a gigabyte, which the golden vectors have, and costs an implementation less.
    let len = 2 * LIMIT + random.u64() % LIMIT;
    let mut frame = Frame::new(Content::Run { byte: random.below(256) as u8, len });
    frame.blocks = Blocks::Rle;
    let (size, code) = [
        (ContentSize::Declared, "limit_exceeded"),
        (ContentSize::Absent, "limit_exceeded"),
        (ContentSize::Claimed(random.u64() >> 40), "decode"),
    ][draft.index() % 3];
    frame.size = size;
    let mut metadata = Fields::new();
    metadata.string(11, "zstd");
    // A run of at most 192 MiB is some 1500 blocks, which can be written.
    let payload = frame.to_bytes().unwrap_or_default();
    let message = Message { flags: 1, metadata: metadata.into_bytes(), payload, ..Message::default() };
    draft.requires("zstd");
    draft.settled("A-028", Level::Should);
    draft.timeout_ms(5_000);
    let args = json!({"limits": {"max_payload": LIMIT}});
    draft.step("decode", args, vec![part("message", message.to_bytes())], reject(&[code]));
    draft.rss_growth_mib(128);
}

fn announced(random: &mut Random, draft: &mut Draft) {
    let payload_length = 0x4000_0000 + random.u32() / 2;
    let metadata_length = random.pick(&[0, 5, payload_length / 2, payload_length]);
    let payload = random.bytes(draft.index());
    let message = Message {
        flags: random.below(2) as u8,
        payload_length: Some(payload_length),
        metadata_length: Some(metadata_length),
        payload,
        ..Message::default()
    };
    draft.step("decode", Value::Null, vec![part("message", message.to_bytes())], reject(&["decode"]));
    draft.rss_growth_mib(16);
    draft.patched("message", 4, 12);
}

fn kv_giant(random: &mut Random, draft: &mut Draft) {
    let huge = u32::MAX - random.u32() / 4;
    let small = random.between(1, 8) as u32;
    // Every byte is missing. Layers of nothing, for which none is, stand among the golden vectors: an implementation that
    // counts them out costs a time limit each.
    let mut numbers = [small; 4];
    numbers[draft.index() % 4] = huge;
    let [num_layers, num_kv_heads, head_dim, seq_len] = numbers;
    let dtype = random.below(3) as u8;
    let payload = KvPayload { num_layers, num_kv_heads, head_dim, seq_len, dtype, data: Vec::new() };
    draft.step(
        "kv_decode",
        Value::Null,
        vec![part("kv", payload.to_bytes())],
        reject(&["decode", "limit_exceeded"]),
    );
    draft.rss_growth_mib(16);
    // Nothing has to be done for seventeen bytes; who counts to four billion is as well told apart in half a second.
    draft.timeout_ms(500);
    draft.patched("kv", 0, 16);
}
