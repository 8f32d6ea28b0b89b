//! Realignment, norms and soft embedding on random matrices of any shape, judged by the oracle in double precision.
//!
//! Values are whole numbers over a power of two, few enough digits for bfloat16, so that all implementations start from the
//! same numbers and dot products are exact in single precision: logits of 10,000 would otherwise carry rounding errors that
//! a softmax turns into errors of the result.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::draft::{BOTH, Draft, Property, V04, ok, reject, tensor};
use super::random::Random;
use super::share::Share;
use crate::build::{bf16_bits, f16_bits};
use crate::case::{CloseTensor, Dtype, Expect, ExpectPart, Part, PartContent, Within};
use crate::oracle::{Matrix, NumericRequest, target_norm};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "realign-matrix",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-RLN-001"],
        why: "W solves the regularised normal equations for any number of rows and columns and any λ.",
        bug: "realignment-matrix-wrong",
        make: matrix,
    },
    Property {
        name: "realign-singular",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-RLN-001"],
        why: "Seen through a head with dependent columns or rows of zeros, W is as well determined as ever.",
        bug: "realignment-of-dependent-columns",
        make: singular,
    },
    Property {
        name: "realign-row-counts",
        share: Share::Weight(16),
        specs: BOTH,
        requirements: &["AVP-RLN-004"],
        why: "Embeddings of different numbers of rows are of different vocabularies, however near the numbers are.",
        bug: "row-counts-unchecked",
        make: row_counts,
    },
    Property {
        name: "realign-apply",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &["AVP-RLN-006"],
        why: "Any number of states, none included, times W at the target length; zeros stay.",
        bug: "realignment-applied-wrong",
        make: apply,
    },
    Property {
        name: "target-norm",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-RLN-007"],
        why: "The mean length of the rows of any embedding.",
        bug: "target-norm-wrong",
        make: norm,
    },
    Property {
        name: "normalize",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-RLN-008"],
        why: "States of all lengths come out at the target, zeros as zeros.",
        bug: "norm-floor-missing",
        make: normalize,
    },
    Property {
        name: "soft-embed",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-RLN-009"],
        why: "The softmax mean of the embeddings for any sizes, element types and temperatures.",
        bug: "soft-embedding-wrong",
        make: soft_embed,
    },
    Property {
        name: "soft-embed-large",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-RLN-011"],
        why: "Logits up to ±10,000 leave the softmax finite and right.",
        bug: "softmax-unstable",
        make: large,
    },
    Property {
        name: "soft-embed-length",
        share: Share::Weight(24),
        specs: V04,
        requirements: &["AVP-RLN-013"],
        why: "The result is brought to a length where that is asked for, and left alone where it is not.",
        bug: "rescale-wrong",
        make: length,
    },
    Property {
        name: "not-finite",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-RLN-001"],
        why: "Weights and states with NaN and infinities are refused or worked with; nothing dies of them.",
        bug: "dies-of-nan",
        make: not_finite,
    },
];

pub(super) const TYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::Bf16];

/// Sizes with the smallest among them.
pub(super) fn size(random: &mut Random, most: usize) -> usize {
    if random.once_in(4) { 1 } else { random.between(1, most) }
}

/// Whole numbers up to 127 over 32, of either sign.
pub(super) fn values(random: &mut Random, count: usize) -> Vec<f32> {
    let mut value = || match random.below(255) {
        odd if odd % 2 == 1 => odd.div_ceil(2) as f32 / 32.0,
        even => (even / 2) as f32 / -32.0 + 0.0,
    };
    (0..count).map(|_| value()).collect()
}

/// Embeddings with a common direction, as those of real models have: the mean of numbers that cancel out would be made of
/// rounding errors.
pub(super) fn embeddings(random: &mut Random, name: &str, rows: usize, dim: usize) -> Part {
    let values: Vec<f32> = values(random, rows * dim).iter().map(|value| value + 3.0).collect();
    numbers(name, random.pick(&TYPES), &[rows, dim], &values)
}

pub(super) fn numbers(name: &str, dtype: Dtype, shape: &[usize], values: &[f32]) -> Part {
    let bytes: Vec<u8> = match dtype {
        Dtype::F16 => values.iter().flat_map(|value| f16_bits(*value).to_le_bytes()).collect(),
        Dtype::Bf16 => values.iter().flat_map(|value| bf16_bits(*value).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    };
    let shape: Vec<u64> = shape.iter().map(|&dim| dim as u64).collect();
    tensor(name, dtype, &shape, bytes)
}

pub(super) fn random_tensor(random: &mut Random, name: &str, shape: &[usize]) -> Part {
    let values = values(random, shape.iter().product());
    numbers(name, random.pick(&TYPES), shape, &values)
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// `ok` with the tensor that the oracle makes of the request. A case whose request the oracle can't answer expects what
/// nothing can give, so that the mistake shows.
pub(super) fn near(
    op: &str,
    args: &Value,
    parts: &[Part],
    name: &str,
    through: Option<&str>,
    within: Within,
) -> Expect {
    let args = object(args.clone());
    let request = NumericRequest { op, args: &args, parts };
    let close = || -> Result<CloseTensor, String> {
        let (made, shape) = request.answer()?;
        let through = through.map(|name| request.through(name)).transpose()?;
        let matrix = |matrix: Matrix| -> (Vec<u64>, Arc<[u8]>) {
            (vec![matrix.rows as u64, matrix.cols as u64], matrix.to_f32_bytes().into())
        };
        Ok(CloseTensor { shape, values: made.to_f32_bytes().into(), through: through.map(matrix), within })
    };
    let content = match close() {
        Ok(close) => PartContent::Close(close),
        Err(why) => PartContent::Json(json!({ "the oracle has no answer": why })),
    };
    let parts = vec![ExpectPart { name: name.to_owned(), content }];
    Expect::Ok { ok: Map::new(), should: Map::new(), parts }
}

fn matrix(random: &mut Random, draft: &mut Draft) {
    let dim = size(random, 12);
    // Many more rows than columns: the Gram matrix is well conditioned.
    let rows = 8 * dim + random.below(40);
    let lambda = random.pick(&[1e-5, 1e-3, 1.0, 64.0]);
    // Random as a whole: with some of them lowered, rows may come to depend on each other.
    let mut even = random.fork();
    let parts = ["e_in", "e_out"].map(|name| random_tensor(&mut even, name, &[rows, dim])).to_vec();
    if parts.iter().any(|part| part.dtype != Some(Dtype::F32)) {
        draft.requirements(&["AVP-RLN-001", "AVP-RLN-003"]);
    }
    let args = json!({ "lambda": lambda });
    let (whole, residual) = (
        Within { frobenius: Some(1e-4), ..Within::default() },
        Within { frobenius: Some(1e-5), ..Within::default() },
    );
    let expect = near("realign_matrix", &args, &parts, "w", None, whole);
    draft.step("realign_matrix", args.clone(), parts.clone(), expect);
    let expect = near("realign_matrix", &args, &parts, "w", Some("equations"), residual);
    draft.step("realign_matrix", args, parts, expect);
}

fn singular(random: &mut Random, draft: &mut Draft) {
    let (rows, half) = (random.between(8, 32), random.between(1, 4));
    let e_in = random_tensor(random, "e_in", &[rows, 2 * half]);
    // The second half of the columns repeats the first, some rows are zeros.
    let mut head = Vec::with_capacity(2 * rows * half);
    for _ in 0..rows {
        let row = if random.once_in(4) { vec![0.0; half] } else { values(random, half) };
        head.extend(row.iter().chain(&row).copied());
    }
    if head.iter().all(|value| *value == 0.0) {
        head[..2 * half].fill(1.0);
    }
    let parts = vec![e_in, numbers("e_out", Dtype::F32, &[rows, 2 * half], &head)];
    // λ must be more than the last digit of the Gram matrix: its entries reach 500.
    let args = json!({ "lambda": random.pick(&[0.0625, 1.0]) });
    let within = Within { frobenius: Some(1e-3), ..Within::default() };
    let expect = near("realign_matrix", &args, &parts, "w", Some("e_out"), within);
    draft.step("realign_matrix", args, parts, expect);
}

fn row_counts(random: &mut Random, draft: &mut Draft) {
    let (dim, rows) = (size(random, 6), random.between(2, 20));
    let other = random.pick(&[rows + 1, rows - 1, 2 * rows]);
    let parts =
        vec![random_tensor(random, "e_in", &[rows, dim]), random_tensor(random, "e_out", &[other, dim])];
    draft.step("realign_matrix", json!({ "lambda": 1e-5 }), parts, reject(&["projection"]));
}

/// States of far lengths, zeros among them; one time in eight there are none.
fn states(random: &mut Random, dim: usize) -> Part {
    let count = if random.once_in(8) { 0 } else { size(random, 6) };
    let mut all = Vec::with_capacity(count * dim);
    for _ in 0..count {
        // Powers of two, which leave the digits alone and single precision's range untouched.
        let scale = 2f32.powi(random.between(0, 24) as i32 - 12);
        let zeros = random.once_in(8);
        all.extend(values(random, dim).iter().map(|value| if zeros { 0.0 } else { value * scale }));
    }
    numbers("hidden", Dtype::F32, &[count, dim], &all)
}

fn target(random: &mut Random) -> f64 {
    random.pick(&[0.5, 1.0, 3.25, 80.0])
}

fn apply(random: &mut Random, draft: &mut Draft) {
    let dim = size(random, 10);
    // A strong diagonal keeps the product from coming near zero by chance, where rounding would be all that is left.
    let mut w: Vec<f32> = values(random, dim * dim).iter().map(|value| value / 16.0).collect();
    for at in 0..dim {
        w[at * dim + at] += 4.0;
    }
    let parts = vec![states(random, dim), numbers("w", Dtype::F32, &[dim, dim], &w)];
    let args = json!({ "target_norm": target(random) });
    let within = Within { norms: Some(1e-5), cosine: Some(0.99999), ..Within::default() };
    let expect = near("realign_apply", &args, &parts, "aligned", None, within);
    draft.step("realign_apply", args, parts, expect);
}

fn norm(random: &mut Random, draft: &mut Draft) {
    let (rows, dim) = (size(random, 200), size(random, 12));
    let part = random_tensor(random, "e_in", &[rows, dim]);
    let value = match (&part.data, part.dtype, &part.shape) {
        (crate::case::PartData::Bytes(bytes), Some(dtype), Some(shape)) => {
            Matrix::of_bytes(dtype, shape, bytes).as_ref().and_then(target_norm)
        }
        _ => None,
    };
    let expect = ok(json!({"value": {"$close": {"value": value, "rel": 1e-6}}}), Vec::new());
    draft.step("target_norm", json!({}), vec![part], expect);
}

fn normalize(random: &mut Random, draft: &mut Draft) {
    let dim = size(random, 10);
    let parts = vec![states(random, dim)];
    let args = json!({ "target_norm": target(random) });
    let within = Within { rows: Some(1e-5), ..Within::default() };
    let expect = near("normalize", &args, &parts, "out", None, within);
    draft.step("normalize", args, parts, expect);
}

/// Both lengths are right: as the softmax gives it, and as long as an embedding.
fn either_length(args: &Value, parts: &[Part]) -> Expect {
    let within = Within { rows: Some(1e-4), cosine: Some(0.9999), ..Within::default() };
    let mut rescaled = args.clone();
    rescaled["rescale_to"] = json!("target_norm");
    Expect::Either(vec![
        ("plain".to_owned(), near("soft_embed", args, parts, "out", None, within)),
        ("rescaled".to_owned(), near("soft_embed", &rescaled, parts, "out", None, within)),
    ])
}

fn soft_embed(random: &mut Random, draft: &mut Draft) {
    let (vocabulary, dim) = (size(random, 40), size(random, 10));
    let count = if random.once_in(8) { 0 } else { size(random, 4) };
    let parts =
        vec![random_tensor(random, "hidden", &[count, dim]), embeddings(random, "embed", vocabulary, dim)];
    let args = json!({ "temperature": random.pick(&[0.25, 1.0, 2.0, 8.0, 64.0]) });
    let expect = either_length(&args, &parts);
    draft.settled_here("A-039");
    draft.step("soft_embed", args, parts, expect);
}

fn large(random: &mut Random, draft: &mut Draft) {
    let dim = random.between(2, 6);
    let vocabulary = random.between(2, 24);
    let sign = |random: &mut Random| random.pick(&[1.0f32, -1.0]);
    let state: Vec<f32> = (0..dim).map(|_| sign(random) * random.between(1, 16) as f32 * 16.0).collect();
    // Tokens beside one far token or its opposite: logits beyond ±10,000 that lie close together.
    let centre: Vec<f32> = state.iter().map(|value| value.signum() * random.pick(&[8.0, 16.0])).collect();
    let mut embed = Vec::with_capacity(vocabulary * dim);
    for _ in 0..vocabulary {
        let sign = if random.once_in(3) { -1.0 } else { 1.0 };
        embed.extend(centre.iter().map(|value| sign * value + (random.below(3) as f32 - 1.0) / 256.0));
    }
    let parts = vec![
        numbers("hidden", Dtype::F32, &[1, dim], &state),
        numbers("embed", Dtype::F32, &[vocabulary, dim], &embed),
    ];
    let args = json!({ "temperature": 1.0 });
    let expect = either_length(&args, &parts);
    draft.settled_here("A-039");
    draft.step("soft_embed", args, parts, expect);
}

fn length(random: &mut Random, draft: &mut Draft) {
    let (vocabulary, dim, count) = (random.between(2, 24), random.between(2, 8), size(random, 3));
    let parts =
        vec![random_tensor(random, "hidden", &[count, dim]), embeddings(random, "embed", vocabulary, dim)];
    let mut args = json!({ "temperature": 2.0 });
    if !draft.index().is_multiple_of(3) {
        draft.requires("rescale_soft_embedding");
        args["rescale_to"] = target(random).into();
    }
    let within = Within { rows: Some(1e-4), ..Within::default() };
    let expect = near("soft_embed", &args, &parts, "out", None, within);
    draft.step("soft_embed", args, parts, expect);
}

fn with_a_flaw(random: &mut Random, name: &str, shape: [usize; 2]) -> Part {
    let mut values = values(random, shape[0] * shape[1]);
    let at = random.below(values.len());
    values[at] = random.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]);
    numbers(name, Dtype::F32, &shape, &values)
}

fn not_finite(random: &mut Random, draft: &mut Draft) {
    let (rows, dim) = (random.between(1, 6), random.between(1, 5));
    let (tall, square) = ([rows, dim], [dim, dim]);
    let (op, requirement, args, tensors) = match draft.index() % 4 {
        0 => {
            ("realign_matrix", "AVP-RLN-001", json!({"lambda": 1e-5}), vec![("e_in", tall), ("e_out", tall)])
        }
        1 => (
            "realign_apply",
            "AVP-RLN-006",
            json!({"target_norm": 1.0}),
            vec![("hidden", tall), ("w", square)],
        ),
        2 => ("normalize", "AVP-RLN-008", json!({"target_norm": 1.0}), vec![("hidden", tall)]),
        _ => (
            "soft_embed",
            "AVP-RLN-009",
            json!({"temperature": 1.0}),
            vec![("hidden", tall), ("embed", tall)],
        ),
    };
    draft.requirements(&[requirement]);
    let parts = tensors.into_iter().map(|(name, shape)| with_a_flaw(random, name, shape)).collect();
    draft.step(op, args, parts, Expect::Alive);
}
