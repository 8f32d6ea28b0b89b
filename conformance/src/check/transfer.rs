//! What transfers cost, and how alike two texts are.

use std::sync::Arc;

use serde_json::json;

use super::cache::{dims, layers, sample, shape};
use super::draft::{BOTH, Draft, Property, V04, encoded, ok, part, part_of, tensor};
use super::random::Random;
use super::share::Share;
use crate::build::{Fields, Message};
use crate::case::{Dtype, EncodedExpect, Part};
use crate::dissect::flag_bits;
use crate::oracle::{KvShape, word_overlap};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "transfer-size",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-XFR-004"],
        why: "The bytes of a whole cache and of hidden states follow from the model's sizes, beyond 32 bits too.",
        bug: "transfer-size-estimate",
        make: size,
    },
    Property {
        name: "transfer-whole",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-XFR-001"],
        why: "A cache of any shape and any bits, through payload and message and back, is the cache.",
        bug: "full-transfer-changes-bits",
        make: whole,
    },
    Property {
        name: "transfer-own-type",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-XFR-002"],
        why: "A context is sent in the type that its cache has, bit by bit.",
        bug: "context-cache-converted",
        make: own_type,
    },
    Property {
        name: "transfer-told",
        share: Share::Weight(16),
        specs: BOTH,
        requirements: &["AVP-XFR-005"],
        why: "The type of the payload and of its elements tell how a model's state was sent.",
        bug: "transfer-mode-hidden",
        make: told,
    },
    Property {
        name: "transfer-token",
        share: Share::Weight(8),
        specs: BOTH,
        requirements: &["AVP-XFR-006"],
        why: "What a token costs is twice layers, heads and width, in the bytes of the type.",
        bug: "token-size-estimate",
        make: token,
    },
    Property {
        name: "transfer-recommended",
        share: Share::Weight(8),
        specs: BOTH,
        requirements: &["AVP-XFR-007"],
        why: "The faster the line, the more is worth sending.",
        bug: "transfer-mode-recommended",
        make: recommended,
    },
    Property {
        name: "word-overlap",
        share: Share::Weight(48),
        specs: V04,
        requirements: &["AVP-MET-007"],
        why: "Words in common over the words of the longer text, each once, in lower case.",
        bug: "word-overlap",
        make: overlap,
    },
];

fn size(random: &mut Random, draft: &mut Draft) {
    let layers = random.between(1, 128) as u64;
    let heads = random.between(1, 64) as u64;
    let head_dim = random.pick(&[32, 64, 80, 96, 128, 256]);
    let hidden_dim = random.pick(&[576, 896, 2048, 3584, 4096, 8192]);
    let tokens = random.between(1, 1 << 20) as u64;
    // Two bytes an element; the 17 bytes in front of a cache may be counted.
    let full = 2 * layers * heads * head_dim * tokens * 2;
    let args = json!({"num_layers": layers, "num_kv_heads": heads, "head_dim": head_dim, "hidden_dim": hidden_dim,
        "tokens": tokens});
    let right = json!({"full": {"$any": [full, full + 17]}, "hidden": hidden_dim * tokens * 2});
    draft.step("size_report", args, Vec::new(), ok(right, Vec::new()));
}

fn whole(random: &mut Random, draft: &mut Draft) {
    let shape = shape(random);
    let (data, payload) = sample(random, &shape);
    let tensors = layers(&shape, &data);
    let kv: Arc<[u8]> = payload.into();
    draft.settled_here("A-011");
    draft.step(
        "kv_encode",
        json!({}),
        tensor_parts(&shape, &tensors),
        ok(json!({}), vec![("kv".to_owned(), kv.clone())]),
    );
    let compression = if random.once_in(3) { "balanced" } else { "none" };
    if compression != "none" {
        draft.requires("zstd");
    }
    let metadata = json!({"hidden_dim": random.number(), "num_layers": shape.num_layers, "payload_type": "KV_CACHE",
        "dtype": dtype_field(shape.dtype)});
    let args = json!({"compression": compression, "metadata": metadata});
    let mut payload = part_of("kv", 0);
    payload.name = "payload".to_owned();
    draft.step("encode", args, vec![payload], ok(json!({}), Vec::new()));
    let kind = json!({"$subset": {"payload_type": "KV_CACHE", "dtype": dtype_field(shape.dtype)}});
    let expect = ok(json!({ "metadata": kind }), vec![("payload".to_owned(), kv)]);
    draft.step("decode", json!({}), vec![part_of("message", 1)], expect);
    let mut cache = part_of("payload", 2);
    cache.name = "kv".to_owned();
    let content = json!({"num_layers": shape.num_layers, "num_kv_heads": shape.num_kv_heads,
        "head_dim": shape.head_dim, "seq_len": shape.seq_len, "dtype": shape.dtype.as_str()});
    draft.step("kv_decode", json!({}), vec![cache], ok(content, tensors));
}

/// As field 8 names an element type.
fn dtype_field(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F16 => "FLOAT16",
        Dtype::Bf16 => "BFLOAT16",
        _ => "FLOAT32",
    }
}

fn tensor_parts(shape: &KvShape, tensors: &[(String, Arc<[u8]>)]) -> Vec<Part> {
    tensors.iter().map(|(name, bytes)| tensor(name, shape.dtype, &dims(shape), bytes.clone())).collect()
}

fn own_type(random: &mut Random, draft: &mut Draft) {
    let shape = shape(random);
    let (data, payload) = sample(random, &shape);
    let args = json!({"model_hash": random.hash(), "model_family": random.word(8), "hidden_dim": random.number(),
        "num_layers": shape.num_layers, "num_steps": random.below(100), "seq_len": shape.seq_len});
    let expect = EncodedExpect { payload: Some(payload.into()), ..EncodedExpect::default() };
    draft.settled_here("A-011");
    draft.step("context_to_bytes", args, tensor_parts(&shape, &layers(&shape, &data)), encoded(expect));
}

fn told(random: &mut Random, draft: &mut Draft) {
    let shape = shape(random);
    let number = match shape.dtype {
        Dtype::F16 => 1,
        Dtype::Bf16 => 2,
        _ => 0,
    };
    let mut fields = Fields::new();
    fields.string(4, &random.word(8));
    let cache = random.once_in(2);
    let (flags, payload) = if cache {
        fields.varint(7, 1);
        (flag_bits(draft.spec).3, sample(random, &shape).1)
    } else {
        fields.varint(5, shape.head_dim.into());
        (0, random.bytes(shape.seq_len as usize * shape.head_dim as usize * shape.dtype.size()))
    };
    fields.varint(8, number);
    if !cache {
        fields.packed(9, &[shape.seq_len.into(), shape.head_dim.into()]);
    }
    let message = Message { flags, metadata: fields.into_bytes(), payload, ..Message::default() };
    let (kind, mode) = if cache { ("KV_CACHE", "full") } else { ("HIDDEN_STATE", "hidden") };
    let right = json!({"payload_type": kind, "dtype": dtype_field(shape.dtype), "mode": "LATENT", "transfer_mode?": mode});
    draft.settled_here("A-048");
    draft.step("inspect", json!({}), vec![part("message", message.to_bytes())], ok(right, Vec::new()));
}

fn token(random: &mut Random, draft: &mut Draft) {
    let (layers, heads) = (random.between(1, 128), random.between(1, 64));
    let dim = random.pick(&[32, 64, 80, 96, 128, 256]);
    let tokens = if random.once_in(2) { 1 } else { random.between(2, 1 << 20) };
    let dtype = random.pick(&[Dtype::F32, Dtype::F16, Dtype::Bf16]);
    let bytes = 2 * layers as u64 * heads as u64 * dim as u64 * tokens as u64 * dtype.size() as u64;
    let args = json!({"num_layers": layers, "num_kv_heads": heads, "head_dim": dim, "seq_len": tokens,
        "dtype": dtype.as_str()});
    draft.settled_here("A-057");
    draft.step("kv_size", args, Vec::new(), ok(json!({ "bytes": bytes }), Vec::new()));
}

fn recommended(random: &mut Random, draft: &mut Draft) {
    // Where the published tables agree, and off their borders.
    let (mode, megabits) = match random.below(4) {
        0 => ("full", random.between(1001, 1_000_000)),
        1 => ("int8", random.between(501, 999)),
        2 => ("hidden", random.between(51, 499)),
        _ => ("json", random.below(50)),
    };
    draft.settled_here("A-057");
    draft.step(
        "recommend_mode",
        json!({ "megabits": megabits }),
        Vec::new(),
        ok(json!({ "mode": mode }), Vec::new()),
    );
}

fn overlap(random: &mut Random, draft: &mut Draft) {
    const WORDS: [&str; 12] =
        ["the", "The", "cat", "CAT", "cat,", "sat", "Ésope", "ésope", "да", "ДА", "模型", "x-1"];
    let mut text = || {
        let mut text = String::new();
        for _ in 0..random.below(9) {
            text.push_str(random.pick(&WORDS));
            text.push_str(random.pick(&[" ", "  ", "\n", "\t", " \r\n"]));
        }
        text
    };
    let (a, b) = (text(), text());
    let right = json!({"overlap": {"$close": {"value": word_overlap(&a, &b), "abs": 1e-12}}});
    draft.step("word_overlap", json!({"a": a, "b": b}), Vec::new(), ok(right, Vec::new()));
}
