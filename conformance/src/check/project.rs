//! Projections of any sizes, judged by the oracle in double precision and by one another.
//!
//! As in realignment, values have so few digits that logits are exact in single precision.

use serde_json::{Map, Value, json};

use super::draft::{BOTH, Draft, Property, V04, ok, reject, tensor};
use super::random::Random;
use super::realign::{embeddings, near, numbers, object, random_tensor, size, values};
use super::share::Share;
use crate::case::{Dtype, Expect, ExpectPart, Part, PartContent, Within};
use crate::oracle::{NumericRequest, SharedTokens, TokenIds};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "project-mediated",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-PRJ-001"],
        why: "The softmax of the source's logits mixes the target's rows, for any sizes, element types and temperatures.",
        bug: "projection-wrong",
        make: mediated,
    },
    Property {
        name: "project-overlap",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-PRJ-002"],
        why: "The softmax is over the shared tokens alone, whichever they are and in whatever order.",
        bug: "overlap-wrong",
        make: overlap,
    },
    Property {
        name: "project-pairs",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-PRJ-005"],
        why: "Pairs of an index and a row may be shuffled.",
        bug: "pair-order-matters",
        make: pairs,
    },
    Property {
        name: "project-whole-overlap",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-PRJ-004"],
        why: "An overlap of all tokens under their own ids is the whole vocabulary.",
        bug: "overlap-is-another-method",
        make: whole_overlap,
    },
    Property {
        name: "project-padding",
        share: Share::Weight(24),
        specs: V04,
        requirements: &["AVP-PRJ-006"],
        why: "Rows behind the shorter vocabulary are padding, whatever they hold.",
        bug: "padding-projected",
        make: padding,
    },
    Property {
        name: "project-length",
        share: Share::Weight(24),
        specs: V04,
        requirements: &["AVP-PRJ-011"],
        why: "Any number of states comes out at the target length where one is named, and at its own where none is.",
        bug: "target-norm-not-applied",
        make: length,
    },
    Property {
        name: "project-metrics",
        share: Share::Weight(32),
        specs: V04,
        requirements: &["AVP-PRJ-020"],
        why: "What is said of a projection is what can be computed of it.",
        bug: "metrics-wrong",
        make: metrics,
    },
    Property {
        name: "project-linear",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-PRJ-022"],
        why: "A matrix of any sizes, with a bias or without.",
        bug: "linear-map-wrong",
        make: linear,
    },
    Property {
        name: "project-sizes",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-PRJ-016"],
        why: "Widths, indices and rows that do not belong together are refused.",
        bug: "sizes-unchecked",
        make: sizes,
    },
    Property {
        name: "vocab-overlap",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-PRJ-023", "AVP-PRJ-024"],
        why: "Shared tokens of any vocabularies, in the order of their code points, and their share of the smaller one.",
        bug: "overlap-order",
        make: vocab_overlap,
    },
];

/// Nearness of a projection (AVP-PRJ-001).
const WITHIN: Within = Within { frobenius: None, rows: Some(1e-4), cosine: Some(0.99999), norms: None };

fn temperature(random: &mut Random) -> f64 {
    random.pick(&[0.25, 0.5, 1.0, 2.0, 8.0])
}

/// States of a width; one time in eight there are none.
fn states(random: &mut Random, dim: usize) -> Part {
    let count = if random.once_in(8) { 0 } else { size(random, 5) };
    random_tensor(random, "hidden", &[count, dim])
}

/// So many different numbers below `below`, in any order.
fn indices(random: &mut Random, below: usize, count: usize) -> Vec<u32> {
    let mut all: Vec<u32> = (0..below as u32).collect();
    random.shuffle(&mut all);
    all.truncate(count);
    all
}

fn index_part(name: &str, indices: &[u32]) -> Part {
    let bytes: Vec<u8> = indices.iter().flat_map(|index| index.to_le_bytes()).collect();
    tensor(name, Dtype::U32, &[indices.len() as u64], bytes)
}

/// Parts of a request to project through a whole vocabulary.
fn whole(random: &mut Random, vocabulary: usize) -> Vec<Part> {
    let (source, target) = (size(random, 10), size(random, 10));
    let hidden = states(random, source);
    let head = random_tensor(random, "src_head", &[vocabulary, source]);
    vec![hidden, head, embeddings(random, "tgt_embed", vocabulary, target)]
}

/// Parts of a request to project through some tokens of a vocabulary, and their indices.
fn some(random: &mut Random) -> (Vec<Part>, Vec<u32>) {
    let (source, target) = (size(random, 10), size(random, 10));
    let vocabulary = random.between(1, 48);
    let count = random.between(1, vocabulary);
    let hidden = states(random, source);
    let head = random_tensor(random, "src_head", &[vocabulary, source]);
    let indices = indices(random, vocabulary, count);
    let shared = embeddings(random, "tgt_embed_shared", count, target);
    (vec![hidden, head, index_part("src_indices", &indices), shared], indices)
}

fn projected(draft: &mut Draft, op: &str, args: Value, parts: Vec<Part>, within: Within) {
    let expect = near(op, &args, &parts, "out", None, within);
    draft.step(op, args, parts, expect);
}

/// `out` near to that of the first step.
fn as_before(within: Within) -> Expect {
    let content = PartContent::Near { step: 0, part: "out".to_owned(), within };
    let parts = vec![ExpectPart { name: "out".to_owned(), content }];
    Expect::Ok { ok: Map::new(), should: Map::new(), parts }
}

fn mediated(random: &mut Random, draft: &mut Draft) {
    let vocabulary = size(random, 60);
    let parts = whole(random, vocabulary);
    if parts.iter().any(|part| part.dtype != Some(Dtype::F32)) {
        draft.requirements(&["AVP-PRJ-001", "AVP-PRJ-015"]);
    }
    let args = json!({ "temperature": temperature(random) });
    projected(draft, "project_vocab", args, parts, WITHIN);
}

fn overlap(random: &mut Random, draft: &mut Draft) {
    let (parts, _) = some(random);
    let args = json!({ "temperature": temperature(random) });
    projected(draft, "project_overlap", args, parts, WITHIN);
}

fn pairs(random: &mut Random, draft: &mut Draft) {
    let (vocabulary, source, target) = (random.between(3, 40), size(random, 8), size(random, 8));
    let count = random.between(2, vocabulary);
    let (hidden, head) = (
        numbers("hidden", Dtype::F32, &[2, source], &values(random, 2 * source)),
        random_tensor(random, "src_head", &[vocabulary, source]),
    );
    let rows: Vec<Vec<f32>> =
        (0..count).map(|_| values(random, target).iter().map(|value| value + 3.0).collect()).collect();
    let mut paired: Vec<(u32, Vec<f32>)> = indices(random, vocabulary, count).into_iter().zip(rows).collect();
    let args = json!({ "temperature": temperature(random) });
    let parts = |paired: &[(u32, Vec<f32>)]| {
        let (indices, rows): (Vec<u32>, Vec<Vec<f32>>) = paired.iter().cloned().unzip();
        let rows = numbers("tgt_embed_shared", Dtype::F32, &[count, target], &rows.concat());
        vec![hidden.clone(), head.clone(), index_part("src_indices", &indices), rows]
    };
    projected(draft, "project_overlap", args.clone(), parts(&paired), WITHIN);
    random.shuffle(&mut paired);
    let within = Within { rows: Some(1e-5), ..Within::default() };
    draft.step("project_overlap", args, parts(&paired), as_before(within));
}

fn whole_overlap(random: &mut Random, draft: &mut Draft) {
    let vocabulary = random.between(1, 60);
    let parts = whole(random, vocabulary);
    let mut others = parts.clone();
    others[2].name = "tgt_embed_shared".to_owned();
    others.push(index_part("src_indices", &(0..vocabulary as u32).collect::<Vec<_>>()));
    let args = json!({ "temperature": temperature(random) });
    projected(draft, "project_vocab", args.clone(), parts, WITHIN);
    let within = Within { frobenius: Some(1e-6), ..Within::default() };
    draft.step("project_overlap", args, others, as_before(within));
}

fn padding(random: &mut Random, draft: &mut Draft) {
    let (vocabulary, padded) = (random.between(1, 40), random.between(1, 16));
    let (source, target) = (size(random, 8), size(random, 8));
    let mut head = values(random, vocabulary * source);
    let mut embed: Vec<f32> = values(random, vocabulary * target).iter().map(|value| value + 3.0).collect();
    let hidden = numbers("hidden", Dtype::F32, &[2, source], &values(random, 2 * source));
    let mut rows = [vocabulary, vocabulary];
    // Padding that would win every softmax, or spoil every mean.
    if random.once_in(2) {
        head.extend((0..padded * source).map(|_| 127.0));
        rows[0] += padded;
    } else {
        embed.extend((0..padded * target).map(|_| -1000.0));
        rows[1] += padded;
    }
    let parts = vec![
        hidden,
        numbers("src_head", Dtype::F32, &[rows[0], source], &head),
        numbers("tgt_embed", Dtype::F32, &[rows[1], target], &embed),
    ];
    draft.settled_here("A-042");
    projected(draft, "project_vocab", json!({ "temperature": temperature(random) }), parts, WITHIN);
}

fn length(random: &mut Random, draft: &mut Draft) {
    let target = random.pick(&[0.5, 1.0, 3.25, 80.0]);
    let args = json!({ "temperature": temperature(random), "target_norm": target });
    let within = Within { norms: Some(1e-5), cosine: Some(0.99999), ..Within::default() };
    match random.once_in(2) {
        true => {
            let (parts, _) = some(random);
            projected(draft, "project_overlap", args, parts, within);
        }
        false => {
            let vocabulary = size(random, 40);
            let parts = whole(random, vocabulary);
            projected(draft, "project_vocab", args, parts, within);
        }
    }
}

fn metrics(random: &mut Random, draft: &mut Draft) {
    let args = json!({ "temperature": temperature(random), "metrics": true });
    let (op, parts) = match random.once_in(2) {
        true => ("project_overlap", some(random).0),
        false => {
            let vocabulary = size(random, 40);
            ("project_vocab", whole(random, vocabulary))
        }
    };
    let asked = object(args.clone());
    let made = NumericRequest { op, args: &asked, parts: &parts }.projection();
    let expect = match made {
        Err(why) => ok(json!({ "the oracle has no answer": why }), Vec::new()),
        Ok(made) => {
            let near = |value: &f64| json!({"$close": {"value": value, "abs": 1e-4, "rel": 1e-5}});
            let list = |values: &[f64]| Value::Array(values.iter().map(near).collect());
            let metrics = made.metrics();
            let named = metrics.named().map(|(name, values)| (format!("{name}?"), list(values)));
            ok(json!({ "metrics?": Map::from_iter(named) }), Vec::new())
        }
    };
    draft.step(op, args, parts, expect);
}

fn linear(random: &mut Random, draft: &mut Draft) {
    let (source, target) = (size(random, 10), size(random, 10));
    // A strong diagonal keeps the product from coming near zero by chance.
    let mut w: Vec<f32> = values(random, source * target).iter().map(|value| value / 16.0).collect();
    for at in 0..source.min(target) {
        w[at * target + at] += 4.0;
    }
    let mut parts = vec![states(random, source), numbers("w", Dtype::F32, &[source, target], &w)];
    if random.once_in(2) {
        let bias: Vec<f32> = values(random, target).iter().map(|value| value + 32.0).collect();
        parts.push(numbers("bias", Dtype::F32, &[target], &bias));
    }
    let args = json!({ "target_norm": random.pick(&[0.5, 1.0, 3.25, 80.0]) });
    let within = Within { norms: Some(1e-5), cosine: Some(0.9999), ..Within::default() };
    projected(draft, "project_linear", args, parts, within);
}

fn sizes(random: &mut Random, draft: &mut Draft) {
    let args = json!({ "temperature": 1.0 });
    let (source, vocabulary) = (random.between(1, 8), random.between(2, 30));
    let other = random.pick(&[source + 1, 2 * source, source + 7]);
    let kind = random.below(4);
    let width = if kind < 2 { other } else { source };
    let hidden = random_tensor(random, "hidden", &[2, width]);
    let head = random_tensor(random, "src_head", &[vocabulary, source]);
    if kind == 0 {
        let parts = vec![hidden, head, embeddings(random, "tgt_embed", vocabulary, 3)];
        return draft.step("project_vocab", args, parts, reject(&["shape_mismatch"]));
    }
    let count = random.between(1, vocabulary);
    let mut chosen = indices(random, vocabulary, count);
    let mut rows = count;
    match kind {
        2 => {
            draft.requirements(&["AVP-PRJ-017"]);
            let at = random.below(count);
            chosen[at] = random.pick(&[vocabulary as u32, vocabulary as u32 + 1, u32::MAX, 1 << 31]);
        }
        3 => {
            draft.requirements(&["AVP-PRJ-017"]);
            rows = random.pick(&[count + 1, 2 * count, count + 9]);
        }
        _ => {}
    }
    let shared = embeddings(random, "tgt_embed_shared", rows, 3);
    let parts = vec![hidden, head, index_part("src_indices", &chosen), shared];
    draft.step("project_overlap", args, parts, reject(&["shape_mismatch"]));
}

/// Tokens with ids that are no one's position, some of them in both.
pub(super) fn vocabularies(random: &mut Random, most: usize) -> [TokenIds; 2] {
    let mut both = [TokenIds::new(), TokenIds::new()];
    for number in 0..random.between(1, most) {
        let token = match random.below(4) {
            0 => format!("Ġ{}", random.word(5)),
            1 => format!("{}{number}", random.text(3)),
            2 => format!("<|{}|>", random.word(8)),
            _ => random.word(4),
        };
        let into = random.below(4);
        for (side, vocabulary) in both.iter_mut().enumerate() {
            if into > 1 || into == side {
                let id = (vocabulary.len() * (side + 2)) as u32 + 3;
                vocabulary.entry(token.clone()).or_insert(id);
            }
        }
    }
    for vocabulary in &mut both {
        // No ratio of nothing.
        if vocabulary.is_empty() {
            vocabulary.insert("x".to_owned(), 0);
        }
    }
    both
}

fn vocab_overlap(random: &mut Random, draft: &mut Draft) {
    let [a, b] = vocabularies(random, 60);
    let shared = SharedTokens::of(&a, &b);
    let bytes =
        |ids: &[u32]| -> std::sync::Arc<[u8]> { ids.iter().flat_map(|id| id.to_le_bytes()).collect() };
    let parts = vec![
        ("src_indices".to_owned(), bytes(&shared.src_indices)),
        ("tgt_indices".to_owned(), bytes(&shared.tgt_indices)),
    ];
    let right = json!({
        "count": shared.src_indices.len(),
        "ratio?": {"$close": {"value": shared.ratio, "abs": 1e-12}},
    });
    draft.step("vocab_overlap", json!({ "a": a, "b": b }), Vec::new(), ok(right, parts));
}

#[cfg(test)]
mod tests {
    use super::super::realign::TYPES;
    use super::*;
    use crate::case::{PartData, Spec};

    #[test]
    fn the_oracle_answers_every_request() {
        for property in PROPERTIES {
            for index in 0..32 {
                let mut draft = Draft::new(property, Spec::V04, 3, index);
                (property.make)(&mut Random::new(3, property.name, index), &mut draft);
                let told = format!("{:?}", draft.finish().steps);
                assert!(!told.contains("the oracle has no answer"), "{}/{index}", property.name);
            }
        }
    }

    #[test]
    fn types_and_known_bytes() {
        let mut random = Random::new(1, "project", 0);
        for part in whole(&mut random, 5) {
            assert!(part.dtype.is_some_and(|dtype| TYPES.contains(&dtype)));
            assert!(matches!(part.data, PartData::Bytes(_)));
        }
    }
}
