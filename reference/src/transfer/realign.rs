//! The matrix that takes an untied model's output space back to its input space.

use super::norm::{check_length, scale_to, target_norm};
use super::normal_equations::NormalEquations;
use super::rows::rows;
use crate::error::{Error, ErrorClass, Result};
use crate::tensor::matrix::weighted_rows;

/// Added to the diagonal of the Gram matrix when the caller has no other wish: absolute, not scaled by its trace
/// (AVP-RLN-002, A-040).
pub const DEFAULT_LAMBDA: f64 = 1e-5;

/// A realignment matrix and the length that goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Realignment {
    /// W [dim, dim]: a state is a row and stands on its left.
    pub w: Vec<f32>,
    /// Length of a hidden state.
    pub dim: usize,
    /// Mean length of the input embeddings.
    pub target_norm: f32,
    /// What was added to the diagonal.
    pub lambda: f64,
}

/// Whether a model needs a realignment matrix, by `tie_word_embeddings` of its configuration: no only where that is
/// true, so a configuration that is silent means untied (AVP-RLN-010, A-039).
pub fn needs_realignment(tie_word_embeddings: Option<bool>) -> bool {
    tie_word_embeddings != Some(true)
}

/// `W = (Eoᵀ Eo + λI)⁻¹ Eoᵀ Ei` [dim, dim] for the input embedding `e_in` and the output head `e_out`, both [V, dim], by
/// normal equations and a Cholesky decomposition in double precision on all cores (AVP-RLN-001, AVP-RLN-003).
///
/// Takes `24 dim²` bytes beside the result, whatever V is.
///
/// # Errors
/// `projection` when one of them is missing (empty), when they have different numbers of rows (AVP-RLN-004,
/// AVP-RLN-005), hold a value that is not finite, or determine no matrix because λ is zero and `e_out` has dependent
/// columns; `shape_mismatch` when a row is cut; `invalid_argument` for a λ that is negative or not finite.
pub fn realign_matrix(e_in: &[f32], e_out: &[f32], dim: usize, lambda: f64) -> Result<Realignment> {
    if !(lambda.is_finite() && lambda >= 0.0) {
        let found = lambda.to_string();
        return Err(Error::new(
            ErrorClass::InvalidArgument,
            "lambda",
            "a finite number, not negative",
            found,
        ));
    }
    for (field, values) in [("e_in", e_in), ("e_out", e_out)] {
        if values.is_empty() {
            return Err(Error::new(ErrorClass::Projection, field, "embedding weights", "none"));
        }
    }
    let (inputs, outputs) = (rows("e_in", e_in, dim)?, rows("e_out", e_out, dim)?);
    if inputs != outputs {
        let expected = format!("as many rows as e_in, {inputs}");
        return Err(Error::new(ErrorClass::Projection, "e_out", expected, outputs.to_string()));
    }
    for (field, values) in [("e_in", e_in), ("e_out", e_out)] {
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let found = format!("{} in row {}, column {}", values[at], at / dim, at % dim);
            return Err(Error::new(ErrorClass::Projection, field, "finite values", found));
        }
    }
    let w = NormalEquations::accumulate(e_out, e_in, dim).solve(lambda)?;
    Ok(Realignment { w, dim, target_norm: target_norm(e_in, dim)?, lambda })
}

/// Rows of `hidden` [N, dim] times `w` [dim, dim], each brought to the length `target_norm` (AVP-RLN-006); a product of
/// zeros stays zeros (AVP-RLN-008). What is not finite comes out not finite.
///
/// # Errors
/// `shape_mismatch` when the sizes don't fit; `invalid_argument` for a length that is negative or not finite.
pub fn realign_apply(hidden: &[f32], w: &[f32], dim: usize, target_norm: f32) -> Result<Vec<f32>> {
    rows("hidden", hidden, dim)?;
    if rows("w", w, dim)? != dim {
        let found = format!("{} values", w.len());
        return Err(Error::new(ErrorClass::ShapeMismatch, "w", format!("{dim} × {dim} values"), found));
    }
    check_length("target_norm", target_norm)?;
    let mut out = vec![0.0; hidden.len()];
    for (state, out) in hidden.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
        weighted_rows(w, dim, state, out);
        scale_to(out, target_norm);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Largest entry of `(EoᵀEo + λI) W − EoᵀEi`, in double precision, and the largest of `EoᵀEi`.
    fn residual(e_in: &[f32], e_out: &[f32], dim: usize, lambda: f64, w: &[f32]) -> (f64, f64) {
        let at = |values: &[f32], i: usize, j: usize| f64::from(values[i * dim + j]);
        let count = e_in.len() / dim;
        let (mut largest, mut scale) = (0f64, 0f64);
        for i in 0..dim {
            for j in 0..dim {
                let right: f64 = (0..count).map(|r| at(e_out, r, i) * at(e_in, r, j)).sum();
                let left: f64 = (0..dim)
                    .map(|k| {
                        let gram: f64 = (0..count).map(|r| at(e_out, r, i) * at(e_out, r, k)).sum();
                        (gram + if i == k { lambda } else { 0.0 }) * at(w, k, j)
                    })
                    .sum();
                largest = largest.max((left - right).abs());
                scale = scale.max(right.abs());
            }
        }
        (largest, scale)
    }

    proptest! {
        #[test]
        fn the_matrix_solves_the_equations(
            (dim, e_in, e_out) in (1usize..24, 1usize..60).prop_flat_map(|(dim, v)| {
                let values = || prop::collection::vec(-2f32..2.0, v * dim);
                (Just(dim), values(), values())
            }),
            lambda in prop_oneof![Just(DEFAULT_LAMBDA), Just(0.5)],
        ) {
            let made = realign_matrix(&e_in, &e_out, dim, lambda).unwrap();
            let (largest, scale) = residual(&e_in, &e_out, dim, lambda, &made.w);
            // Single-precision entries of W are what is lost, times the entries of the Gram matrix.
            prop_assert!(largest <= 1e-4 * (scale + 1.0), "{} of {}", largest, scale);
        }
    }

    #[test]
    fn equal_embeddings_give_the_identity() {
        let embedding = [1.0, 2.0, -1.0, 0.5, 3.0, 1.0];
        let made = realign_matrix(&embedding, &embedding, 2, 1e-9).unwrap();
        for (found, expected) in made.w.iter().zip([1.0, 0.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-6, "{:?}", made.w);
        }
    }

    #[test]
    fn the_matrix_stands_on_the_right_of_the_state() {
        // Ei is Eo with its columns exchanged and the first doubled: W must do the same to a row.
        let made =
            realign_matrix(&[4.0, 1.0, 0.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 2.0, 0.0, 3.0, 1.0], 2, 0.0).unwrap();
        let out = realign_apply(&[5.0, 7.0], &made.w, 2, 1.0).unwrap();
        let expected = [14.0 / 221f32.sqrt(), 5.0 / 221f32.sqrt()];
        for (found, expected) in out.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{out:?}");
        }
    }

    #[test]
    fn lambda_settles_what_the_head_leaves_open() {
        // One column is zero: its row of W is zero. Without λ there is no answer.
        let (e_in, e_out) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 1.0, 0.0]);
        let made = realign_matrix(&e_in, &e_out, 2, DEFAULT_LAMBDA).unwrap();
        assert_eq!(made.w[2..], [0.0, 0.0]);
        assert!((made.w[0] - 2.0).abs() < 1e-4);
        assert_eq!(realign_matrix(&e_in, &e_out, 2, 0.0).unwrap_err().class, ErrorClass::Projection);
        // λ weighs as much as the head itself.
        assert_eq!(realign_matrix(&[1.0], &[1.0], 1, 1.0).unwrap().w, [0.5]);
    }

    #[test]
    fn what_determines_no_matrix_is_refused() {
        let class =
            |e_in: &[f32], e_out: &[f32], lambda| realign_matrix(e_in, e_out, 2, lambda).unwrap_err().class;
        assert_eq!(class(&[1.0; 4], &[1.0; 6], 1.0), ErrorClass::Projection);
        assert_eq!(class(&[1.0; 4], &[], 1.0), ErrorClass::Projection);
        assert_eq!(class(&[], &[1.0; 4], 1.0), ErrorClass::Projection);
        assert_eq!(class(&[1.0; 4], &[1.0, 1.0, f32::NAN, 1.0], 1.0), ErrorClass::Projection);
        assert_eq!(class(&[1.0, f32::INFINITY], &[1.0; 2], 1.0), ErrorClass::Projection);
        assert_eq!(class(&[1.0; 3], &[1.0; 3], 1.0), ErrorClass::ShapeMismatch);
        for lambda in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(class(&[1.0; 4], &[1.0; 4], lambda), ErrorClass::InvalidArgument);
        }
    }

    #[test]
    fn every_aligned_row_has_the_target_length() {
        let out = realign_apply(&[1.0, 0.0, 0.0, 0.0, 0.0, 2.0], &[0.0, 2.0, -3.0, 0.0], 2, 5.0).unwrap();
        assert_eq!(out, [0.0, 5.0, 0.0, 0.0, -5.0, 0.0]);
        assert!(realign_apply(&[], &[1.0], 1, 1.0).unwrap().is_empty());
        assert_eq!(realign_apply(&[1.0], &[1.0, 1.0], 1, 1.0).unwrap_err().class, ErrorClass::ShapeMismatch);
        assert!(realign_apply(&[f32::NAN], &[1.0], 1, 1.0).unwrap()[0].is_nan());
    }

    #[test]
    fn only_a_tied_model_needs_none() {
        assert_eq!([Some(true), Some(false), None].map(needs_realignment), [false, true, true]);
    }
}
