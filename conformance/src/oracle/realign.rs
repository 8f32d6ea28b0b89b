//! Realignment, soft embedding, norms: the formulas of the requirements in double precision.

use super::matrix::{Matrix, dot, length};

/// λ where a request names none (AVP-RLN-002).
pub const DEFAULT_LAMBDA: f64 = 1e-5;

/// Least length that a vector is divided by (AVP-RLN-008).
pub(super) const NORM_FLOOR: f64 = 1e-6;

/// `EoᵀEo + λI`, the left side of the normal equations.
pub(super) fn regularised_gram(e_out: &Matrix, lambda: f64) -> Matrix {
    let mut gram = e_out.transposed().times(e_out);
    for at in 0..gram.rows {
        gram.values[at * gram.cols + at] += lambda;
    }
    gram
}

/// `(EoᵀEo + λI)⁻¹ EoᵀEi` (AVP-RLN-001); `None` where there is no such matrix.
pub fn realign_matrix(e_in: &Matrix, e_out: &Matrix, lambda: f64) -> Option<Matrix> {
    if (e_in.rows, e_in.cols) != (e_out.rows, e_out.cols) {
        return None;
    }
    regularised_gram(e_out, lambda).solve(&e_out.transposed().times(e_in))
}

/// Mean length of the rows (AVP-RLN-007); `None` without any.
pub fn target_norm(e_in: &Matrix) -> Option<f64> {
    (e_in.rows > 0).then(|| e_in.each_row().map(length).sum::<f64>() / e_in.rows as f64)
}

/// Every row brought to a length (AVP-RLN-006).
pub fn normalized(hidden: &Matrix, target: f64) -> Matrix {
    let scaled = |row: &[f64]| {
        let scale = target / length(row).max(NORM_FLOOR);
        row.iter().map(|value| value * scale).collect::<Vec<_>>()
    };
    Matrix { values: hidden.each_row().flat_map(scaled).collect(), ..*hidden }
}

/// `softmax(h Eᵀ / T) E` of every row (AVP-RLN-009).
pub fn soft_embedding(hidden: &Matrix, embed: &Matrix, temperature: f64) -> Matrix {
    let mut values = Vec::with_capacity(hidden.values.len());
    for state in hidden.each_row() {
        let logits: Vec<f64> = embed.each_row().map(|row| dot(state, row)).collect();
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logits.iter().map(|logit| ((logit - most) / temperature).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mean =
            |column| embed.each_row().zip(&weights).map(|(row, weight)| weight * row[column]).sum::<f64>();
        values.extend((0..hidden.cols).map(|column| mean(column) / total));
    }
    Matrix { values, ..*hidden }
}
