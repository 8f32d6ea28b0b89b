//! Hashes of random configurations.

use serde_json::json;

use super::draft::{BOTH, Draft, Property, ok};
use super::random::Random;
use super::share::Share;
use super::value::{Node, float};
use crate::oracle::model_hash;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "model-hash",
        share: Share::Weight(160),
        specs: BOTH,
        requirements: &["AVP-HASH-001", "AVP-HASH-003", "AVP-HASH-004", "AVP-HASH-005", "AVP-HASH-006"],
        why: "Any configuration hashes as its canonical text does: keys sorted, no spaces, escapes and numbers as fixed.",
        bug: "canonical-text",
        make: config,
    },
    Property {
        name: "model-hash-floats",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-HASH-006", "AVP-HASH-007", "AVP-HASH-008"],
        why: "Floats of every size are written with the fewest digits, in the form of the range they are in.",
        bug: "float-form",
        make: floats,
    },
    Property {
        name: "model-hash-key-order",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-HASH-012"],
        why: "The order of keys in the input, its spaces and its escapes do not change the hash.",
        bug: "key-order-matters",
        make: key_order,
    },
    Property {
        name: "model-hash-last-key",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-HASH-013"],
        why: "Of equal keys the last one counts.",
        bug: "first-key-counts",
        make: last_key,
    },
    Property {
        name: "model-hash-integer-keys",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-HASH-010"],
        why: "Keys that were integers in memory are ordered as numbers.",
        bug: "integer-keys-as-text",
        make: integer_keys,
    },
];

fn hash_step(draft: &mut Draft, json: &str, int_keys: &[String]) {
    let pointers: Vec<&str> = int_keys.iter().map(String::as_str).collect();
    // Generated texts are JSON and their integer keys exist, so there is a hash.
    let hex = model_hash(json, &pointers).unwrap_or_default();
    let mut args = json!({ "json": json });
    if !int_keys.is_empty() {
        args["int_keys"] = json!(int_keys);
    }
    draft.step("model_hash", args, Vec::new(), ok(json!({ "hex": hex }), Vec::new()));
}

fn config(random: &mut Random, draft: &mut Draft) {
    let text = Node::object(random, 3).text(random);
    hash_step(draft, &text, &[]);
}

fn floats(random: &mut Random, draft: &mut Draft) {
    let members: Vec<_> = (0..random.between(1, 8)).map(|i| format!("\"f{i}\":{}", float(random))).collect();
    hash_step(draft, &format!("{{{}}}", members.join(",")), &[]);
}

fn key_order(random: &mut Random, draft: &mut Draft) {
    let mut node = Node::object(random, 3);
    for _ in 0..3 {
        let text = node.text(random);
        hash_step(draft, &text, &[]);
        node.shuffle(random);
    }
    draft.relation("/hex", vec![vec![0, 1, 2]], false);
}

fn last_key(random: &mut Random, draft: &mut Draft) {
    let (key, last) = (random.word(4), Node::new(random, 1));
    let first = Node::new(random, 1).text(random);
    let last = last.text(random);
    hash_step(draft, &format!("{{\"{key}\":{first},\"z\":1,\"{key}\":{last}}}"), &[]);
    hash_step(draft, &format!("{{\"z\":1,\"{key}\":{last}}}"), &[]);
    draft.relation("/hex", vec![vec![0, 1]], false);
}

fn integer_keys(random: &mut Random, draft: &mut Draft) {
    draft.requires("int_keys");
    let mut keys: Vec<i64> = (0..random.between(2, 14)).map(|_| random.below(300) as i64).collect();
    keys.sort_unstable();
    keys.dedup();
    random.shuffle(&mut keys);
    let members: Vec<_> = keys.iter().map(|key| format!("\"{key}\":\"LABEL_{key}\"")).collect();
    let pointers: Vec<_> = keys.iter().map(|key| format!("/id2label/{key}")).collect();
    let text = format!("{{\"model_type\":\"x\",\"id2label\":{{{}}},\"hidden_size\":8}}", members.join(","));
    hash_step(draft, &text, &pointers);
}
