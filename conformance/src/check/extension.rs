//! Caches that are sent in ways which only a proposal knows: a reader who does not know the way refuses them and never
//! takes them for something else.

use serde_json::json;

use super::draft::{BOTH, Draft, Property, V04, ok, part, reject};
use super::random::Random;
use super::share::Share;
use crate::build::{Cache, CodeBits, Fields, Message};
use crate::dissect::flag_bits;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "kv-quantised-refused",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-XFR-026"],
        why: "Codes of eight or four bits are no floats, however many of them there are; a reader who does not know them says so.",
        bug: "quantised-read-as-floats",
        make: quantised,
    },
    Property {
        name: "kv-delta-refused",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-XFR-032"],
        why: "The last tokens of a cache are no cache: what the header promises is not there.",
        bug: "delta-read-as-cache",
        make: delta,
    },
    Property {
        name: "kv-chunk-refused",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-XFR-036"],
        why: "One chunk of several is no cache, whichever it is: it has some layers, or some tokens of each.",
        bug: "chunk-read-as-cache",
        make: chunk,
    },
    Property {
        name: "kv-sparse-refused",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-XFR-040"],
        why: "A cache with tokens left out has as many as its header says only for who knows which.",
        bug: "sparse-read-as-cache",
        make: sparse,
    },
    Property {
        name: "transfer-quantised-size",
        share: Share::Weight(12),
        specs: V04,
        requirements: &["AVP-XFR-024"],
        why: "A byte an element halves a cache of two-byte floats and half a byte quarters it, less what the scales take.",
        bug: "quantised-size-estimate",
        make: sizes,
    },
];

/// What an implementation declares that reads such messages.
const QUANTISED: &str = "kv_quant";
const DELTA: &str = "kv_delta";
const CHUNKED: &str = "kv_chunked";
const SPARSE: &str = "kv_sparse";

/// A cache of any numbers; `tokens` at least.
fn cache(random: &mut Random, tokens: usize) -> Cache {
    let (layers, heads, width) = (random.between(1, 4), random.between(1, 3), random.between(1, 8));
    let tokens = random.between(tokens, tokens + 7);
    let count = 2 * layers * heads * tokens * width;
    let outliers = random.once_in(4);
    let mut value = || match outliers && random.once_in(16) {
        true => 300.0,
        false => (random.u32() as f32 / u32::MAX as f32 - 0.5) * 4.0,
    };
    let values = (0..count).map(|_| value()).collect();
    Cache { layers, heads, tokens, width, values }
}

/// Asks for a refusal: of the payload, or of the whole message as a context.
fn ask(draft: &mut Draft, cache: &Cache, dtype: u8, extra: &[(&str, String)], payload: Vec<u8>) {
    if draft.index().is_multiple_of(2) {
        return draft.step("kv_decode", json!({}), vec![part("kv", payload)], reject(&["decode"]));
    }
    let mut fields = Fields::new();
    fields.varint(5, (cache.heads * cache.width) as u64).varint(6, cache.layers as u64).varint(7, 1);
    if dtype > 0 {
        fields.varint(8, dtype.into());
    }
    let usual =
        [("model_hash", "ab".repeat(32)), ("model_family", "llama".into()), ("num_steps", "0".into())];
    for (key, value) in usual.iter().chain(extra) {
        fields.entry(14, Some(key), Some(value));
    }
    let (_, _, _, flags) = flag_bits(draft.spec);
    let message = Message { flags, metadata: fields.into_bytes(), payload, ..Message::default() }.to_bytes();
    draft.step("context_from_bytes", json!({}), vec![part("message", message)], reject(&["decode"]));
}

fn quantised(random: &mut Random, draft: &mut Draft) {
    draft.requires(&format!("!{QUANTISED}"));
    let mut cache = cache(random, 1);
    // The shortest caches have more bytes in codes than in two-byte floats: nothing is missing for who takes them for those.
    if draft.index() % 4 < 2 {
        let (heads, width) = (1, random.between(1, 4));
        cache = Cache { layers: 1, heads, tokens: 1, width, values: cache.values };
        let count = 2 * width;
        cache.values.resize(count, 0.5);
    }
    let bits = if (draft.index() / 4).is_multiple_of(2) { CodeBits::Eight } else { CodeBits::Four };
    let extra = [("avp.kv.format", "kvq1".to_owned()), ("avp.kv.orig_dtype", "FLOAT32".to_owned())];
    ask(draft, &cache, bits.dtype(), &extra, cache.quantised(bits));
}

fn delta(random: &mut Random, draft: &mut Draft) {
    draft.requires(&format!("!{DELTA}"));
    let cache = cache(random, 2);
    let from = random.between(1, cache.tokens - 1);
    let extra = [
        ("avp.kv.tokens", format!("{from}:{}", cache.tokens)),
        ("avp.kv.model_hash", "ab".repeat(32)),
        ("avp.kv.prefix_hash", random.hash()),
    ];
    ask(draft, &cache, 0, &extra, cache.slice(0..cache.layers, from..cache.tokens));
}

fn chunk(random: &mut Random, draft: &mut Draft) {
    draft.requires(&format!("!{CHUNKED}"));
    let mut cache = cache(random, 2);
    let by_layers = random.once_in(2) && cache.layers > 1;
    let all = if by_layers { cache.layers } else { cache.tokens };
    let count = random.between(2, all);
    let index = random.below(count);
    let range = all * index / count..all * (index + 1) / count;
    let (layers, tokens) = if by_layers { (range, 0..cache.tokens) } else { (0..cache.layers, range) };
    let extra = [
        ("avp.chunk.id", random.hash()[..32].to_owned()),
        ("avp.chunk.index", index.to_string()),
        ("avp.chunk.count", count.to_string()),
        ("avp.chunk.digest", random.hash()),
        ("avp.kv.layers", format!("{}:{}", layers.start, layers.end)),
        ("avp.kv.tokens", format!("{}:{}", tokens.start, tokens.end)),
    ];
    let payload = cache.slice(layers, tokens);
    // Only the shape is used from here on.
    cache.values.clear();
    ask(draft, &cache, 0, &extra, payload);
}

fn sparse(random: &mut Random, draft: &mut Draft) {
    draft.requires(&format!("!{SPARSE}"));
    let cache = cache(random, 2);
    let mut tokens: Vec<usize> = (0..cache.tokens).collect();
    random.shuffle(&mut tokens);
    tokens.truncate(random.between(1, cache.tokens - 1));
    tokens.sort_unstable();
    let positions: Vec<String> = tokens.iter().map(ToString::to_string).collect();
    ask(draft, &cache, 0, &[("avp.kv.positions", positions.join(","))], cache.sparse(&tokens));
}

/// The sizes are those of the proposal, or near: other layouts of scales count as well.
fn sizes(random: &mut Random, draft: &mut Draft) {
    let (layers, heads, head_dim) = (random.between(1, 80), random.between(1, 32), 128);
    let (tokens, hidden_dim) = (256 * random.between(1, 64), 4096);
    let elements = 2 * layers * heads * head_dim * tokens;
    let near = |ratio: f64| json!({"$close": {"value": 2.0 * elements as f64 / ratio, "rel": 0.03}});
    let args = json!({"num_layers": layers, "num_kv_heads": heads, "head_dim": head_dim, "hidden_dim": hidden_dim,
        "tokens": tokens});
    let right = json!({"int8?": near(256.0 / 132.0), "int4?": near(128.0 / 36.0)});
    draft.step("size_report", args, Vec::new(), ok(right, Vec::new()));
}
