//! Hashes of random vocabularies.

use serde_json::{Map, Value, json};

use super::draft::{BOTH, Draft, Property, ok};
use super::random::Random;
use super::share::Share;
use crate::oracle::tokenizer_hash;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "tokenizer-hash",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-HASH-014"],
        why: "Any vocabulary hashes as the list of its pairs, ordered by the code points of the tokens.",
        bug: "vocabulary-text",
        make: vocabulary,
    },
    Property {
        name: "tokenizer-hash-order",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-HASH-017"],
        why: "The order in which tokens come does not change the hash; one other id or one other token does.",
        bug: "vocabulary-order-matters",
        make: order,
    },
];

fn tokens(random: &mut Random) -> Vec<(String, i64)> {
    let mut pairs: Vec<(String, i64)> = Vec::new();
    for id in 0..random.between(0, 40) as i64 {
        let token = match random.below(4) {
            0 => format!("Ġ{}", random.word(5)),
            1 => random.text(4),
            2 => format!("<|{}|>", random.word(8)),
            _ => random.word(4),
        };
        if pairs.iter().all(|(known, _)| *known != token) {
            pairs.push((token, id));
        }
    }
    pairs
}

fn hash_step(draft: &mut Draft, pairs: &[(String, i64)]) {
    let list: Vec<_> =
        pairs.iter().map(|(token, id)| (token.chars().map(u32::from).collect(), *id)).collect();
    let vocab: Map<String, Value> = pairs.iter().map(|(token, id)| (token.clone(), json!(id))).collect();
    let expect = ok(json!({ "hex": tokenizer_hash(&list) }), Vec::new());
    draft.step("tokenizer_hash", json!({ "vocab": vocab }), Vec::new(), expect);
}

fn vocabulary(random: &mut Random, draft: &mut Draft) {
    let pairs = tokens(random);
    if pairs.is_empty() {
        draft.requirements(&["AVP-HASH-015"]);
    }
    hash_step(draft, &pairs);
}

fn order(random: &mut Random, draft: &mut Draft) {
    let mut pairs = tokens(random);
    pairs.push(("a".repeat(9), 1000));
    hash_step(draft, &pairs);
    random.shuffle(&mut pairs);
    hash_step(draft, &pairs);
    let at = random.below(pairs.len());
    let mut other_id = pairs.clone();
    other_id[at].1 += 5000;
    hash_step(draft, &other_id);
    let mut other_token = pairs;
    other_token[at].0.push_str("\u{1f600}z");
    hash_step(draft, &other_token);
    draft.relation("/hex", vec![vec![0, 1], vec![2], vec![3]], false);
}
