//! Projections, ranks, validations and a transfer against what numpy and torch compute (`projection_numbers/make.py`).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::effective_rank::{effective_rank, singular_values};
use super::matrix::Matrix;
use super::projection::{Projection, linear_projection};
use super::self_test::{SelfTestError, near, same};
use super::validation::{TokenRows, validation_cosine, validation_mode, validation_perplexity};
use crate::case::Spec;

const NUMBERS: &str = include_str!("projection_numbers/numbers.json");

/// Rounding of double precision, a hundred times over: the numbers have 14 digits.
const TOLERANCE: f64 = 1e-11;

#[derive(Deserialize)]
struct Numbers {
    projections: Projections,
    ranks: Vec<Rank>,
    validations: Validations,
    #[cfg(test)]
    transfer: Transfer,
}

#[derive(Deserialize)]
struct Projections {
    hidden: Vec<f64>,
    head: Vec<f64>,
    embed: Vec<f64>,
    mediated: Mediated,
    overlap: Overlap,
    linear: Linear,
}

#[derive(Deserialize)]
struct Mediated {
    temperature: f64,
    target_norm: f64,
    out: Vec<f64>,
    metrics: Map<String, Value>,
}

#[derive(Deserialize)]
struct Overlap {
    indices: Vec<usize>,
    temperature: f64,
    shared: Vec<f64>,
    out: Vec<f64>,
    metrics: Map<String, Value>,
}

#[derive(Deserialize)]
struct Linear {
    w: Vec<f64>,
    bias: Vec<f64>,
    out: Vec<f64>,
}

#[derive(Deserialize)]
struct Rank {
    cols: usize,
    values: Vec<f64>,
    singular: Vec<f64>,
    rank: f64,
}

#[derive(Deserialize)]
struct Validations {
    embed: Vec<f64>,
    ids: Vec<Vec<u32>>,
    projected: Vec<Vec<f64>>,
    cosine: f64,
    source: Vec<u32>,
    target: Vec<u32>,
    mapped: f64,
    logits: Vec<Vec<f64>>,
    perplexity: f64,
}

#[cfg(test)]
#[derive(Deserialize)]
struct Transfer {
    injected: Vec<f64>,
    written: Vec<u32>,
}

fn read() -> Result<Numbers, SelfTestError> {
    serde_json::from_str(NUMBERS).map_err(|error| SelfTestError {
        oracle: "projection",
        expected: "numbers".to_owned(),
        actual: error.to_string(),
    })
}

/// Holds the oracles against them.
pub(super) fn hold() -> Result<(), SelfTestError> {
    let numbers = read()?;
    projections(&numbers.projections)?;
    for Rank { cols, values, singular, rank } in &numbers.ranks {
        let made = matrix(*cols, values);
        let mut found = singular_values(&made);
        found.sort_by(|a, b| b.total_cmp(a));
        near("singular values", singular, &found, TOLERANCE)?;
        near("effective rank", &[*rank], &[effective_rank(&made)], TOLERANCE)?;
    }
    validations(&numbers.validations)
}

fn matrix(cols: usize, values: &[f64]) -> Matrix {
    Matrix { rows: values.len() / cols, cols, values: values.to_vec() }
}

fn projections(numbers: &Projections) -> Result<(), SelfTestError> {
    let (hidden, head) = (matrix(4, &numbers.hidden), matrix(4, &numbers.head));
    let Mediated { temperature, target_norm, out, metrics } = &numbers.mediated;
    let made =
        Projection::mediated(&hidden, &head, &matrix(3, &numbers.embed), *temperature, Some(*target_norm));
    projected(made, out, metrics)?;
    let Overlap { indices, temperature, shared, out, metrics } = &numbers.overlap;
    let made = Projection::overlap(&hidden, &head, indices, &matrix(3, shared), *temperature, None);
    projected(made, out, metrics)?;
    let Linear { w, bias, out } = &numbers.linear;
    let made = linear_projection(&hidden, &matrix(3, w), Some(&matrix(3, bias)), Some(1.5));
    near("linear projection", out, &made.unwrap_or_default().values, TOLERANCE)
}

fn projected(
    made: Option<Projection>,
    out: &[f64],
    metrics: &Map<String, Value>,
) -> Result<(), SelfTestError> {
    let Some(made) = made else { return same("projection", "a projection", "none") };
    near("projection", out, &made.out.values, TOLERANCE)?;
    for (name, values) in made.metrics().named() {
        let expected = metrics.get(name).and_then(Value::as_array).into_iter().flatten();
        let expected: Vec<f64> = expected.filter_map(Value::as_f64).collect();
        near("projection metrics", &expected, values, TOLERANCE)?;
    }
    Ok(())
}

fn validations(numbers: &Validations) -> Result<(), SelfTestError> {
    let embed = matrix(3, &numbers.embed);
    let with_ids = |rows: &[Vec<f64>], cols| -> Vec<(Vec<u32>, Matrix)> {
        numbers.ids.iter().zip(rows).map(|(ids, rows)| (ids.clone(), matrix(cols, rows))).collect()
    };
    let (projected, logits) = (with_ids(&numbers.projected, 3), with_ids(&numbers.logits, embed.rows));
    let overlap = Some((&numbers.source[..], &numbers.target[..]));
    let texts = borrowed(&projected);
    for (expected, made) in [
        (numbers.cosine, validation_cosine(&texts, &embed, None)),
        (numbers.mapped, validation_cosine(&texts[..2], &embed, overlap)),
        (numbers.perplexity, validation_perplexity(&borrowed(&logits))),
    ] {
        near("validation", &[expected], &[made.unwrap_or(f64::NAN)], TOLERANCE)?;
    }
    for (spec, cosine, perplexity, expected) in [
        (Spec::V04, 0.499_999, Some(10.0), ("JSON", false)),
        (Spec::V04, 0.5, Some(100.0), ("LATENT", true)),
        (Spec::V02, 0.5, Some(50.0), ("HYBRID", true)),
        (Spec::V02, 0.8, None, ("HYBRID", false)),
        (Spec::V04, f64::NAN, None, ("JSON", false)),
        (Spec::V04, 0.9, Some(f64::NAN), ("JSON", true)),
    ] {
        let made = validation_mode(spec, cosine, perplexity, [None, None]);
        same("validation", format!("{expected:?}"), format!("{made:?}"))?;
    }
    Ok(())
}

fn borrowed(all: &[(Vec<u32>, Matrix)]) -> Vec<TokenRows<'_>> {
    all.iter().map(|(ids, rows)| (&ids[..], rows)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::decoder_numbers::model_of;
    use super::super::latent::Thinker;
    use super::super::map::TokenIds;
    use super::super::transfer::Crossing;
    use super::*;

    /// transformers takes norms in single precision, whatever else it computes in.
    const WITHIN: f64 = 2e-5;

    /// Made of parts that the self-test holds before every run; together they take longer than a run should wait.
    #[test]
    fn a_transfer_is_what_torch_makes_of_it() {
        let numbers = read().unwrap().transfer;
        let (source, thought) = model_of("qwen2-untied").unwrap();
        let (target, prompt) = model_of("llama-tied").unwrap();
        let vocab: TokenIds = (0..32).map(|id| (format!("t{id}"), id)).collect();
        let crossing = Crossing {
            source: &Thinker::new(source).unwrap(),
            source_vocab: &vocab,
            source_ids: &thought,
            steps: 3,
            target: &Thinker::new(target).unwrap(),
            vocab: &vocab,
            vectors: 2,
        };
        let crossed = crossing.cross().unwrap();
        near("transfer", &numbers.injected, &crossed.injected.values, WITHIN).unwrap();
        assert_eq!(crossing.write(&crossed, &prompt, numbers.written.len()).ids, numbers.written);
    }
}
