//! The way back into a tied model: the embeddings' mean under the softmax of the state's logits.

use super::norm::{check_length, scale_to};
use super::rows::rows;
use crate::error::{Error, ErrorClass, Result};
use crate::tensor::matrix::{mat_vec, weighted_rows};
use crate::tensor::soft_rows::soft_rows;

/// `softmax(h Eᵀ / temperature) E` for each row of `hidden` [N, dim] and the embedding `embed` [V, dim] (AVP-RLN-009);
/// with `rescale_to`, each result brought to that length (AVP-RLN-013: not by default).
///
/// The largest logit is subtracted first (AVP-RLN-011). A state that is not finite gives a result that is not finite, so
/// that whoever runs latent steps can tell and stop (AVP-RLN-018).
///
/// # Errors
/// `invalid_argument` for a temperature that is not above zero (AVP-RLN-014, A-044) or a length that is negative or not
/// finite; `shape_mismatch` when a row is cut; `projection` when the embedding has no rows.
pub fn soft_embed(
    hidden: &[f32],
    embed: &[f32],
    dim: usize,
    temperature: f32,
    rescale_to: Option<f32>,
) -> Result<Vec<f32>> {
    // NaN is not above zero either.
    if !matches!(temperature.partial_cmp(&0.0), Some(std::cmp::Ordering::Greater)) {
        let found = temperature.to_string();
        return Err(Error::new(ErrorClass::InvalidArgument, "temperature", "a number above 0", found));
    }
    if let Some(length) = rescale_to {
        check_length("rescale_to", length)?;
    }
    rows("hidden", hidden, dim)?;
    let vocabulary = rows("embed", embed, dim)?;
    if vocabulary == 0 {
        return Err(Error::new(ErrorClass::Projection, "embed", "an embedding", "no rows"));
    }
    Ok(embed_rows(&Plain { values: embed, dim }, hidden, dim, temperature, rescale_to))
}

/// What [`soft_embed`] asks of an embedding, whatever its element type.
pub(crate) trait Embedding {
    /// Rows, V.
    fn rows(&self) -> usize;
    /// `y = E · x`, [dim] → [V].
    fn mat_vec(&self, x: &[f32], y: &mut [f32]);
    /// `y = Σ p[i] · E[i]`, [V] → [dim].
    fn weighted_rows(&self, p: &[f32], y: &mut [f32]);

    /// `y = softmax(E · x / temperature) · E`, [dim] → [dim].
    fn soft(&self, x: &[f32], temperature: f32, y: &mut [f32]) {
        self.soft_in_two(x, temperature, y);
    }

    /// The same in two passes over the rows.
    fn soft_in_two(&self, x: &[f32], temperature: f32, y: &mut [f32]) {
        let mut weights = vec![0.0; self.rows()];
        self.mat_vec(x, &mut weights);
        let total = exponentials(&mut weights, temperature);
        self.weighted_rows(&weights, y);
        y.iter_mut().for_each(|value| *value = (f64::from(*value) / total) as f32);
    }
}

struct Plain<'a> {
    values: &'a [f32],
    dim: usize,
}

impl Embedding for Plain<'_> {
    fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    fn mat_vec(&self, x: &[f32], y: &mut [f32]) {
        mat_vec(self.values, self.dim, x, y);
    }

    fn weighted_rows(&self, p: &[f32], y: &mut [f32]) {
        weighted_rows(self.values, self.dim, p, y);
    }

    fn soft(&self, x: &[f32], temperature: f32, y: &mut [f32]) {
        soft_rows(self.values, self.dim, x, temperature, y);
    }
}

/// [`soft_embed`] of checked arguments.
pub(crate) fn embed_rows(
    embedding: &impl Embedding,
    hidden: &[f32],
    dim: usize,
    temperature: f32,
    rescale_to: Option<f32>,
) -> Vec<f32> {
    let mut out = vec![0.0; hidden.len()];
    for (state, out) in hidden.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
        embedding.soft(state, temperature, out);
        if let Some(length) = rescale_to {
            scale_to(out, length);
        }
    }
    out
}

/// Logits become `exp((logit − largest) / temperature)`; the sum comes back. The largest weight is 1 whatever the
/// logits, so the sum is never zero. The difference is taken before the division: a tiny temperature then sends all but
/// the largest to zero instead of everything to infinity.
pub(super) fn exponentials(logits: &mut [f32], temperature: f32) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for logit in logits {
        *logit = ((*logit - largest) / temperature).exp();
        total += f64::from(*logit);
    }
    total
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The formula in double precision.
    fn formula(hidden: &[f32], embed: &[f32], dim: usize, temperature: f64) -> Vec<f64> {
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let mut out = Vec::new();
        for state in wide(hidden).chunks(dim) {
            let logits: Vec<f64> = wide(embed)
                .chunks(dim)
                .map(|row| row.iter().zip(state).map(|(a, b)| a * b).sum::<f64>() / temperature)
                .collect();
            let largest = logits.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
            let total: f64 = weights.iter().sum();
            out.extend((0..dim).map(|j| {
                let terms = weights.iter().zip(embed.chunks(dim));
                terms.map(|(weight, row)| weight * f64::from(row[j])).sum::<f64>() / total
            }));
        }
        out
    }

    proptest! {
        #[test]
        fn it_is_the_formula(
            (dim, hidden, embed) in (1usize..20, 0usize..4, 1usize..40).prop_flat_map(|(dim, n, v)| {
                let values = |len| prop::collection::vec(-2f32..2.0, len);
                (Just(dim), values(n * dim), values(v * dim))
            }),
            temperature in 0.1f32..10.0,
        ) {
            let found = soft_embed(&hidden, &embed, dim, temperature, None).unwrap();
            let expected = formula(&hidden, &embed, dim, temperature.into());
            prop_assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((f64::from(*found) - expected).abs() <= 1e-4, "{} {}", found, expected);
            }
        }
    }

    #[test]
    fn large_logits_stay_finite() {
        // Logits of ±10,000 and their halves.
        let embed = [1.0, 0.0, -1.0, 0.0, 0.5, 1.0];
        for sign in [1.0, -1.0] {
            let out = soft_embed(&[1e4 * sign, 0.0], &embed, 2, 1.0, None).unwrap();
            assert_eq!(out, [sign, 0.0]);
        }
        // A temperature that would send the logits themselves beyond the range.
        assert_eq!(soft_embed(&[1e4, 0.0], &embed, 2, 1e-38, None).unwrap(), [1.0, 0.0]);
    }

    #[test]
    fn an_infinite_temperature_gives_the_mean() {
        assert_eq!(soft_embed(&[9.0], &[1.0, 2.0, 6.0], 1, f32::INFINITY, None).unwrap(), [3.0]);
    }

    #[test]
    fn the_result_is_rescaled_only_on_request() {
        let (hidden, embed) = ([0.0, 0.0], [3.0, 0.0, 0.0, 4.0]);
        assert_eq!(soft_embed(&hidden, &embed, 2, 1.0, None).unwrap(), [1.5, 2.0]);
        assert_eq!(soft_embed(&hidden, &embed, 2, 1.0, Some(5.0)).unwrap(), [3.0, 4.0]);
    }

    #[test]
    fn what_is_not_finite_comes_out_not_finite_in_its_own_row() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let out = soft_embed(&[1.0, bad, 0.0, 0.0], &[3.0, 0.0, 0.0, 4.0], 2, 1.0, None).unwrap();
            assert!(out[..2].iter().any(|value| !value.is_finite()), "{bad}: {out:?}");
            assert_eq!(out[2..], [1.5, 2.0]);
        }
    }

    #[test]
    fn settings_and_shapes_are_checked() {
        let class = |hidden: &[f32], embed: &[f32], dim, t, rescale| {
            soft_embed(hidden, embed, dim, t, rescale).unwrap_err().class
        };
        for temperature in [0.0, -0.0, -1.0, f32::NAN, f32::NEG_INFINITY] {
            assert_eq!(class(&[1.0], &[1.0], 1, temperature, None), ErrorClass::InvalidArgument);
        }
        assert_eq!(class(&[1.0], &[1.0], 1, 1.0, Some(f32::NAN)), ErrorClass::InvalidArgument);
        assert_eq!(class(&[1.0, 2.0, 3.0], &[1.0, 2.0], 2, 1.0, None), ErrorClass::ShapeMismatch);
        assert_eq!(class(&[1.0, 2.0], &[1.0], 2, 1.0, None), ErrorClass::ShapeMismatch);
        assert_eq!(class(&[1.0], &[], 1, 1.0, None), ErrorClass::Projection);
    }
}
