//! How spread out a matrix of hidden states is (AVP-QG-006).

use super::rows::rows;
use crate::error::Result;

/// Least number that goes into a logarithm: singular values of zero add nothing.
const LEAST: f64 = 1e-12;
/// Halvings that find a singular value: beyond them an interval of the width of the largest one has no digits left.
const HALVINGS: u32 = 52;

/// Effective rank of `hidden` [n, dim] over the largest one possible, from 0 to 1: the entropy of the singular values, as
/// parts of their sum, over the logarithm of the smaller dimension. 0 for fewer than two rows or columns, and for zeros; NaN
/// when a value is not finite.
///
/// # Errors
/// `shape_mismatch` when a row is cut.
pub fn effective_rank(hidden: &[f32], dim: usize) -> Result<f64> {
    let count = rows("hidden", hidden, dim)?;
    let least = count.min(dim);
    if hidden.iter().any(|value| !value.is_finite()) {
        return Ok(f64::NAN);
    }
    if least < 2 {
        return Ok(0.0);
    }
    let values = singular_values(hidden, count, dim);
    let total: f64 = values.iter().sum();
    if total == 0.0 {
        return Ok(0.0);
    }
    let entropy: f64 = values.iter().map(|value| value / total).map(|p| -p * (p + LEAST).ln()).sum();
    Ok(entropy / (least as f64).ln())
}

/// The singular values of a matrix [count, dim], ascending.
fn singular_values(matrix: &[f32], count: usize, dim: usize) -> Vec<f64> {
    // More rows than columns, whichever way round.
    let wide = |at: usize| f64::from(matrix[at]);
    let (tall, cols) = if count >= dim {
        ((0..count * dim).map(wide).collect(), dim)
    } else {
        ((0..count * dim).map(|at| wide(at % count * dim + at / count)).collect(), count)
    };
    of_bidiagonal(&bidiagonal(tall, cols))
}

/// Householder reflections from both sides leave the diagonal and the one above it: d0, e0, d1, e1, … d(n-1).
fn bidiagonal(mut a: Vec<f64>, cols: usize) -> Vec<f64> {
    let rows = a.len() / cols;
    let mut band = Vec::with_capacity(2 * cols);
    for k in 0..cols {
        let mut column: Vec<f64> = (k..rows).map(|row| a[row * cols + k]).collect();
        band.push(reflection(&mut column));
        let mut sums = vec![0.0; cols - k - 1];
        for (row, v) in (k..rows).zip(&column) {
            let row = &a[row * cols + k + 1..(row + 1) * cols];
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += v * value);
        }
        for (row, v) in (k..rows).zip(&column) {
            let row = &mut a[row * cols + k + 1..(row + 1) * cols];
            row.iter_mut().zip(&sums).for_each(|(value, sum)| *value -= v * sum);
        }
        if k + 1 == cols {
            break;
        }
        let mut row = a[k * cols + k + 1..(k + 1) * cols].to_vec();
        band.push(reflection(&mut row));
        for below in k + 1..rows {
            let values = &mut a[below * cols + k + 1..(below + 1) * cols];
            let sum: f64 = values.iter().zip(&row).map(|(value, v)| value * v).sum();
            values.iter_mut().zip(&row).for_each(|(value, v)| *value -= sum * v);
        }
    }
    band
}

/// Makes of a vector the one that reflects it onto its first axis, of length √2, and gives back where that ends.
fn reflection(vector: &mut [f64]) -> f64 {
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length == 0.0 {
        return 0.0;
    }
    // Away from the first value, so that nothing cancels.
    let end = if vector[0] > 0.0 { -length } else { length };
    vector[0] -= end;
    let scale = 2f64.sqrt() / vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    vector.iter_mut().for_each(|value| *value *= scale);
    end
}

/// The singular values are the eigenvalues that are not negative of the tridiagonal matrix with a diagonal of zeros and the
/// band beside it. Each is found by halving an interval, which never fails: counting those below a number is one pass.
fn of_bidiagonal(band: &[f64]) -> Vec<f64> {
    let count = band.len().div_ceil(2);
    let largest = band.iter().map(|value| value.abs()).fold(0.0, f64::max);
    if largest == 0.0 {
        return vec![0.0; count];
    }
    let squares: Vec<f64> = band.iter().map(|value| (value / largest).powi(2)).collect();
    let below = |x: f64| {
        let (mut below, mut q) = (usize::from(x > 0.0), -x);
        for square in &squares {
            q = -x - square / if q == 0.0 { f64::MIN_POSITIVE } else { q };
            below += usize::from(q < 0.0);
        }
        // Half of them are the others with a minus.
        below.saturating_sub(count)
    };
    let value = |index: usize| {
        // No row of the matrix sums up to more than two of its band.
        let (mut low, mut high) = (0.0, 2.0);
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            if below(middle) > index { high = middle } else { low = middle }
        }
        low * largest
    };
    (0..count).map(value).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorClass;

    #[test]
    fn known_matrices() {
        let identity: Vec<f32> = (0..16).map(|at| f32::from(u8::from(at % 5 == 0))).collect();
        assert!((effective_rank(&identity, 4).unwrap() - 1.0).abs() < 1e-9);
        assert!(effective_rank(&[1.0; 16], 4).unwrap() < 1e-9);
        assert_eq!(effective_rank(&[0.0; 16], 4).unwrap(), 0.0);
        assert_eq!(effective_rank(&[3.0, 4.0], 2).unwrap(), 0.0);
        assert_eq!(effective_rank(&[3.0, 4.0], 1).unwrap(), 0.0);
        assert_eq!(effective_rank(&[], 4).unwrap(), 0.0);
        assert!(effective_rank(&[1.0, f32::NAN, 0.0, 1.0], 2).unwrap().is_nan());
        assert_eq!(effective_rank(&[1.0; 5], 2).unwrap_err().class, ErrorClass::ShapeMismatch);
        // Singular values 3 and 1, as a tall matrix and as a wide one.
        let expected = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln()) / 2f64.ln();
        for dim in [2, 3] {
            let tall = [3.0, 0.0, 0.0, 0.0, 0.0, 1.0];
            let wide = [0.0, 3.0, 0.0, 1.0, 0.0, 0.0];
            let found = effective_rank(if dim == 2 { &tall } else { &wide }, dim).unwrap();
            assert!((found - expected).abs() < 1e-9, "{found}");
        }
    }

    proptest! {
        /// Both ends of every spectrum: the sum of squares is the matrix's, the product is the determinant's size, and no
        /// unit vector is stretched by more than the largest.
        #[test]
        fn singular_values_are_those(
            (rows, cols, values) in (1usize..7, 1usize..7).prop_flat_map(|(rows, cols)| {
                (Just(rows), Just(cols), prop::collection::vec(-3f32..3.0, rows * cols))
            }),
        ) {
            let found = singular_values(&values, rows, cols);
            prop_assert_eq!(found.len(), rows.min(cols));
            prop_assert!(found.is_sorted() && found[0] >= 0.0);
            let wide: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
            let squares: f64 = wide.iter().map(|value| value * value).sum();
            let sum: f64 = found.iter().map(|value| value * value).sum();
            prop_assert!((squares - sum).abs() <= 1e-9 * (1.0 + squares));
            // Determinant of the smaller Gram matrix, by elimination.
            let least = rows.min(cols);
            let at = |i: usize, k: usize| if rows <= cols { wide[i * cols + k] } else { wide[k * cols + i] };
            let mut gram: Vec<Vec<f64>> = (0..least)
                .map(|i| (0..least).map(|j| (0..rows.max(cols)).map(|k| at(i, k) * at(j, k)).sum()).collect())
                .collect();
            let mut determinant = 1.0;
            for k in 0..least {
                let pivot = (k..least).max_by(|&i, &j| gram[i][k].abs().total_cmp(&gram[j][k].abs())).unwrap();
                gram.swap(k, pivot);
                determinant *= gram[k][k].abs();
                let (above, below) = gram.split_at_mut(k + 1);
                let pivot = &above[k];
                for row in below {
                    let factor = if pivot[k] == 0.0 { 0.0 } else { row[k] / pivot[k] };
                    row.iter_mut().zip(pivot).for_each(|(value, pivot)| *value -= factor * pivot);
                }
            }
            let product: f64 = found.iter().map(|value| value * value).product();
            prop_assert!((determinant - product).abs() <= 1e-7 * (1.0 + squares.powi(least as i32)));
        }
    }

    #[test]
    fn prompts_of_the_gates_length_take_no_time() {
        let mut state = 1u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        });
        let hidden: Vec<f32> = noise.take(120 * 200).collect();
        let ratio = effective_rank(&hidden, 200).unwrap();
        assert!((0.9..1.0).contains(&ratio), "{ratio}");
    }
}
