//! The length that an input embedding has, and vectors brought to it.

use super::rows::rows;
use crate::error::{Error, ErrorClass, Result};

/// Least length that a vector is divided by (AVP-RLN-008): a vector of zeros stays zeros instead of becoming NaN. The
/// Python SDK's value; a hidden state of a real model is a million times longer.
pub const NORM_FLOOR: f32 = 1e-6;

/// Mean Euclidean length of the rows of the input embedding `e_in` [V, dim] (AVP-RLN-007).
///
/// # Errors
/// `shape_mismatch` when a row is cut; `projection` when there is no row, or a value is not finite.
pub fn target_norm(e_in: &[f32], dim: usize) -> Result<f32> {
    let count = rows("e_in", e_in, dim)?;
    if count == 0 {
        return Err(Error::new(ErrorClass::Projection, "e_in", "an input embedding", "none"));
    }
    let mean = (e_in.chunks_exact(dim).map(length).sum::<f64>() / count as f64) as f32;
    if !mean.is_finite() {
        return Err(Error::new(ErrorClass::Projection, "e_in", "finite values", mean.to_string()));
    }
    Ok(mean)
}

/// The rows of `hidden` [N, dim], each brought to the length `target_norm`; a row of zeros stays (AVP-RLN-008). What is
/// not finite comes out not finite.
///
/// # Errors
/// `shape_mismatch` when a row is cut; `invalid_argument` for a length that is negative or not finite.
pub fn normalize(hidden: &[f32], dim: usize, target_norm: f32) -> Result<Vec<f32>> {
    rows("hidden", hidden, dim)?;
    check_length("target_norm", target_norm)?;
    let mut out = hidden.to_vec();
    out.chunks_exact_mut(dim).for_each(|row| scale_to(row, target_norm));
    Ok(out)
}

/// Brings a vector to a length, in place.
pub(super) fn scale_to(row: &mut [f32], target: f32) {
    let scale = f64::from(target) / length(row).max(f64::from(NORM_FLOOR));
    row.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
}

/// A length that vectors can be brought to.
///
/// # Errors
/// `invalid_argument` when it is negative or not finite.
pub(super) fn check_length(field: &'static str, length: f32) -> Result<()> {
    if length.is_finite() && length >= 0.0 {
        return Ok(());
    }
    Err(Error::new(ErrorClass::InvalidArgument, field, "a length: finite, not negative", length.to_string()))
}

/// What a look at a hidden state tells. A latent loop stops at a state that is not finite (AVP-RLN-018).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StateHealth {
    /// Euclidean length.
    pub norm: f64,
    /// A value is NaN.
    pub has_nan: bool,
    /// A value is infinite.
    pub has_inf: bool,
}

impl StateHealth {
    /// Looks at a state, or at several at once.
    pub fn of(state: &[f32]) -> Self {
        let has_nan = state.iter().any(|value| value.is_nan());
        Self { norm: length(state), has_nan, has_inf: state.iter().any(|value| value.is_infinite()) }
    }

    /// Whether every value is a number.
    pub fn finite(&self) -> bool {
        !self.has_nan && !self.has_inf
    }
}

/// In double precision the squares of all finite values fit, and no digits of a long sum are lost.
pub(super) fn length(row: &[f32]) -> f64 {
    row.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_the_mean_length() {
        assert_eq!(target_norm(&[3.0, 4.0, 0.0, 0.0, 6.0, 8.0], 2).unwrap(), 5.0);
        assert_eq!(target_norm(&[-3.0], 1).unwrap(), 3.0);
        // Squares beyond the range of 32 bits.
        assert_eq!(target_norm(&[3e30, 4e30], 2).unwrap(), 5e30);
    }

    #[test]
    fn no_rows_cut_rows_and_no_numbers_are_refused() {
        let class = |values: &[f32], dim| target_norm(values, dim).unwrap_err().class;
        assert_eq!(class(&[], 2), ErrorClass::Projection);
        assert_eq!(class(&[1.0, f32::NAN], 2), ErrorClass::Projection);
        assert_eq!(class(&[1.0, 2.0, 3.0], 2), ErrorClass::ShapeMismatch);
        assert_eq!(class(&[1.0], 0), ErrorClass::ShapeMismatch);
    }

    #[test]
    fn every_row_has_the_target_length_and_zeros_stay() {
        let out = normalize(&[3.0, 4.0, 0.0, 0.0, -5e20, 0.0], 2, 10.0).unwrap();
        assert_eq!(out, [6.0, 8.0, 0.0, 0.0, -10.0, 0.0]);
        // Below the floor a vector is brought to less than the target.
        assert!((normalize(&[1e-7], 1, 1.0).unwrap()[0] - 0.1).abs() < 1e-6);
        assert!(normalize(&[], 3, 1.0).unwrap().is_empty());
        assert_eq!(normalize(&[1.0], 1, 0.0).unwrap(), [0.0]);
        assert!(normalize(&[1.0, f32::INFINITY], 2, 1.0).unwrap().iter().any(|value| value.is_nan()));
    }

    #[test]
    fn what_is_not_finite_is_told() {
        let told = |state: &[f32]| {
            let health = StateHealth::of(state);
            (health.has_nan, health.has_inf, health.finite())
        };
        assert_eq!(told(&[3e38, f32::NEG_INFINITY]), (false, true, false));
        assert_eq!(told(&[3e38, 0.0]), (false, false, true));
        assert_eq!(told(&[f32::NAN, 1.0]), (true, false, false));
        assert_eq!(told(&[f32::NAN, f32::NEG_INFINITY]), (true, true, false));
        assert_eq!(StateHealth::of(&[3.0, 4.0]).norm, 5.0);
    }

    #[test]
    fn a_length_is_finite_and_not_negative() {
        for length in [-1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(normalize(&[1.0], 1, length).unwrap_err().class, ErrorClass::InvalidArgument);
        }
    }
}
