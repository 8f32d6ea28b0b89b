//! Contexts: there and back, read from other hands, and what must not be taken for one.

use serde_json::{Map, Value, json};

use super::cache::{dims, layers, sample, shape};
use super::draft::{BOTH, Draft, Property, V04, encoded, ok, part, part_of, reject, tensor};
use super::random::Random;
use super::share::Share;
use crate::build::{Content, Fields, Frame, Message, crc32};
use crate::case::{Dtype, EncodedExpect, Expect, Level, Part, Spec};
use crate::dissect::{self, flag_bits};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "context-round-trip",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-CTX-001", "AVP-CTX-002", "AVP-CTX-004"],
        why: "A context of any shape, any bits and any names is written where a reader looks for it and comes back.",
        bug: "context-changed-on-the-way",
        make: round_trip,
    },
    Property {
        name: "context-dtype",
        share: Share::Weight(24),
        specs: V04,
        requirements: &["AVP-CTX-003"],
        why: "The metadata names the type of the cache's elements.",
        bug: "context-dtype-always-float32",
        make: dtype,
    },
    Property {
        name: "context-read",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-CTX-004"],
        why: "A context that somebody else wrote, with entries missing, added or in another order.",
        bug: "context-read-wrong",
        make: read,
    },
    Property {
        name: "context-steps",
        share: Share::Weight(48),
        specs: V04,
        requirements: &["AVP-CTX-006"],
        why: "A count of steps is decimal digits; any other text is refused.",
        bug: "context-steps-lenient",
        make: steps,
    },
    Property {
        name: "context-hidden",
        share: Share::Weight(32),
        specs: V04,
        requirements: &["AVP-CTX-009"],
        why: "Hidden states of any bits come back, with their entries.",
        bug: "context-hidden-refused",
        make: hidden,
    },
    Property {
        name: "context-misread",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-CTX-007"],
        why: "Whatever bytes hidden states have, they are never a cache.",
        bug: "context-hidden-read-as-cache",
        make: misread,
    },
];

const FLOATS: [(Dtype, &str, u64); 3] =
    [(Dtype::F32, "FLOAT32", 0), (Dtype::F16, "FLOAT16", 1), (Dtype::Bf16, "BFLOAT16", 2)];

fn name_of(dtype: Dtype) -> (&'static str, u64) {
    let known = FLOATS.into_iter().find(|(known, _, _)| *known == dtype);
    known.map_or(("FLOAT32", 0), |(_, name, number)| (name, number))
}

/// What a context says beside its tensors.
struct Words {
    model_hash: String,
    model_family: String,
    hidden_dim: u32,
    num_layers: u32,
    num_steps: u32,
}

impl Words {
    fn new(random: &mut Random, num_layers: u32) -> Self {
        Self {
            model_hash: random.hash(),
            model_family: if random.once_in(3) { random.text(8) } else { random.word(8) },
            hidden_dim: random.number(),
            num_layers,
            num_steps: if random.once_in(3) { random.number() } else { random.below(100) as u32 },
        }
    }

    fn json(&self, seq_len: u32) -> Value {
        json!({
            "model_hash": self.model_hash,
            "model_family": self.model_family,
            "hidden_dim": self.hidden_dim,
            "num_layers": self.num_layers,
            "num_steps": self.num_steps,
            "seq_len": seq_len,
        })
    }

    fn extra(&self) -> Value {
        json!({"$subset": {
            "model_hash": self.model_hash,
            "model_family": self.model_family,
            "num_steps": self.num_steps.to_string(),
        }})
    }
}

/// Any value, or none.
fn anything() -> Value {
    json!({"$any": [{"$absent": true}, {"$nonempty": true}]})
}

fn round_trip(random: &mut Random, draft: &mut Draft) {
    let shape = shape(random);
    let words = Words::new(random, shape.num_layers);
    let (data, payload) = sample(random, &shape);
    let tensors = layers(&shape, &data);
    let parts: Vec<Part> =
        tensors.iter().map(|(name, bytes)| tensor(name, shape.dtype, &dims(&shape), bytes.clone())).collect();
    let mut args = words.json(shape.seq_len);
    let mut metadata = json!({
        "hidden_dim": words.hidden_dim,
        "num_layers": words.num_layers,
        "payload_type": "KV_CACHE",
        "mode": "LATENT",
        // Judged by itself (AVP-CTX-003).
        "dtype": anything(),
        "tensor_shape": anything(),
        "extra": words.extra(),
    });
    for id in ["session_id", "source_agent_id", "target_agent_id", "model_id"] {
        if random.once_in(2) {
            let text = random.text(10);
            args[id] = json!(text);
            metadata[id] = json!(text);
        }
    }
    let (_, _, _, kv_flag) = flag_bits(draft.spec);
    let expect = EncodedExpect {
        metadata: metadata.as_object().cloned(),
        payload: Some(payload.into()),
        flags: Some(kv_flag),
        ..EncodedExpect::default()
    };
    draft.step("context_to_bytes", args, parts, encoded(expect));
    let content = words.json(shape.seq_len);
    draft.step("context_from_bytes", json!({}), vec![part_of("message", 0)], ok(content, tensors));
}

fn dtype(random: &mut Random, draft: &mut Draft) {
    let shape = shape(random);
    let words = Words::new(random, shape.num_layers);
    let (data, _) = sample(random, &shape);
    let parts = layers(&shape, &data)
        .into_iter()
        .map(|(name, bytes)| tensor(name, shape.dtype, &dims(&shape), bytes))
        .collect();
    let metadata = json!({
        "hidden_dim": words.hidden_dim,
        "num_layers": words.num_layers,
        "payload_type": "KV_CACHE",
        "dtype": name_of(shape.dtype).0,
        "tensor_shape": anything(),
        "extra": anything(),
    });
    let expect = EncodedExpect { metadata: metadata.as_object().cloned(), ..EncodedExpect::default() };
    draft.settled("A-011", Level::Should);
    draft.step("context_to_bytes", words.json(shape.seq_len), parts, encoded(expect));
}

/// A message in LATENT mode with these entries and this payload. Under 0.4 it may be compressed or carry a checksum.
fn message(random: &mut Random, draft: &mut Draft, content: &Made<'_>) -> Vec<u8> {
    let spec = draft.spec;
    let (compressed, _, _, kv) = flag_bits(spec);
    let pack = random.once_in(4);
    let mut fields = Fields::new();
    let set = |fields: &mut Fields, number, value: u64| {
        if value > 0 {
            fields.varint(number, value);
        }
    };
    set(&mut fields, 5, content.hidden_dim.into());
    set(&mut fields, 6, content.num_layers.into());
    set(&mut fields, 7, u64::from(content.cache));
    set(&mut fields, 8, content.dtype);
    if !content.shape.is_empty() {
        fields.packed(9, content.shape);
    }
    if pack {
        draft.requires("zstd");
        fields.string(11, "zstd");
    }
    for (key, value) in content.extra {
        fields.entry(14, Some(key), Some(value));
    }
    if spec == Spec::V04 && random.once_in(2) {
        fields.varint(15, crc32(content.payload).into());
    }
    let payload = match pack {
        // A frame of stored blocks can always be written.
        true => Frame::new(Content::Bytes(content.payload.into())).to_bytes().unwrap_or_default(),
        false => content.payload.to_vec(),
    };
    let flags = if pack { compressed } else { 0 } | if content.cache { kv } else { 0 };
    Message { flags, metadata: fields.into_bytes(), payload, ..Message::default() }.to_bytes()
}

/// What [`message`] is made from.
struct Made<'a> {
    cache: bool,
    hidden_dim: u32,
    num_layers: u32,
    dtype: u64,
    shape: &'a [u64],
    extra: &'a [(String, String)],
    payload: &'a [u8],
}

fn read(random: &mut Random, draft: &mut Draft) {
    let shape = shape(random);
    let words = Words::new(random, shape.num_layers);
    let (data, payload) = sample(random, &shape);
    let mut extra = vec![
        ("model_hash".to_owned(), words.model_hash.clone()),
        ("model_family".to_owned(), words.model_family.clone()),
        ("num_steps".to_owned(), words.num_steps.to_string()),
    ];
    let all = extra.len();
    extra.retain(|_| !random.once_in(3));
    let missing = extra.len() < all;
    if random.once_in(2) {
        extra.push((format!("avp.{}", random.word(6)), random.text(6)));
    }
    random.shuffle(&mut extra);
    let made = Made {
        cache: true,
        hidden_dim: words.hidden_dim,
        num_layers: words.num_layers,
        dtype: name_of(shape.dtype).1,
        shape: &[],
        extra: &extra,
        payload: &payload,
    };
    let bytes = message(random, draft, &made);
    if missing {
        draft.requirements(&["AVP-CTX-005"]);
        draft.bug("context-extra-required");
    }
    // The dissector reads it; the tensors are those that the payload was made from.
    let content = dissect::context(&bytes, draft.spec).answer().map_or(Value::Null, Value::Object);
    draft.step(
        "context_from_bytes",
        json!({}),
        vec![part("message", bytes)],
        ok(content, layers(&shape, &data)),
    );
}

fn steps(random: &mut Random, draft: &mut Draft) {
    let text = match random.below(6) {
        0 => random.below(1_000_000).to_string(),
        1 => format!("-{}", random.between(1, 99)),
        2 => format!("{}.{}", random.below(99), random.below(99)),
        3 => format!("{}{}", random.below(99), random.pick(&["e2", "f", "L", "%", "steps", ",000"])),
        4 => format!("0{}{:x}", random.pick(&["x", "o", "b"]), random.below(2)),
        _ => random.word(4),
    };
    let shape = shape(random);
    let (data, payload) = sample(random, &shape);
    let extra = [("num_steps".to_owned(), text)];
    let made = Made {
        cache: true,
        hidden_dim: 8,
        num_layers: shape.num_layers,
        dtype: name_of(shape.dtype).1,
        shape: &[],
        extra: &extra,
        payload: &payload,
    };
    let bytes = message(random, draft, &made);
    let expect = match dissect::context(&bytes, draft.spec).answer() {
        Some(content) => ok(Value::Object(content), layers(&shape, &data)),
        None => reject(&["decode"]),
    };
    draft.step("context_from_bytes", json!({}), vec![part("message", bytes)], expect);
}

fn hidden(random: &mut Random, draft: &mut Draft) {
    let (dtype, name, _) = random.pick(&FLOATS);
    let (rows, width) = (random.between(1, 4) as u32, random.between(1, 12) as u32);
    let layers = random.between(1, 40) as u32;
    let mut words = Words::new(random, layers);
    words.hidden_dim = width;
    let seq_len = random.between(rows as usize, 500) as u32;
    let bytes = random.bytes(rows as usize * width as usize * dtype.size());
    let mut extra = words.extra();
    extra["$subset"]["avp.seq_len"] = json!(seq_len.to_string());
    let metadata = json!({
        "hidden_dim": width,
        "num_layers": words.num_layers,
        "payload_type": "HIDDEN_STATE",
        "dtype": name,
        "tensor_shape": [rows, width],
        "extra": extra,
    });
    let expect = EncodedExpect {
        metadata: metadata.as_object().cloned(),
        payload: Some(bytes.as_slice().into()),
        ..EncodedExpect::default()
    };
    let shape = [rows.into(), width.into()];
    draft.settled("A-047", Level::Should);
    let sent = vec![tensor("hidden", dtype, &shape, bytes.as_slice())];
    draft.step("context_to_bytes", words.json(seq_len), sent, encoded(expect));
    let back = ok(words.json(seq_len), vec![("hidden".to_owned(), bytes.into())]);
    draft.step("context_from_bytes", json!({}), vec![part_of("message", 0)], back);
}

fn misread(random: &mut Random, draft: &mut Draft) {
    // Bytes that a reader of caches would like: a whole cache, an empty one, one without tokens, or noise.
    let payload = match random.below(4) {
        0 => {
            let shape = shape(random);
            sample(random, &shape).1
        }
        1 => vec![0; 4 * random.between(5, 12)],
        2 => {
            let shape = crate::oracle::KvShape { seq_len: 0, ..shape(random) };
            sample(random, &shape).1
        }
        _ => {
            let count = random.between(17, 80);
            random.bytes(count)
        }
    };
    // In bytes, so that every length is a shape.
    let width = payload.len() as u64;
    let extra = [("num_steps".to_owned(), "3".to_owned())];
    let made = Made {
        cache: false,
        hidden_dim: width as u32,
        num_layers: 2,
        dtype: 3,
        shape: &[1, width],
        extra: &extra,
        payload: &payload,
    };
    let bytes = message(random, draft, &made);
    draft.settled("A-047", Level::Should);
    let held = Map::from_iter([("holds?".to_owned(), json!(["hidden"]))]);
    let taken = ok(Value::Object(held), vec![("hidden".to_owned(), payload.into())]);
    let either = vec![("hidden".to_owned(), taken), ("refused".to_owned(), reject(&["decode"]))];
    draft.step("context_from_bytes", json!({}), vec![part("message", bytes)], Expect::Either(either));
}
