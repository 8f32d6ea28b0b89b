//! Validations and the quality gate on random numbers, judged by the oracle in double precision.

use serde_json::{Value, json};

use super::draft::{BOTH, Draft, Property, V04, ok, tensor};
use super::random::Random;
use super::realign::{numbers, random_tensor, size, values};
use super::share::Share;
use crate::case::{Dtype, Part, PartData};
use crate::oracle::{
    Matrix, TokenRows, effective_rank, validation_cosine, validation_mode, validation_perplexity,
};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "validate-decide",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-VAL-011"],
        why: "Both tiers with any thresholds, at their borders, and of what is no number.",
        bug: "validation-thresholds",
        make: decide,
    },
    Property {
        name: "validate-cosine",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-VAL-002", "AVP-VAL-004"],
        why: "Each projection against the embedding of the next token, texts of any lengths.",
        bug: "same-position-compared",
        make: cosine,
    },
    Property {
        name: "validate-overlap",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-VAL-013"],
        why: "Between two vocabularies the target's own id of a token names its row.",
        bug: "overlap-ids-unmapped",
        make: overlap,
    },
    Property {
        name: "validate-perplexity",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-VAL-008", "AVP-VAL-009"],
        why: "Row i of the logits against token i, texts of any lengths, averaged as they are.",
        bug: "perplexity-shifted",
        make: perplexity,
    },
    Property {
        name: "assess-transfer",
        share: Share::Weight(32),
        specs: V04,
        requirements: &["AVP-QG-003"],
        why: "Any threshold, and counts around it.",
        bug: "gate-border",
        make: assess,
    },
    Property {
        name: "effective-rank",
        share: Share::Weight(32),
        specs: V04,
        requirements: &["AVP-QG-006"],
        why: "The spread of the singular values of any states, few or many, alike or not.",
        bug: "effective-rank",
        make: rank,
    },
];

/// A number as a request writes it.
fn written(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(value.to_string().to_lowercase()) }
}

fn decide(random: &mut Random, draft: &mut Draft) {
    let least = random.once_in(3).then(|| random.pick(&[0.25, 0.5, 0.75, 0.9]));
    // From 50 on, so that both dialects know what is under it.
    let most = random.once_in(3).then(|| random.pick(&[60.0, 100.0, 250.0]));
    let step = random.pick(&[-0.1, -1e-6, 0.0, 1e-6, 0.1]);
    let cosine = match random.below(8) {
        0 => f64::NAN,
        1 => random.pick(&[-1.0, 0.0, 0.8, 0.800_001, 1.0]),
        _ => least.unwrap_or(0.5) + step,
    };
    let perplexity = match random.below(6) {
        0 => None,
        1 => Some(random.pick(&[f64::NAN, f64::INFINITY])),
        2 => Some(random.pick(&[1.0, 49.999, 50.0, 50.001])),
        _ => Some(most.unwrap_or(100.0) + random.pick(&[-1.0, -1e-4, 0.0, 1e-4, 1000.0])),
    };
    if cosine.is_nan() || perplexity.is_some_and(f64::is_nan) {
        draft.requirements(&["AVP-VAL-012"]);
        draft.settled_here("A-044");
    }
    let (mode, looked) = validation_mode(draft.spec, cosine, perplexity, [least, most]);
    let mut args = json!({ "cosine": written(cosine) });
    for (key, value) in
        [("perplexity", perplexity), ("cosine_threshold", least), ("perplexity_threshold", most)]
    {
        if let Some(value) = value {
            args[key] = written(value);
        }
    }
    let mut right = json!({ "mode": mode });
    if !looked {
        right["perplexity"] = json!({"$absent": true});
    }
    draft.step("validate_decide", args, Vec::new(), ok(right, Vec::new()));
}

/// Texts of two tokens and more, and a part with a row of numbers for each token and `more`.
struct Texts {
    ids: Vec<Vec<u32>>,
    parts: Vec<Part>,
}

impl Texts {
    fn draw(random: &mut Random, name: &str, tokens: &[u32], cols: usize, more: usize) -> Self {
        let mut made = Self { ids: Vec::new(), parts: Vec::new() };
        for index in 0..random.between(1, 4) {
            let ids: Vec<u32> = (0..random.between(2, 7)).map(|_| random.pick(tokens)).collect();
            let rows = ids.len() + more;
            made.parts.push(random_tensor(random, &format!("{name}{index}"), &[rows, cols]));
            made.ids.push(ids);
        }
        made
    }

    fn matrices(&self) -> Vec<Matrix> {
        self.parts.iter().map(|part| matrix(part).unwrap_or_default()).collect()
    }
}

fn matrix(part: &Part) -> Option<Matrix> {
    match (&part.data, part.dtype, &part.shape) {
        (PartData::Bytes(bytes), Some(dtype), Some(shape)) => Matrix::of_bytes(dtype, shape, bytes),
        _ => None,
    }
}

fn borrowed<'a>(texts: &'a Texts, matrices: &'a [Matrix]) -> Vec<TokenRows<'a>> {
    texts.ids.iter().map(Vec::as_slice).zip(matrices).collect()
}

fn cosine(random: &mut Random, draft: &mut Draft) {
    let (vocabulary, dim) = (random.between(2, 30), random.between(2, 9));
    let tokens: Vec<u32> = (0..vocabulary as u32).collect();
    let texts = Texts::draw(random, "projected", &tokens, dim, 0);
    let embed = random_tensor(random, "tgt_embed", &[vocabulary, dim]);
    let right =
        validation_cosine(&borrowed(&texts, &texts.matrices()), &matrix(&embed).unwrap_or_default(), None);
    let args = json!({ "ids": texts.ids });
    let parts = texts.parts.into_iter().chain([embed]).collect();
    let right = json!({"cosine": {"$close": {"value": right, "abs": 1e-5}}});
    draft.step("validate_cosine", args, parts, ok(right, Vec::new()));
}

fn overlap(random: &mut Random, draft: &mut Draft) {
    let (vocabulary, dim, count) = (random.between(6, 30), random.between(2, 9), random.between(2, 6));
    // Ids of the source that the target's embeddings have no row for.
    let mut source: Vec<u32> = (0..count as u32).map(|index| index * 37 + 11).collect();
    random.shuffle(&mut source);
    let mut target: Vec<u32> = (0..vocabulary as u32).collect();
    random.shuffle(&mut target);
    target.truncate(count);
    let mut texts = Texts::draw(random, "projected", &source, dim, 0);
    for ids in &mut texts.ids {
        // Some tokens are the source's alone, but not the second, so that every text has something to compare.
        for id in ids.iter_mut().skip(2).filter(|_| random.once_in(3)) {
            *id = 5;
        }
    }
    let embed = random_tensor(random, "tgt_embed", &[vocabulary, dim]);
    let right = validation_cosine(
        &borrowed(&texts, &texts.matrices()),
        &matrix(&embed).unwrap_or_default(),
        Some((&source, &target)),
    );
    let index = |name: &str, ids: &[u32]| {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        tensor(name, Dtype::U32, &[ids.len() as u64], bytes)
    };
    let args = json!({ "ids": texts.ids });
    let both = [embed, index("src_indices", &source), index("tgt_indices", &target)];
    let parts = texts.parts.into_iter().chain(both).collect();
    let right = json!({"cosine": {"$close": {"value": right, "abs": 1e-5}}});
    draft.settled_here("A-043");
    draft.step("validate_cosine", args, parts, ok(right, Vec::new()));
}

fn perplexity(random: &mut Random, draft: &mut Draft) {
    let vocabulary = random.between(2, 30);
    let tokens: Vec<u32> = (0..vocabulary as u32).collect();
    let texts = Texts::draw(random, "logits", &tokens, vocabulary, 1);
    let right = validation_perplexity(&borrowed(&texts, &texts.matrices()));
    let right = json!({"perplexity": {"$close": {"value": right, "rel": 1e-4}}});
    let args = json!({ "ids": texts.ids });
    draft.step("validate_ppl", args, texts.parts, ok(right, Vec::new()));
}

fn assess(random: &mut Random, draft: &mut Draft) {
    let most = random.once_in(2).then(|| random.pick(&[0, 1, 64, 299, 1000, 131_072]));
    let border: usize = most.unwrap_or(300);
    let tokens = match random.below(5) {
        0 => border,
        1 => border + 1,
        2 => border.saturating_sub(1),
        3 => border + random.between(2, 100_000),
        _ => random.below(border + 1),
    };
    let mut args = json!({ "prompt_tokens": tokens });
    if let Some(most) = most {
        args["max_prompt_tokens"] = most.into();
    }
    if most.is_none() {
        draft.requirements(&["AVP-QG-001", "AVP-QG-002"]);
        draft.settled_here("A-045");
    }
    let right = json!({"recommend_latent": tokens <= border, "prompt_tokens?": tokens});
    draft.step("assess_transfer", args, Vec::new(), ok(right, Vec::new()));
}

fn rank(random: &mut Random, draft: &mut Draft) {
    let (rows, cols) = (size(random, 12), size(random, 12));
    let hidden = match random.below(3) {
        // One direction, in several lengths.
        0 => {
            let direction = values(random, cols);
            let lengths: Vec<f32> = (0..rows).map(|_| random.pick(&[0.25, 0.5, 1.0, 2.0, -4.0])).collect();
            let all: Vec<f32> =
                lengths.iter().flat_map(|length| direction.iter().map(move |v| v * length)).collect();
            numbers("hidden", Dtype::F32, &[rows, cols], &all)
        }
        1 => random_tensor(random, "hidden", &[1, rows, cols]),
        _ => random_tensor(random, "hidden", &[rows, cols]),
    };
    let right = matrix(&hidden).map(|hidden| effective_rank(&hidden));
    // Zeros that single precision makes of one direction count a little each.
    let right = json!({"ratio": {"$close": {"value": right, "abs": 1e-4}}});
    draft.step("effective_rank", json!({}), vec![hidden], ok(right, Vec::new()));
}
