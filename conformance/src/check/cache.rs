//! KV caches: bits, order, sizes, cuts.

use std::sync::Arc;

use serde_json::{Value, json};

use super::draft::{BOTH, Draft, Property, ok, part, part_of, reject, tensor};
use super::random::Random;
use super::share::Share;
use crate::build::KvPayload;
use crate::case::{Dtype, Part};
use crate::oracle::{KvShape, kv_payload, kv_tensor};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "kv-bits",
        share: Share::Weight(96),
        specs: BOTH,
        requirements: &["AVP-KV-001", "AVP-KV-002", "AVP-KV-003", "AVP-KV-005", "AVP-KV-017"],
        why: "A cache of any shape and any bits is written where the layout says and read back unchanged.",
        bug: "kv-layout",
        make: bits,
    },
    Property {
        name: "kv-prefix",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-KV-007", "AVP-KV-008"],
        why: "A cache that lost its end is refused, not padded.",
        bug: "kv-truncation-accepted",
        make: prefix,
    },
    Property {
        name: "kv-header-claims",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-KV-008", "AVP-KV-010"],
        why: "A header that asks for more than is there is refused, also where its size wraps to less.",
        bug: "kv-size-wraps",
        make: header_claims,
    },
    Property {
        name: "kv-size",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-KV-016"],
        why: "The size of a cache is known from its shape, beyond 32 bits too.",
        bug: "kv-size-estimate",
        make: size,
    },
    Property {
        name: "kv-ragged",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-KV-013"],
        why: "One header speaks for all layers; layers that differ can't be written.",
        bug: "kv-ragged-written",
        make: ragged,
    },
];

const TYPES: [(Dtype, &str); 3] = [(Dtype::F32, "f32"), (Dtype::F16, "f16"), (Dtype::Bf16, "bf16")];

pub(super) fn shape(random: &mut Random) -> KvShape {
    KvShape {
        num_layers: random.between(1, 5) as u32,
        num_kv_heads: random.between(1, 4) as u32,
        head_dim: random.between(1, 6) as u32,
        seq_len: random.between(1, 6) as u32,
        dtype: random.pick(&TYPES).0,
    }
}

fn dtype_name(dtype: Dtype) -> &'static str {
    TYPES.iter().find(|(known, _)| *known == dtype).map_or("f32", |(_, name)| name)
}

/// Random data of that shape, and the payload of it.
pub(super) fn sample(random: &mut Random, shape: &KvShape) -> (Vec<u8>, Vec<u8>) {
    let data = random.bytes(shape.data_len());
    // The shape has one of the three dtypes and the data its length, so there is a payload.
    let payload = kv_payload(shape, data.clone()).unwrap_or_default();
    (data, payload)
}

pub(super) fn layers(shape: &KvShape, data: &[u8]) -> Vec<(String, Arc<[u8]>)> {
    let count = shape.num_layers as usize;
    let both = (0..count).flat_map(|layer| [(layer, false), (layer, true)]);
    both.map(|(layer, value)| {
        let name = format!("{}{layer}", if value { 'v' } else { 'k' });
        (name, Arc::from(&data[kv_tensor(shape, layer, value)]))
    })
    .collect()
}

pub(super) fn dims(shape: &KvShape) -> [u64; 3] {
    [shape.num_kv_heads.into(), shape.seq_len.into(), shape.head_dim.into()]
}

fn bits(random: &mut Random, draft: &mut Draft) {
    let shape = shape(random);
    let (data, payload) = sample(random, &shape);
    let tensors = layers(&shape, &data);
    let parts: Vec<Part> =
        tensors.iter().map(|(name, bytes)| tensor(name, shape.dtype, &dims(&shape), bytes.clone())).collect();
    draft.step("kv_encode", json!({}), parts, ok(json!({}), vec![("kv".to_owned(), payload.into())]));
    let content = json!({
        "num_layers": shape.num_layers,
        "num_kv_heads": shape.num_kv_heads,
        "head_dim": shape.head_dim,
        "seq_len": shape.seq_len,
        "dtype": dtype_name(shape.dtype),
    });
    draft.step("kv_decode", json!({}), vec![part_of("kv", 0)], ok(content, tensors));
}

fn prefix(random: &mut Random, draft: &mut Draft) {
    let shape = shape(random);
    let (_, payload) = sample(random, &shape);
    let len = random.below(payload.len());
    draft.requirements(if len < 17 { &["AVP-KV-007"] } else { &["AVP-KV-008"] });
    draft.step("kv_decode", Value::Null, vec![part("kv", &payload[..len])], reject(&["decode"]));
}

fn header_claims(random: &mut Random, draft: &mut Draft) {
    let [num_layers, num_kv_heads, head_dim, seq_len] = loop {
        let claim =
            if random.once_in(2) { wrapping(random) } else { [0; 4].map(|_: u32| random.number().max(1)) };
        let bytes: u128 = claim.iter().map(|&n| u128::from(n)).product();
        if bytes > 64 {
            break claim;
        }
    };
    let data = random.bytes(random_len(num_layers));
    let dtype = (num_kv_heads % 3) as u8;
    let payload = KvPayload { num_layers, num_kv_heads, head_dim, seq_len, dtype, data };
    draft.step("kv_decode", Value::Null, vec![part("kv", payload.to_bytes())], reject(&["decode"]));
    draft.patched("kv", 0, 16);
}

/// At most 63 bytes, fewer than any of the claims.
fn random_len(seed: u32) -> usize {
    (seed % 64) as usize
}

/// Numbers whose product is a multiple of 2^32 or 2^64, plus little.
fn wrapping(random: &mut Random) -> [u32; 4] {
    let mut log = random.pick(&[32, 33, 63, 64, 65, 96]);
    let mut numbers = [1u32; 4];
    for number in &mut numbers {
        let part = log.min(31);
        *number = 1 << part;
        log -= part;
    }
    random.shuffle(&mut numbers);
    if random.once_in(3) {
        let at = random.below(4);
        numbers[at] = numbers[at].saturating_add(1);
    }
    numbers
}

fn size(random: &mut Random, draft: &mut Draft) {
    let (dtype, name) = random.pick(&TYPES);
    let [layers, heads, dim, seq] = [
        random.between(0, 128),
        random.between(1, 64),
        random.pick(&[32, 64, 80, 96, 128, 256]),
        random.below(200_000),
    ];
    let bytes = 2 * layers as u64 * heads as u64 * dim as u64 * seq as u64 * dtype.size() as u64;
    let args =
        json!({"num_layers": layers, "num_kv_heads": heads, "head_dim": dim, "seq_len": seq, "dtype": name});
    draft.step("kv_size", args, Vec::new(), ok(json!({ "bytes": bytes }), Vec::new()));
}

fn ragged(random: &mut Random, draft: &mut Draft) {
    let mut shape = shape(random);
    shape.num_layers = shape.num_layers.max(2);
    let count = 2 * shape.num_layers as usize;
    let odd = random.between(1, count - 1);
    let mut parts = Vec::new();
    for i in 0..count {
        let mut own = shape;
        if i == odd {
            match random.below(4) {
                0 => own.seq_len += 1,
                1 => own.num_kv_heads += 1,
                2 => own.head_dim += 1,
                _ => own.dtype = if shape.dtype == Dtype::F32 { Dtype::F16 } else { Dtype::F32 },
            }
        }
        let name = format!("{}{}", if i % 2 == 0 { 'k' } else { 'v' }, i / 2);
        parts.push(tensor(name, own.dtype, &dims(&own), random.bytes(own.tensor_len())));
    }
    draft.settled("A-029", crate::case::Level::Must);
    draft.step("kv_encode", Value::Null, parts, reject(&["shape_mismatch", "invalid_argument"]));
}
