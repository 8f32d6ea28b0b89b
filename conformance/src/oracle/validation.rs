//! Whether a projection is good enough (AVP-VAL).

use super::matrix::{Matrix, dot, length};
use crate::case::Spec;

/// Least mean cosine (AVP-VAL-001).
const COSINE: f64 = 0.5;

/// Greatest perplexity (AVP-VAL-005).
const PERPLEXITY: f64 = 100.0;

/// Under 0.2: least perplexity of a hybrid mode, and greatest cosine of one (AVP-VAL-006).
const HYBRID_PERPLEXITY: f64 = 50.0;
const HYBRID_COSINE: f64 = 0.8;

/// Least length that a vector is divided by (AVP-VAL-004).
const NORM_FLOOR: f64 = 1e-8;

/// A text: the source's token ids, and a row of numbers for each.
pub type TokenRows<'a> = (&'a [u32], &'a Matrix);

/// Mean over texts of the mean cosine of `projected[i]` to the target's embedding of token i + 1 (AVP-VAL-002, 003, 004).
/// `overlap` lists source and target ids of shared tokens; others are skipped (AVP-VAL-013). `None` where a token has no
/// row, or a text no token to compare with.
pub fn validation_cosine(
    texts: &[TokenRows<'_>],
    embed: &Matrix,
    overlap: Option<(&[u32], &[u32])>,
) -> Option<f64> {
    let mut total = 0.0;
    for (ids, projected) in texts {
        if projected.rows < 2 {
            continue;
        }
        let mut cosines = Vec::new();
        for (made, id) in projected.each_row().zip(&ids[1..]) {
            let row = match overlap {
                None => *id,
                Some((source, target)) => match source.iter().position(|known| known == id) {
                    Some(at) => *target.get(at)?,
                    None => continue,
                },
            };
            let row = row as usize;
            if row >= embed.rows || made.len() != embed.cols {
                return None;
            }
            let row = embed.row(row);
            cosines.push(dot(made, row) / (length(made).max(NORM_FLOOR) * length(row).max(NORM_FLOOR)));
        }
        if cosines.is_empty() {
            return None;
        }
        total += cosines.iter().sum::<f64>() / cosines.len() as f64;
    }
    (!texts.is_empty()).then(|| total / texts.len() as f64)
}

/// Mean over texts of `exp(mean cross-entropy)`, row i of the logits against token i; infinite for a text of fewer than two
/// tokens (AVP-VAL-008, 009). `None` where a token has no logit.
pub fn validation_perplexity(texts: &[TokenRows<'_>]) -> Option<f64> {
    let mut total = 0.0;
    for (ids, logits) in texts {
        if ids.len() < 2 {
            return Some(f64::INFINITY);
        }
        let mut surprise = 0.0;
        for (row, id) in logits.each_row().zip(*ids) {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|logit| (logit - most).exp()).sum();
            surprise += most + sum.ln() - row.get(*id as usize)?;
        }
        total += (surprise / ids.len() as f64).exp();
    }
    (!texts.is_empty()).then(|| total / texts.len() as f64)
}

/// What both tiers come to: the mode, and whether the perplexity was looked at. Without a perplexity the tokenizers differ.
/// What is not a number is never good (AVP-VAL-012).
pub fn validation_mode(
    spec: Spec,
    cosine: f64,
    perplexity: Option<f64>,
    [least_cosine, most_perplexity]: [Option<f64>; 2],
) -> (&'static str, bool) {
    let near = cosine >= least_cosine.unwrap_or(COSINE);
    if !near {
        return ("JSON", false);
    }
    let hybrid = |is: bool| if spec == Spec::V02 && is { "HYBRID" } else { "LATENT" };
    let Some(perplexity) = perplexity else {
        return (hybrid(cosine <= HYBRID_COSINE), false);
    };
    match perplexity <= most_perplexity.unwrap_or(PERPLEXITY) {
        true => (hybrid(perplexity >= HYBRID_PERPLEXITY), true),
        false => ("JSON", true),
    }
}
