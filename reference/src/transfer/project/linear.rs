//! Learned maps of 0.2: a matrix and a vector (AVP-PRJ-022, A-009). Read, never made here.

use super::super::norm::{check_length, scale_to};
use super::super::rows::rows;
use super::Table;
use crate::error::{Error, ErrorClass, Result};
use crate::tensor::matrix::weighted_rows;

/// `h W + b` for each row of `hidden` [N, Ds], with `w` [Ds, Dt] and `bias` of Dt values; with `target_norm`, each result brought
/// to that length.
///
/// # Errors
/// `shape_mismatch` when rows are cut or don't fit; `invalid_argument` for a length that is negative or not finite.
pub fn project_linear(
    hidden: &[f32],
    w: Table<'_>,
    bias: Option<&[f32]>,
    target_norm: Option<f32>,
) -> Result<Vec<f32>> {
    let width = rows("w", w.values, w.dim)?;
    let states = rows("hidden", hidden, width)?;
    if let Some(bias) = bias.filter(|bias| bias.len() != w.dim) {
        let (expected, found) = (format!("{} values", w.dim), format!("{} values", bias.len()));
        return Err(Error::new(ErrorClass::ShapeMismatch, "bias", expected, found));
    }
    target_norm.map_or(Ok(()), |length| check_length("target_norm", length))?;
    let mut out = vec![0.0; states * w.dim];
    for (state, out) in hidden.chunks_exact(width).zip(out.chunks_exact_mut(w.dim)) {
        weighted_rows(w.values, w.dim, state, out);
        if let Some(bias) = bias {
            out.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
        }
        if let Some(length) = target_norm {
            scale_to(out, length);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_formula(
            (ds, dt, hidden, w, bias) in (1usize..20, 1usize..20, 0usize..4).prop_flat_map(|(ds, dt, n)| {
                let values = |len| prop::collection::vec(-2f32..2.0, len);
                (Just(ds), Just(dt), values(n * ds), values(ds * dt), prop::option::of(values(dt)))
            }),
        ) {
            let found = project_linear(&hidden, Table { values: &w, dim: dt }, bias.as_deref(), None).unwrap();
            prop_assert_eq!(found.len(), hidden.len() / ds * dt);
            for (state, found) in hidden.chunks(ds).zip(found.chunks(dt)) {
                for (column, found) in found.iter().enumerate() {
                    let sum: f64 = (0..ds).map(|i| f64::from(state[i]) * f64::from(w[i * dt + column])).sum();
                    let expected = sum + bias.as_ref().map_or(0.0, |bias| f64::from(bias[column]));
                    prop_assert!((f64::from(*found) - expected).abs() <= 1e-4);
                }
            }
        }
    }

    #[test]
    fn results_are_brought_to_a_length_on_request() {
        let w = Table { values: &[3.0, 0.0, 0.0, 4.0], dim: 2 };
        assert_eq!(project_linear(&[1.0, 1.0], w, None, Some(10.0)).unwrap(), [6.0, 8.0]);
        assert_eq!(project_linear(&[1.0, 1.0], w, Some(&[-3.0, -4.0]), Some(10.0)).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let class = |hidden: &[f32], w: &[f32], dim, bias, norm| {
            project_linear(hidden, Table { values: w, dim }, bias, norm).unwrap_err().class
        };
        assert_eq!(class(&[1.0; 3], &[1.0; 4], 2, None, None), ErrorClass::ShapeMismatch);
        assert_eq!(class(&[1.0; 2], &[1.0; 5], 2, None, None), ErrorClass::ShapeMismatch);
        assert_eq!(class(&[1.0; 2], &[], 2, None, None), ErrorClass::ShapeMismatch);
        assert_eq!(class(&[1.0; 2], &[1.0; 4], 2, Some(&[1.0][..]), None), ErrorClass::ShapeMismatch);
        assert_eq!(class(&[1.0; 2], &[1.0; 4], 2, None, Some(-1.0)), ErrorClass::InvalidArgument);
    }
}
