//! What the model does to every number between its matrix products, on plain slices: loops that vectorise, on all cores.

use rayon::prelude::*;

use super::matrix::vectorised;

/// Elements below which other cores are not asked: waking them takes longer.
const ALONE: usize = 16 << 10;
/// Elements that a core takes at a time.
const PIECE: usize = 8 << 10;

/// Largest argument whose exponential is computed as such, and the smallest; beyond, theirs is taken. e^±87 is at the end
/// of what a float holds, and nothing in a softmax or a sigmoid depends on the difference.
const MAX_EXPONENT: f32 = 87.0;

/// e^x to within 2 units of the last place for |x| ≤ 87; of NaN, NaN. A call of the system's function in a loop keeps it
/// from being vectorised.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding it rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, so that a multiple of the first is exact.
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Comparisons with NaN are false: it goes through.
    let x = if x > MAX_EXPONENT { MAX_EXPONENT } else { x };
    let x = if x < -MAX_EXPONENT { -MAX_EXPONENT } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let r = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    // 2^whole: the whole number goes into the exponent's place, its bias on top.
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// Exponentials that sum to one, the largest subtracted first (AVP-RLN-011). NaN makes all of them NaN.
pub(crate) fn softmax(scores: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            let largest = scores
                .iter()
                .fold(f32::NEG_INFINITY, |largest, &score| if score > largest { score } else { largest });
            scores.iter_mut().for_each(|score| *score = exp(*score - largest));
            let factor = 1.0 / sum(scores);
            scores.iter_mut().for_each(|score| *score *= factor);
        },
    );
}

/// Independent sums, so that the loop vectorises.
#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// The same of squares.
#[inline(always)]
fn sum_of_squares(values: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value * value);
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| value * value).sum::<f32>()
}

/// `gate = gate · sigmoid(gate) · up`, element by element.
pub(crate) fn silu_times(gate: &mut [f32], up: &[f32]) {
    by_pieces(gate, up, |gate, up| {
        gate.iter_mut().zip(up).for_each(|(gate, up)| *gate = *gate / (1.0 + exp(-*gate)) * up);
    });
}

/// `gate = gelu(gate) · up`, element by element, by the tanh formula: 0.5 (1 + tanh y) is the sigmoid of 2y.
pub(crate) fn gelu_times(gate: &mut [f32], up: &[f32]) {
    const SCALE: f32 = 2.0 * 0.797_884_6;
    by_pieces(gate, up, |gate, up| {
        gate.iter_mut().zip(up).for_each(|(gate, up)| {
            let inner = SCALE * (*gate + 0.044_715 * *gate * *gate * *gate);
            *gate = *gate / (1.0 + exp(-inner)) * up;
        });
    });
}

/// `value = cap · tanh(value / cap)`, element by element; NaN stays NaN.
pub(crate) fn softcap(values: &mut [f32], cap: f32) {
    vectorised(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = cap * tanh(*value / cap)),
    );
}

/// Largest argument whose hyperbolic tangent is taken from its series; the formula with exponentials subtracts numbers
/// that are nearly the same there.
const SERIES: f32 = 0.3;

/// tanh x to within 2⁻²² of its value.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let square = x * x;
    let p = -1382.0 / 155_925.0;
    let p = p * square + 62.0 / 2835.0;
    let p = p * square - 17.0 / 315.0;
    let p = p * square + 2.0 / 15.0;
    let p = p * square - 1.0 / 3.0;
    let near = x + x * square * p;
    let e = exp(-2.0 * x.abs());
    let far = ((1.0 - e) / (1.0 + e)).copysign(x);
    if x.abs() < SERIES { near } else { far }
}

/// `left = left + right`, element by element.
pub(crate) fn add(left: &mut [f32], right: &[f32]) {
    by_pieces(left, right, |left, right| left.iter_mut().zip(right).for_each(|(left, right)| *left += right));
}

/// `x · weight / sqrt(mean(x²) + eps)` for each row x of `values`; rows are as long as `weight`.
pub(crate) fn rms_norm(values: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    let row = |(out, row): (&mut [f32], &[f32])| {
        vectorised(
            #[inline(always)]
            || {
                let mean = sum_of_squares(row) / row.len() as f32;
                let factor = 1.0 / (mean + eps).sqrt();
                for ((out, value), weight) in out.iter_mut().zip(row).zip(weight) {
                    *out = value * factor * weight;
                }
            },
        );
    };
    let width = weight.len();
    if values.len() <= ALONE {
        out.chunks_exact_mut(width).zip(values.chunks_exact(width)).for_each(row);
    } else {
        out.par_chunks_exact_mut(width).zip(values.par_chunks_exact(width)).for_each(row);
    }
    out
}

fn by_pieces(gate: &mut [f32], up: &[f32], change: impl Fn(&mut [f32], &[f32]) + Sync) {
    let piece = |(gate, up): (&mut [f32], &[f32])| {
        vectorised(
            #[inline(always)]
            || change(gate, up),
        );
    };
    if gate.len() <= ALONE {
        piece((gate, up));
    } else {
        gate.par_chunks_mut(PIECE).zip(up.par_chunks(PIECE)).for_each(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_exact_to_the_last_places() {
        let mut worst = 0.0_f64;
        for step in -870_000..870_000 {
            let x = step as f32 * 1e-4;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::NEG_INFINITY) < 1e-37 && exp(1e9).is_finite() && exp(1e9) > 1e37);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn hyperbolic_tangents_are_exact_to_the_last_places() {
        let mut worst = 0.0_f64;
        for step in (-200_000..200_000).filter(|step| *step != 0) {
            let x = step as f32 * 1e-4;
            let exact = f64::from(x).tanh();
            worst = worst.max((f64::from(tanh(x)) - exact).abs() / exact.abs());
        }
        assert!(worst < 2.0_f64.powi(-22), "{worst:e}");
        let mut capped = [0.0, 1e9, -1e9, f32::INFINITY, 3.0, f32::NAN];
        softcap(&mut capped, 30.0);
        assert_eq!(capped[..4], [0.0, 30.0, -30.0, 30.0]);
        assert!((f64::from(capped[4]) - 30.0 * 0.1_f64.tanh()).abs() < 1e-6 && capped[5].is_nan());
    }

    #[test]
    fn softmax_sums_to_one_whatever_comes() {
        for scores in
            [vec![1.0, 2.0, 3.0], vec![1e30, -1e30, 0.0], vec![-5.0; 100], vec![f32::NEG_INFINITY, 0.0]]
        {
            let mut weights = scores.clone();
            softmax(&mut weights);
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{scores:?}: {weights:?}");
        }
        let mut weights = vec![0.0, 3_f32.ln()];
        softmax(&mut weights);
        assert!((weights[0] - 0.25).abs() < 1e-7 && (weights[1] - 0.75).abs() < 1e-7);
        let mut weights = vec![1.0, f32::NAN];
        softmax(&mut weights);
        assert!(weights.iter().all(|weight| weight.is_nan()));
    }

    #[test]
    fn norms_are_the_same_in_one_piece_and_in_many() {
        let weight: Vec<f32> = (0..100).map(|index| index as f32 / 50.0 - 1.0).collect();
        for rows in [1, 3, ALONE / 100 + 2] {
            let values: Vec<f32> =
                (0..rows * 100).map(|index| (index * 31 % 97) as f32 / 10.0 - 4.0).collect();
            let normed = rms_norm(&values, &weight, 1e-5);
            for (row, normed) in values.chunks(100).zip(normed.chunks(100)) {
                let mean = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / 100.0;
                for ((value, weight), normed) in row.iter().zip(&weight).zip(normed) {
                    let expected = f64::from(*value) * f64::from(*weight) / (mean + 1e-5).sqrt();
                    assert!((f64::from(*normed) - expected).abs() < 1e-6);
                }
            }
            let mut sum = values.clone();
            add(&mut sum, &values);
            assert!(sum.iter().zip(&values).all(|(sum, value)| *sum == 2.0 * value));
        }
    }

    #[test]
    fn gates_are_their_formulas_in_one_piece_and_in_many() {
        for len in [3, ALONE + 5] {
            let values: Vec<f32> = (0..len).map(|index| (index % 201) as f32 / 10.0 - 10.0).collect();
            let up: Vec<f32> = (0..len).map(|index| (index % 7) as f32 - 3.0).collect();
            let (mut silu, mut gelu) = (values.clone(), values.clone());
            silu_times(&mut silu, &up);
            gelu_times(&mut gelu, &up);
            for (((x, up), silu), gelu) in values.iter().zip(&up).zip(&silu).zip(&gelu) {
                let (x, up) = (f64::from(*x), f64::from(*up));
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                let expected = [x / (1.0 + (-x).exp()) * up, 0.5 * x * (1.0 + inner.tanh()) * up];
                for (found, expected) in [silu, gelu].into_iter().zip(expected) {
                    assert!((f64::from(*found) - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{x} {up}");
                }
            }
        }
    }
}
