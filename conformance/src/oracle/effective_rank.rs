//! How evenly hidden states spread over their directions (AVP-QG-006).

use super::matrix::{Matrix, dot, length};

/// Rounds of rotations after which singular values are taken as they are; some ten are enough for any matrix.
const MAX_ROUNDS: usize = 60;

/// Cosine of two rows that count as orthogonal.
const ORTHOGONAL: f64 = 1e-15;

/// Added to each share under the logarithm.
const SHARE_FLOOR: f64 = 1e-12;

/// Singular values, in no order: pairs of rows are turned against each other until all are orthogonal (one-sided
/// Jacobi); their lengths are the values then.
pub fn singular_values(matrix: &Matrix) -> Vec<f64> {
    // Of a matrix and its transpose, the one with fewer rows has no superfluous zeros.
    let turned = if matrix.rows <= matrix.cols { matrix.clone() } else { matrix.transposed() };
    let mut rows: Vec<Vec<f64>> = turned.each_row().map(<[f64]>::to_vec).collect();
    for _ in 0..MAX_ROUNDS {
        let mut still = true;
        for second in 1..rows.len() {
            let (before, from) = rows.split_at_mut(second);
            for first in before {
                still &= !rotate(first, &mut from[0]);
            }
        }
        if still {
            break;
        }
    }
    rows.iter().map(|row| length(row)).collect()
}

/// Turns two rows in their plane until they are orthogonal. Whether they were not.
fn rotate(a: &mut [f64], b: &mut [f64]) -> bool {
    let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
    if ab.abs() <= ORTHOGONAL * (aa * bb).sqrt() {
        return false;
    }
    let zeta = (bb - aa) / (2.0 * ab);
    let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cos = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sin = cos * tangent;
    for (x, y) in a.iter_mut().zip(b) {
        (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
    }
    true
}

/// Entropy of the singular values as shares of their sum, over the logarithm of their number: 0 for one direction, 1 for
/// all alike. 0 also for fewer than two states, and for zeros.
pub fn effective_rank(hidden: &Matrix) -> f64 {
    let count = hidden.rows.min(hidden.cols);
    let values = singular_values(hidden);
    let total: f64 = values.iter().sum();
    if hidden.rows < 2 || count < 2 || total == 0.0 {
        return 0.0;
    }
    let shares = values.iter().map(|value| value / total);
    shares.map(|share| -share * (share + SHARE_FLOOR).ln()).sum::<f64>() / (count as f64).ln()
}
