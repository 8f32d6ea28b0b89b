//! What transfers cost, and how alike two texts are.

use serde_json::json;

use super::draft::{BOTH, Draft, Property, V04, ok};
use super::random::Random;
use crate::oracle::word_overlap;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "transfer-size",
        count: 32,
        specs: BOTH,
        requirements: &["AVP-XFR-004"],
        why: "The bytes of a whole cache and of hidden states follow from the model's sizes, beyond 32 bits too.",
        bug: "transfer-size-estimate",
        make: size,
    },
    Property {
        name: "word-overlap",
        count: 48,
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
